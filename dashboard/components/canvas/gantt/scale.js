// Time along the width: the window that is shown, and how it moves. Only x zooms.
import { clockTicks } from '../clock.js'
import { STEPS } from '../words.js'

const MOST_IN = 1e-6, MOST_OUT = 4 // shares of the run's length

export const toX = (chart, t) => chart.gutter + (t - chart.view.lo) * perSecond(chart)
export const toTime = (chart, x) => chart.view.lo + (x - chart.gutter) / perSecond(chart)
export const perSecond = chart => (chart.width - chart.gutter) / (chart.view.hi - chart.view.lo)
export const middle = chart => (chart.view.lo + chart.view.hi) / 2

// All that there is: a run with some room, a window of many runs as it is.
export const whole = chart => chart.data.runs ? { lo: -chart.end * .005, hi: chart.end * 1.005 } : { lo: -chart.end * .01, hi: chart.end * 1.03 }

export function fit(chart) {
  Object.assign(chart.view, { ...whole(chart), y: 0, fitted: true })
  chart.redraw()
}

export function zoom(chart, factor, t) {
  const { view, end } = chart, length = (view.hi - view.lo) * factor
  if (length < end * MOST_IN || length > end * MOST_OUT) return
  const lo = t - (t - view.lo) * factor
  Object.assign(view, { lo, hi: lo + length, fitted: false })
  chart.redraw()
}

export function pan(chart, by) {
  const { view, end } = chart, length = view.hi - view.lo
  const lo = Math.min(Math.max(view.lo + by, -length * .9), end - length * .1)
  Object.assign(view, { lo, hi: lo + length, fitted: false })
  chart.redraw()
}

export function scroll(chart, by) {
  chart.view.y = Math.min(Math.max(chart.view.y + by, 0), Math.max(0, chart.content - chart.lanesHeight))
  chart.redraw()
}

export function showWindow(chart, lo, hi) {
  const least = chart.end * MOST_IN * 10, wide = Math.max(hi - lo, least)
  Object.assign(chart.view, { lo, hi: lo + wide, fitted: false })
  chart.redraw()
}

// The moments to write on the axis, at least so many pixels apart.
export function ticks(chart, apart) {
  const { lo, hi } = chart.view, wanted = (hi - lo) / Math.max(2, (chart.width - chart.gutter) / apart)
  const step = STEPS.find(s => s >= wanted) ?? Math.ceil(wanted / STEPS.at(-1)) * STEPS.at(-1), found = []
  if (chart.data.clock) return { step, found: clockTicks(chart.data.clock, lo, hi, step) }
  for (let k = Math.ceil(lo / step); k * step <= hi; k++) found.push(k * step)
  return { step, found }
}
