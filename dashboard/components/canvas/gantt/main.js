// The Gantt: begun once for each place on the page, then shown again whenever its data changes.
import { begin, penOf, resized } from '../chart.js'
import { clockTime } from '../clock.js'
import { livingIn } from '../dom.js'
import { hover, ring } from '../tips.js'
import { span } from '../words.js'
import { barNamed, barsOf, idOf, nameOf } from './data.js'
import { measured } from './frame.js'
import { hueBy, huesOf } from './hues.js'
import { keys, reveal } from './keys.js'
import { legend } from './legend.js'
import { paint } from './paint.js'
import { listen, look } from './pointer.js'
import { fit, showWindow, whole } from './scale.js'
import { table } from './table.js'
import { boxInSight, hair, tell } from './tip.js'
import { tools, windowSaid } from './tools.js'
import { usageOf } from './usage.js'

const views = new Map() // window of time and scroll by key: kept from screen to screen
const HINT = 'Wheel zooms in time, drag pans, shift-drag takes a window, double-click fits, click selects. ' +
  'Keys: ← → pan, + − zoom, 0 fits, Tab next bar, ↑ ↓ bar in the next row, Enter selects, Esc then Tab leaves.'

function begun(root) {
  const chart = begin(root, { role: 'Gantt chart', hint: HINT, rows: 'The bars in sight as a table', over: ['band', 'hair', 'ring'],
    draw, table, sized: () => { sized(chart); draw(chart) } })
  Object.assign(chart, { mouse: null, bars: null })
  chart.tell = i => tell(chart, i)
  chart.boxOver = i => boxInSight(chart, i)
  chart.whole = () => {
    if (chart.data.window) { chart.data.window = null; chart.view.window = 'null'; windowSaid(chart); chart.send('window', []) }
    fit(chart)
  }
  chart.takeWindow = (lo, hi) => {
    chart.data.window = [lo, hi]
    chart.view.window = JSON.stringify(chart.data.window)
    windowSaid(chart)
    showWindow(chart, lo, hi)
    chart.send('window', [lo, hi])
  }
  chart.select = i => {
    if (i < 0 || i === undefined) return
    chart.data.selected = chart.view.selected = chart.bars.task[i]
    chart.view.selectedName = idOf(chart, chart.data.selected)
    chart.redraw()
    chart.send('clicked', chart.view.selectedName)
  }
  return chart
}

function shown(chart, data, send) {
  const first = chart.data === null, over = chart.over < 0 ? null : nameOf(chart, chart.over)
  Object.assign(chart, { data, send, bars: barsOf(data), usage: usageOf(data), end: Math.max(data.end, 1e-6) })
  chart.due = [...chart.bars.ofTask.deadline.keys()].filter(task => !Number.isNaN(chart.bars.ofTask.deadline[task]))
  chart.planned = data.runs ? 'to come' : 'planned'
  chart.say = t => data.clock ? clockTime(data.clock, t) : span(t)
  viewOf(chart)
  measured(chart)
  if (first) { tools(chart, chart.tools); listen(chart); keys(chart) }
  chart.over = over === null ? -1 : barNamed(chart, over) // a live run must not take the keyboard's place away
  if (chart.over < 0) hover(chart, -1)
  chart.sheet.setAttribute('aria-label', `${chart.bars.n} bars in ${data.lanes.length} lanes over ${span(chart.end)}. ` +
    'The tables below the chart say the same.')
  windowSaid(chart)
  sized(chart)
  followSelection(chart)
  chart.redraw()
}

function viewOf(chart) {
  const { data, end } = chart, zero = data.runs ? data.clock.started : null, hues = hueBy(data)
  const view = views.get(data.key) ?? { ...whole(chart), zero, hues, y: 0, lit: null, fitted: true, path: true, brushing: false,
    window: 'null', selectedName: null, end }
  views.set(data.key, view)
  chart.view = view
  const by = zero - view.zero // the same time of day stays in sight where times are from another moment on
  if (view.fitted && (by || view.end !== end)) Object.assign(view, whole(chart)) // follows a run that grows
  else if (by) Object.assign(view, { lo: view.lo - by, hi: view.hi - by })
  Object.assign(view, { zero, end })
  if (view.hues !== hues || (view.lit !== null && view.lit >= huesOf(data).length)) Object.assign(view, { hues, lit: null })
  const asked = JSON.stringify(data.window)
  if (asked !== view.window) { // the address says another window
    view.window = asked
    if (data.window) Object.assign(view, { lo: data.window[0], hi: data.window[1], fitted: false })
    else Object.assign(view, { ...whole(chart), fitted: true })
  }
}

// A task that was selected elsewhere comes into sight.
function followSelection(chart) {
  const { data, view } = chart, name = data.selected === null ? null : idOf(chart, data.selected)
  view.y = Math.min(view.y, Math.max(0, chart.content - chart.lanesHeight))
  if (name === view.selectedName) return
  view.selectedName = name
  if (name !== null) reveal(chart, chart.bars.standsFor[data.selected])
}

function sized(chart) {
  if (!chart.data) return
  chart.width = chart.frame.clientWidth
  resized(chart)
}

function draw(chart) {
  const pen = penOf(chart)
  if (!pen) return
  paint(pen, chart)
  legend(chart)
  ring(chart)
  if (chart.mouse && chart.over < 0) look(chart, ...chart.mouse)
  clearTimeout(chart.tableLater)
  chart.tableLater = setTimeout(() => table(chart), 200)
  chart.root.dataset.ready = '1'
}

export default function ({ parentElement, data, setTriggerValue }) {
  const chart = livingIn(parentElement.querySelector('.gantt'), begun)
  shown(chart, data, setTriggerValue)
  return () => { hover(chart, -1); hair(chart, null); chart.stop() }
}
