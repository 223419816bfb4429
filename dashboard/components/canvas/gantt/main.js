// The Gantt: begun once for each place on the page, then shown again whenever its data changes.
import { appearance } from '../colours.js'
import { clockTime } from '../clock.js'
import { element, livingIn, oncePerFrame } from '../dom.js'
import { span } from '../words.js'
import { barNamed, barsOf, nameOf } from './data.js'
import { measured } from './frame.js'
import { keys, reveal } from './keys.js'
import { legend } from './legend.js'
import { paint } from './paint.js'
import { listen, look } from './pointer.js'
import { fit, showWindow } from './scale.js'
import { table } from './table.js'
import { hair, hover, ring } from './tip.js'
import { tools, windowSaid } from './tools.js'
import { usageOf } from './usage.js'

const views = new Map() // window of time and scroll by key: kept from screen to screen
const HINT = 'Wheel zooms in time, drag pans, shift-drag takes a window, double-click fits, click selects. ' +
  'Keys: ← → pan, + − zoom, 0 fits, Tab next bar, ↑ ↓ bar in the next row, Enter selects, Esc then Tab leaves.'

function begun(root) {
  const chart = { root, over: -1, mouse: null, width: 0, bars: null, data: null }
  const bar = element(root, 'div', 'bar')
  chart.legend = element(bar, 'div', 'legend')
  chart.tools = element(bar, 'div', 'tools')
  chart.frame = element(root, 'div', 'frame')
  chart.sheet = element(chart.frame, 'canvas', 'sheet')
  for (const each of ['band', 'hair', 'ring']) chart[each] = element(chart.frame, 'div', each)
  chart.tip = element(root, 'div', 'tip')
  chart.tip.setAttribute('role', 'status')
  element(root, 'div', 'hint', HINT)
  const more = element(root, 'details', 'table')
  element(more, 'summary', '', 'The bars in sight as a table')
  chart.rows = element(more, 'table')
  more.ontoggle = () => table(chart)
  chart.sheet.tabIndex = 0
  chart.sheet.setAttribute('role', 'application')
  chart.sheet.setAttribute('aria-roledescription', 'Gantt chart')
  chart.redraw = oncePerFrame(() => draw(chart))
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
    chart.view.selectedName = chart.data.names[chart.data.selected]
    chart.redraw()
    chart.send('clicked', chart.view.selectedName)
  }
  const watch = new ResizeObserver(() => { sized(chart); draw(chart) })
  watch.observe(chart.frame)
  const dark = matchMedia('(prefers-color-scheme: dark)'), later = () => setTimeout(chart.redraw, 200)
  dark.addEventListener('change', later)
  chart.stop = () => { watch.disconnect(); dark.removeEventListener('change', later) }
  return chart
}

function shown(chart, data, send) {
  const first = chart.data === null, over = chart.over < 0 ? null : nameOf(chart.bars, chart.data.names, chart.over)
  Object.assign(chart, { data, send, bars: barsOf(data), usage: usageOf(data), end: Math.max(data.end, 1e-6) })
  chart.due = [...chart.bars.ofTask.deadline.keys()].filter(task => !Number.isNaN(chart.bars.ofTask.deadline[task]))
  chart.say = t => data.clock ? clockTime(data.clock, t) : span(t)
  viewOf(chart)
  measured(chart)
  if (first) { tools(chart, chart.tools); listen(chart); keys(chart) }
  chart.over = over === null ? -1 : barNamed(chart.bars, data.names, over) // a live run must not take the keyboard's place away
  if (chart.over < 0) hover(chart, -1)
  chart.sheet.setAttribute('aria-label', `${chart.bars.n} bars in ${data.lanes.length} lanes over ${span(chart.end)}. ` +
    'The tables below the chart say the same.')
  windowSaid(chart)
  sized(chart)
  followSelection(chart)
  chart.redraw()
}

function viewOf(chart) {
  const { data, end } = chart
  const view = views.get(data.key) ?? { lo: -end * .01, hi: end * 1.03, y: 0, lit: null, fitted: true, path: true, brushing: false,
    window: 'null', selectedName: null, end }
  views.set(data.key, view)
  chart.view = view
  if (view.end !== end && view.fitted) Object.assign(view, { lo: -end * .01, hi: end * 1.03 }) // follows a run that grows
  view.end = end
  if (view.lit !== null && view.lit >= data.kinds.length) view.lit = null
  const asked = JSON.stringify(data.window)
  if (asked !== view.window) { // the address says another window
    view.window = asked
    if (data.window) Object.assign(view, { lo: data.window[0], hi: data.window[1], fitted: false })
    else Object.assign(view, { lo: -end * .01, hi: end * 1.03, fitted: true })
  }
}

// A task that was selected elsewhere comes into sight.
function followSelection(chart) {
  const { data, view } = chart, name = data.selected === null ? null : data.names[data.selected]
  view.y = Math.min(view.y, Math.max(0, chart.content - chart.lanesHeight))
  if (name === view.selectedName) return
  view.selectedName = name
  if (name !== null) reveal(chart, chart.bars.standsFor[data.selected])
}

function sized(chart) {
  if (!chart.data) return
  chart.width = chart.frame.clientWidth
  chart.sheet.style.height = chart.height + 'px'
  const wide = Math.round(chart.width * devicePixelRatio), tall = Math.round(chart.height * devicePixelRatio)
  if (chart.sheet.width !== wide || chart.sheet.height !== tall) Object.assign(chart.sheet, { width: wide, height: tall })
}

function draw(chart) {
  if (!chart.data || !chart.sheet.isConnected || chart.width < 10) return
  const pen = chart.sheet.getContext('2d')
  chart.look = appearance(chart.root, chart.data.palettes)
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
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
