// What is told of a bar, of a strip of usage, and of the moment under a fine line.
import { besides, element, pairOf } from '../dom.js'
import { clockMark } from '../clock.js'
import { ring } from '../tips.js'
import { bytes, cores, moment, span } from '../words.js'
import { PLANNED, barsByTask, runOf } from './data.js'
import { boxOf } from './bars.js'
import { HEAD, bottom } from './frame.js'
import { toTime } from './scale.js'
import { usageSaid } from './usage.js'

// The part of a bar that is in sight; null where nothing of it is.
export function boxInSight(chart, i) {
  if (i >= chart.bars.n) return null
  const [x, y, w, h] = boxOf(chart, i), left = Math.max(x, chart.gutter), right = Math.min(x + w, chart.width)
  const top = Math.max(y, HEAD), low = Math.min(y + h, bottom(chart))
  return right < left || low < top ? null : [left, top, right - left, low - top]
}

export function tell(chart, i) {
  const { bars, data, tip } = chart, task = bars.task[i], of = bars.ofTask, run = runOf(chart, task)
  element(tip, 'b', '', data.names[task])
  if (run) {
    pairOf(tip, 'run', `${run.name} (${run.state})`)
    if (run.owner) pairOf(tip, 'for', run.owner)
  }
  pairOf(tip, 'kind', data.kinds[of.kind[task]] ?? '')
  pairOf(tip, 'state', data.states[of.state[task]])
  pairOf(tip, 'holds', `${cores(of.cores[task])}, ${bytes(of.memory[task])}`)
  for (const j of barsByTask(bars).get(task)) {
    const from = bars.start[j], to = bars.end[j], where = data.workers[bars.worker[j]]
    pairOf(tip, `${bars.layer(j) === PLANNED ? chart.planned : 'attempt ' + bars.attempt[j - bars.first]} on ${where}`,
      `${chart.say(from)} to ${chart.say(to)} (${span(to - from)})`)
    if (bars.layer(j) === PLANNED && bars.high[j] > bars.low[j]) {
      pairOf(tip, 'its end, P10 to P90', `${chart.say(bars.low[j])} to ${chart.say(bars.high[j])}`)
    }
  }
  if (!Number.isNaN(of.deadline[task])) pairOf(tip, 'deadline', chart.say(of.deadline[task]))
  if (of.critical[task]) pairOf(tip, 'critical path', 'yes')
}

// The moment under the pointer, as a fine line through lanes and usage.
export function hair(chart, x) {
  const shown = x !== null && x >= chart.gutter
  chart.hair.style.display = shown ? 'block' : 'none'
  if (!shown) return
  chart.hair.style.left = x + 'px'
  const t = toTime(chart, x), step = (chart.view.hi - chart.view.lo) / 500, { clock } = chart.data
  chart.hair.dataset.at = clock ? clockMark(clock, t, Math.min(step, 59)) : moment(t, step)
}

export function tellUsage(chart, x, y) {
  const k = chart.plots.findIndex(top => y >= top && y <= top + chart.plotHeight)
  if (k < 0 || x < chart.gutter) return false
  const at = toTime(chart, x)
  chart.tip.replaceChildren()
  element(chart.tip, 'b', '', `${chart.usage[k].name === 'cores' ? 'Cores' : 'Memory'} at ${chart.say(at)}`)
  for (const [name, value] of usageSaid(chart.usage[k], at)) pairOf(chart.tip, name, value)
  chart.over = -1
  ring(chart)
  besides(chart.tip, chart.frame, x, y)
  return true
}
