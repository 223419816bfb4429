// Tasks and groups as boxes: a stripe for each state, as wide as its share; a sign beside the colour.
import { clipped } from '../letters.js'
import { TALL, WIDE, left, top } from './place.js'

export const GLYPH = { succeeded: '✓', running: '▶', failed: '✕', 'given up': '⊘', waiting: '·', retrying: '↻',
  interrupted: '‖', lost: '?' }
const SMALL = .33, BRIEF = .85 // scales below which there is no text, and one line of it

export function paintBoxes(pen, chart) {
  chart.data.boxes.forEach((box, i) => {
    pen.globalAlpha = chart.lit !== null && !chart.lit.has(i) ? .45 : 1
    paintBox(pen, chart, box, i === chart.selected)
    pen.globalAlpha = 1
  })
}

function paintBox(pen, chart, box, selected) {
  const { look, view } = chart, x = left(box), y = top(box), brief = view.scale < BRIEF
  outline(pen, x, y)
  pen.fillStyle = look.ground
  pen.fill()
  pen.fillStyle = look.panel
  pen.fill()
  const lane = brief ? 10 : 22
  stripes(pen, look, box, x, y, view.scale < SMALL ? WIDE : lane)
  outline(pen, x, y)
  pen.strokeStyle = selected ? look.primary : box.critical ? look.text : look.line
  pen.lineWidth = selected ? 3.5 : box.critical ? 2 : 1.2
  pen.stroke()
  if (view.scale >= SMALL) words(pen, chart, box, x, y, lane, brief)
}

function outline(pen, x, y) {
  pen.beginPath()
  pen.roundRect(x, y, WIDE, TALL, 6)
}

function stripes(pen, look, box, x, y, wide) {
  const all = Object.values(box.states).reduce((sum, count) => sum + count, 0)
  let from = x
  pen.save()
  outline(pen, x, y)
  pen.clip()
  for (const [state, count] of Object.entries(box.states)) {
    const part = wide * count / all
    pen.fillStyle = look.states[state] ?? look.muted
    pen.fillRect(from, y, part + .5, TALL)
    from += part
  }
  pen.restore()
}

function words(pen, chart, box, x, y, lane, brief) {
  const { look, view } = chart, states = Object.keys(box.states)
  const letters = brief ? Math.min(25, Math.max(12.5, 10 / view.scale)) : 12.5 // as large as it must be to be read
  if (!brief && states.length === 1) {
    pen.textAlign = 'center'
    pen.font = '600 14px ' + look.font
    pen.fillStyle = look.ground
    pen.fillText(GLYPH[states[0]] ?? '', x + 11, y + TALL / 2 + 5)
  }
  pen.textAlign = 'left'
  pen.fillStyle = look.text
  pen.font = `600 ${letters}px ${look.font}`
  pen.fillText(clipped(pen, box.title, WIDE - lane - 10), x + lane + 6, y + (brief ? TALL / 2 + letters / 3 : 16))
  if (brief) return
  pen.font = '11px ' + look.font
  pen.fillStyle = look.muted
  pen.fillText(clipped(pen, box.detail, WIDE - 34), x + 28, y + 31)
}
