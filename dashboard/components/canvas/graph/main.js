// The graph: begun once for each place on the page, then shown again whenever its data changes.
import { begin, penOf, resized } from '../chart.js'
import { button, element, livingIn } from '../dom.js'
import { savePng, saveSvg } from '../saving.js'
import { hover, ring } from '../tips.js'
import { kin, neighbours } from './kin.js'
import { keys } from './keys.js'
import { legend } from './legend.js'
import { paint } from './paint.js'
import { boxOnScreen, fit, reveal, zoom } from './place.js'
import { listen } from './pointer.js'
import { table } from './table.js'
import { tell } from './tip.js'

const views = new Map() // where each graph was looked at: kept from screen to screen
const HINT = 'Wheel zooms, drag pans, double-click fits, click selects. Keys: arrows go from box to box, Shift and arrows pan, ' +
  '+ − zoom, 0 fits, Tab next box, Enter selects, Esc then Tab leaves.'

function begun(root) {
  const chart = begin(root, { role: 'graph', hint: HINT, rows: 'The graph as a table', over: ['ring'], draw, sized, table })
  chart.tell = i => tell(chart, i)
  chart.boxOver = i => boxOnScreen(chart, i)
  chart.resize = () => resized(chart)
  chart.select = i => {
    if (i < 0 || i === undefined) return
    chart.view.selectedName = chart.data.boxes[i].name
    pick(chart, i)
    chart.redraw()
    chart.send('clicked', chart.view.selectedName)
  }
  tools(chart, chart.tools)
  listen(chart)
  keys(chart)
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
  const pen = chart.view?.scale ? penOf(chart) : null
  if (!pen) return
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
