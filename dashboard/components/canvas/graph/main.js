// The graph: begun once for each place on the page, then shown again whenever its data changes.
import { appearance } from '../colours.js'
import { button, element, livingIn, oncePerFrame } from '../dom.js'
import { savePng, saveSvg } from '../saving.js'
import { kin, neighbours } from './kin.js'
import { keys } from './keys.js'
import { legend } from './legend.js'
import { paint } from './paint.js'
import { fit, reveal, zoom } from './place.js'
import { listen } from './pointer.js'
import { table } from './table.js'
import { hover, ring } from './tip.js'

const views = new Map() // where each graph was looked at: kept from screen to screen
const HINT = 'Wheel zooms, drag pans, double-click fits, click selects. Keys: arrows go from box to box, Shift and arrows pan, ' +
  '+ − zoom, 0 fits, Tab next box, Enter selects, Esc then Tab leaves.'

function begun(root) {
  const chart = { root, over: -1, width: 0, height: 0, data: null }
  const bar = element(root, 'div', 'bar')
  chart.legend = element(bar, 'div', 'legend')
  tools(chart, element(bar, 'div', 'tools'))
  chart.frame = element(root, 'div', 'frame')
  chart.sheet = element(chart.frame, 'canvas', 'sheet')
  chart.ring = element(chart.frame, 'div', 'ring')
  chart.tip = element(root, 'div', 'tip')
  chart.tip.setAttribute('role', 'status')
  element(root, 'div', 'hint', HINT)
  const more = element(root, 'details', 'table')
  element(more, 'summary', '', 'The graph as a table')
  chart.rows = element(more, 'table')
  more.ontoggle = () => table(chart)
  chart.sheet.tabIndex = 0
  chart.sheet.setAttribute('role', 'application')
  chart.sheet.setAttribute('aria-roledescription', 'graph')
  chart.redraw = oncePerFrame(() => draw(chart))
  chart.resize = () => {
    chart.sheet.style.height = chart.height + 'px'
    const wide = Math.round(chart.width * devicePixelRatio), tall = Math.round(chart.height * devicePixelRatio)
    if (chart.sheet.width !== wide || chart.sheet.height !== tall) Object.assign(chart.sheet, { width: wide, height: tall })
  }
  chart.select = i => {
    if (i < 0 || i === undefined) return
    chart.view.selectedName = chart.data.boxes[i].name
    pick(chart, i)
    chart.redraw()
    chart.send('clicked', chart.view.selectedName)
  }
  listen(chart)
  keys(chart)
  const watch = new ResizeObserver(() => sized(chart))
  watch.observe(chart.frame)
  const dark = matchMedia('(prefers-color-scheme: dark)'), later = () => setTimeout(chart.redraw, 200)
  dark.addEventListener('change', later)
  chart.stop = () => { watch.disconnect(); dark.removeEventListener('change', later) }
  return chart
}

function tools(chart, parent) {
  const closer = factor => zoom(chart, factor, chart.width / 2, chart.height / 2)
  const saved = save => save(chart.data.file, chart.width, chart.height, pen => paint(pen, chart))
  button(parent, '−', 'Zoom out', () => closer(.8))
  button(parent, '+', 'Zoom in', () => closer(1.25))
  button(parent, 'Fit', 'Show the whole graph', () => fit(chart))
  element(parent, 'span', 'gap')
  button(parent, 'PNG', 'Save as a picture (PNG)', () => saved(savePng))
  button(parent, 'SVG', 'Save as a drawing (SVG)', () => saved(saveSvg))
}

function pick(chart, i) {
  chart.selected = i
  chart.lit = i >= 0 ? kin(chart.near, i) : null
}

function shown(chart, data, send) {
  const over = chart.over < 0 ? null : chart.data.boxes[chart.over].name
  Object.assign(chart, { data, send, near: neighbours(data) })
  chart.over = data.boxes.findIndex(box => box.name === over) // a live run must not take the keyboard's place away
  if (chart.over < 0) hover(chart, -1)
  const view = views.get(data.key) ?? { scale: null, x: 0, y: 0, count: 0, height: 0, fitted: true, selectedName: null }
  views.set(data.key, view)
  chart.view = view
  chart.height = view.height || chart.height
  chart.width = chart.frame.clientWidth
  pick(chart, data.boxes.findIndex(box => box.name === data.selected))
  chart.sheet.setAttribute('aria-label', `${data.boxes.length} boxes and ${data.edges.length} dependencies. ` +
    'The tables below the graph say the same.')
  chart.resize()
  if (view.scale === null || view.count !== data.boxes.length) fit(chart)
  if (chart.selected >= 0 && view.selectedName !== data.selected && view.scale !== null) reveal(chart, chart.selected)
  view.selectedName = data.selected
  table(chart)
  chart.redraw()
}

function sized(chart) {
  if (!chart.data) return
  const fresh = chart.width !== chart.frame.clientWidth
  chart.width = chart.frame.clientWidth
  chart.resize()
  if (chart.view.scale === null || (fresh && chart.view.fitted)) fit(chart)
  draw(chart)
}

function draw(chart) {
  if (!chart.data || !chart.sheet.isConnected || chart.width < 10 || chart.view.scale === null) return
  const pen = chart.sheet.getContext('2d')
  chart.look = appearance(chart.root, chart.data.palettes)
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
  paint(pen, chart)
  legend(chart)
  ring(chart)
  chart.root.dataset.ready = '1'
}

export default function ({ parentElement, data, setTriggerValue }) {
  const chart = livingIn(parentElement.querySelector('.dag'), begun)
  shown(chart, data, setTriggerValue)
  return () => { hover(chart, -1); chart.stop() }
}
