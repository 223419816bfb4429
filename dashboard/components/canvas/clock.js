// Moments of a run as the time of day in a zone.
const formats = new Map(), zones = new Map()
const MONTH = 28 * 86400

// A browser that does not know the zone tells times in UTC, and says so.
export function zoneOf(clock) {
  if (!zones.has(clock.zone)) {
    try {
      new Intl.DateTimeFormat('en-GB', { timeZone: clock.zone })
      zones.set(clock.zone, clock.zone)
    } catch { zones.set(clock.zone, 'UTC') }
  }
  return zones.get(clock.zone)
}

function format(clock, wanted) {
  const zone = zoneOf(clock), key = zone + JSON.stringify(wanted)
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...wanted }))
  return formats.get(key)
}

const TIME = { hour: '2-digit', minute: '2-digit' }
const DAY = { day: 'numeric', month: 'short' }

// On an axis whose marks are so many seconds apart; `clock` has the run's start (seconds since 1970) and the zone.
export function clockMark(clock, t, step) {
  const at = (clock.started + t) * 1000
  if (step >= 86400) return format(clock, DAY).format(at)
  const finer = step < 1 ? { second: '2-digit', fractionalSecondDigits: step < .01 ? 3 : step < .1 ? 2 : 1 } : step < 60 ? { second: '2-digit' } : {}
  const time = format(clock, { ...TIME, ...finer }).format(at)
  return time.startsWith('00:00') && step >= 60 ? format(clock, DAY).format(at) : time
}

export function clockTime(clock, t) {
  return format(clock, { ...DAY, ...TIME, second: '2-digit' }).format((clock.started + t) * 1000)
}

// How far the clock of the zone is ahead of UTC at a moment, in seconds.
function ahead(clock, t) {
  const at = Math.floor(clock.started + t)
  const parts = Object.fromEntries(format(clock, { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric',
    minute: 'numeric', second: 'numeric' }).formatToParts(at * 1000).map(part => [part.type, Number(part.value)]))
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 - at
}

// The moments from lo to hi at which the clock shows a multiple of the step, in order; an hour that it shows twice counts twice.
export function clockTicks(clock, lo, hi, step) {
  if (hi - lo > MONTH) { // more changes of summer time than one: each mark by itself, a day apart at least
    const near = ahead(clock, lo)
    return rounds(clock, lo - 86400, hi + 86400, step, near).map(t => t + near - ahead(clock, t)).filter(t => t >= lo && t <= hi)
  }
  const before = ahead(clock, lo), after = ahead(clock, hi)
  if (before === after) return rounds(clock, lo, hi, step, before)
  const change = changed(clock, lo, hi, before), first = rounds(clock, lo, change, step, before)
  const then = rounds(clock, change, hi, step, after).filter(t => t >= change && t - (first.at(-1) ?? -Infinity) > step / 2)
  return [...first.filter(t => t < change), ...then]
}

function rounds(clock, lo, hi, step, offset) {
  const whole = Math.floor(clock.started), past = (whole + offset) % step + (clock.started - whole), found = []
  for (let k = Math.ceil((lo + past) / step); k * step - past <= hi; k++) found.push(k * step - past)
  return found
}

// When the clock is set another way, to the second.
function changed(clock, lo, hi, before) {
  while (hi - lo > 1) {
    const middle = (lo + hi) / 2
    if (ahead(clock, middle) === before) lo = middle
    else hi = middle
  }
  return Math.floor(clock.started + hi) - clock.started
}
