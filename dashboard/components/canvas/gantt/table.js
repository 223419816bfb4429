// The same in rows, for those who hear the page: the bars in sight, in order of time.
import { zoneOf } from '../clock.js'
import { button, element } from '../dom.js'
import { PLANNED, runOf, walk } from './data.js'

const MOST = 100
const HEADS = ['Kind', 'State', 'Worker']

export function table(chart) {
  const { bars, view, rows } = chart
  if (!rows.parentElement.open) return
  const found = walk(bars).filter(i => bars.end[i] >= view.lo && bars.start[i] <= view.hi)
  rows.replaceChildren()
  const from = Math.max(0, view.lo), to = Math.max(from, Math.min(view.hi, chart.end))
  const said = element(rows, 'caption')
  said.textContent = found.length > MOST
    ? `The first ${MOST} of ${found.length} bars between ${chart.say(from)} and ${chart.say(to)}; zoom in or filter to see others.`
    : `${found.length} bars between ${chart.say(from)} and ${chart.say(to)}.`
  const head = element(element(rows, 'thead'), 'tr'), body = element(rows, 'tbody')
  const zone = chart.data.clock ? ` (${zoneOf(chart.data.clock)})` : ''
  for (const each of ['Task', ...(chart.data.runs ? ['Run'] : []), ...HEADS, 'From' + zone, 'To' + zone]) element(head, 'th', '', each).scope = 'col'
  for (const i of found.slice(0, MOST)) line(chart, body, i)
}

function line(chart, body, i) {
  const { bars, data } = chart, task = bars.task[i], row = element(body, 'tr'), name = element(row, 'th')
  name.scope = 'row'
  button(name, data.names[task], `Select ${data.names[task]}`, () => chart.select(i))
  const state = bars.layer(i) === PLANNED ? chart.planned : data.states[bars.ofTask.state[task]], run = runOf(chart, task)
  for (const each of [...(run ? [run.name] : []), data.kinds[bars.ofTask.kind[task]] ?? '', state, data.workers[bars.worker[i]], chart.say(bars.start[i]), chart.say(bars.end[i])]) {
    element(row, 'td', '', each)
  }
}
