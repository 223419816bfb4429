// Moments of a run as the time of day in a zone.
const formats = new Map()

function format(zone, wanted) {
  const key = zone + JSON.stringify(wanted)
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...wanted }))
  return formats.get(key)
}

const TIME = { hour: '2-digit', minute: '2-digit' }
const DAY = { day: 'numeric', month: 'short' }

// On an axis whose marks are so many seconds apart; `clock` has the run's start (seconds since 1970) and the zone.
export function clockMark(clock, t, step) {
  const at = (clock.started + t) * 1000
  if (step >= 86400) return format(clock.zone, DAY).format(at)
  const finer = step < 1 ? { second: '2-digit', fractionalSecondDigits: step < .01 ? 3 : step < .1 ? 2 : 1 } : step < 60 ? { second: '2-digit' } : {}
  const time = format(clock.zone, { ...TIME, ...finer }).format(at)
  return time.startsWith('00:00') && step >= 60 ? format(clock.zone, DAY).format(at) : time
}

export function clockTime(clock, t) {
  return format(clock.zone, { ...DAY, ...TIME, second: '2-digit' }).format((clock.started + t) * 1000)
}

// By how much marks must be moved so that they fall on round times of day.
export function pastRound(clock, step) {
  const parts = Object.fromEntries(format(clock.zone, { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric',
    minute: 'numeric', second: 'numeric' }).formatToParts(clock.started * 1000).map(part => [part.type, Number(part.value)]))
  const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 + clock.started % 1
  return local % step
}
