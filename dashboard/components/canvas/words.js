// Seconds and bytes as people read them.
export const STEPS = [1e-3, 2e-3, 5e-3, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2419200]
const SIZES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

const two = n => String(n).padStart(2, '0')

// A moment of the run on an axis whose marks are so many seconds apart.
export function moment(t, step) {
  const sign = t < 0 ? '−' : '', s = Math.abs(t)
  if (step < 1) return sign + s.toFixed(step < .01 ? 3 : step < .1 ? 2 : 1) + ' s'
  const whole = Math.round(s)
  if (whole < 60) return sign + whole + ' s'
  if (whole < 3600) return sign + Math.floor(whole / 60) + ':' + two(whole % 60) + (step >= 60 ? ' min' : '')
  if (whole < 86400) return sign + Math.floor(whole / 3600) + ' h ' + two(Math.floor(whole % 3600 / 60))
  return sign + Math.floor(whole / 86400) + ' d ' + Math.floor(whole % 86400 / 3600) + ' h'
}

export function span(s) {
  if (s < 0) return '−' + span(-s)
  if (s < 1) return Number((s * 1000).toPrecision(3)) + ' ms'
  if (s < 60) return Number(s.toPrecision(3)) + ' s'
  return moment(s, 1).replace(/^(\d+):(\d\d)$/, '$1 min $2 s')
}

export function bytes(value) {
  const power = value < 1000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3 + 1e-9), SIZES.length - 1)
  return Number((value / 1000 ** power).toPrecision(3)) + ' ' + SIZES[power]
}

export function cores(value) {
  return Number(value.toPrecision(3)) + (value === 1 ? ' core' : ' cores')
}
