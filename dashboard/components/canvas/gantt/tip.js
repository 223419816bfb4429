// What stands beside the pointer: of a bar, of a strip of usage, and the moment under a fine line.
import { besides, element, pairOf } from '../dom.js'
import { clockMark } from '../clock.js'
import { bytes, cores, moment, span } from '../words.js'
import { PLANNED, barsByTask } from './data.js'
import { boxOf } from './bars.js'
import { HEAD, bottom } from './frame.js'
import { toTime } from './scale.js'
import { usageSaid } from './usage.js'

export function hover(chart, i, x, y) {
  const changed = chart.over !== i
  chart.over = i
  chart.sheet.classList.toggle('over', i >= 0)
  ring(chart)
  if (i < 0) { chart.tip.style.visibility = 'hidden'; return }
  if (changed) tell(chart, i)
  besides(chart.tip, chart.frame, x, y)
}

// The frame around the bar under the pointer: an element, so that nothing is painted anew.
export function ring(chart) {
  const shown = chart.over >= 0 && chart.over < chart.bars.n
  chart.ring.style.display = shown ? 'block' : 'none'
  if (!shown) return
  const [x, y, w, h] = boxOf(chart, chart.over), left = Math.max(x, chart.gutter), right = Math.min(x + w, chart.width)
  const top = Math.max(y, HEAD), low = Math.min(y + h, bottom(chart))
  if (right < left || low < top) { chart.ring.style.display = 'none'; return }
  Object.assign(chart.ring.style, { left: left - 2 + 'px', top: top - 2 + 'px', width: right - left + 4 + 'px', height: low - top + 4 + 'px' })
}

function tell(chart, i) {
  const { bars, data, tip } = chart, task = bars.task[i], of = bars.ofTask
  tip.replaceChildren()
  element(tip, 'b', '', data.names[task])
  pairOf(tip, 'kind', data.kinds[of.kind[task]] ?? '')
  pairOf(tip, 'state', data.states[of.state[task]])
  pairOf(tip, 'holds', `${cores(of.cores[task])}, ${bytes(of.memory[task])}`)
  for (const j of barsByTask(bars).get(task)) {
    const from = bars.start[j], to = bars.end[j], where = data.workers[bars.worker[j]]
    pairOf(tip, `${bars.layer(j) === PLANNED ? 'planned' : 'attempt ' + bars.attempt[j - bars.first]} on ${where}`,
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
