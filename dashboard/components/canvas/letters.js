// Text on a canvas that fits its room; what was measured once is kept.
const widths = new Map()

function wide(pen, text) {
  const key = pen.font + '\n' + text
  let found = widths.get(key)
  if (found === undefined) {
    if (widths.size > 40000) widths.clear()
    found = pen.measureText(text).width
    widths.set(key, found)
  }
  return found
}

export function clipped(pen, text, room) {
  const whole = wide(pen, text)
  if (whole <= room) return text
  let most = Math.min(text.length - 1, Math.ceil(text.length * room / whole) + 2)
  while (most > 1 && wide(pen, text.slice(0, most) + '…') > room) most--
  return text.slice(0, Math.max(1, most)) + '…'
}
