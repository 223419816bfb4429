// What every chart begins with: legend and tools above, a sheet to draw on, a tip, and the same as a table.
import { appearance } from './colours.js'
import { element, oncePerFrame } from './dom.js'

// `role` names the chart, `over` what lies over its sheet; `draw`, `sized` and `table` are its own.
export function begin(root, { role, hint, rows, over, draw, sized, table }) {
  const chart = { root, over: -1, width: 0, height: 0, data: null }
  const bar = element(root, 'div', 'bar')
  chart.legend = element(bar, 'div', 'legend')
  chart.tools = element(bar, 'div', 'tools')
  chart.frame = element(root, 'div', 'frame')
  chart.sheet = element(chart.frame, 'canvas', 'sheet')
  for (const each of over) chart[each] = element(chart.frame, 'div', each)
  chart.tip = element(root, 'div', 'tip')
  chart.tip.setAttribute('role', 'status')
  element(root, 'div', 'hint', hint)
  const more = element(root, 'details', 'table')
  element(more, 'summary', '', rows)
  chart.rows = element(more, 'table')
  more.ontoggle = () => table(chart)
  chart.sheet.tabIndex = 0
  chart.sheet.setAttribute('role', 'application')
  chart.sheet.setAttribute('aria-roledescription', role)
  chart.redraw = oncePerFrame(() => draw(chart))
  const watch = new ResizeObserver(() => sized(chart))
  watch.observe(chart.frame)
  const dark = matchMedia('(prefers-color-scheme: dark)'), later = () => setTimeout(chart.redraw, 200)
  dark.addEventListener('change', later)
  chart.stop = () => { watch.disconnect(); dark.removeEventListener('change', later) }
  return chart
}

// As many pixels as the screen has for the height that the chart wants.
export function resized(chart) {
  chart.sheet.style.height = chart.height + 'px'
  const wide = Math.round(chart.width * devicePixelRatio), tall = Math.round(chart.height * devicePixelRatio)
  if (chart.sheet.width !== wide || chart.sheet.height !== tall) Object.assign(chart.sheet, { width: wide, height: tall })
}

// A pen for the whole sheet, in the colours of now; null where there is nothing to draw on.
export function penOf(chart) {
  if (!chart.data || !chart.sheet.isConnected || chart.width < 10) return null
  const pen = chart.sheet.getContext('2d')
  chart.look = appearance(chart.root, chart.data.palettes)
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
  return pen
}
