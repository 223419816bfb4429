// The mouse and the finger: wheel zooms, drag pans, shift-drag takes a window, click selects.
import { spot } from '../dom.js'
import { barAt } from './bars.js'
import { HEAD } from './frame.js'
import { pan, scroll, toTime, toX, zoom } from './scale.js'
import { hover } from '../tips.js'
import { hair, tellUsage } from './tip.js'

const STILL = 4, NARROW = 5 // pixels that are still a click; and that are no window

export function listen(chart) {
  const { sheet } = chart
  let drag = null
  sheet.onwheel = e => {
    e.preventDefault()
    if (e.shiftKey) scroll(chart, e.deltaY || e.deltaX)
    else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) pan(chart, e.deltaX / chart.width * (chart.view.hi - chart.view.lo))
    else zoom(chart, Math.exp(e.deltaY * .0015), toTime(chart, spot(sheet, e)[0]))
  }
  sheet.onpointerdown = e => {
    if (e.button) return
    const [x, y] = spot(sheet, e)
    drag = { x, y, from: toTime(chart, Math.max(x, chart.gutter)), moved: false, brush: e.shiftKey || chart.view.brushing }
    sheet.setPointerCapture(e.pointerId)
  }
  sheet.onpointermove = e => {
    const [x, y] = spot(sheet, e)
    chart.mouse = [x, y]
    if (!drag) { look(chart, x, y); return }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < STILL) return
    drag.moved = true
    hover(chart, -1)
    if (drag.brush) { band(chart, toX(chart, drag.from), x); hair(chart, x); return }
    sheet.classList.add('dragging')
    hair(chart, null)
    pan(chart, (drag.x - x) / (chart.width - chart.gutter) * (chart.view.hi - chart.view.lo))
    scroll(chart, drag.y - y)
    drag.x = x
    drag.y = y
  }
  sheet.onpointerup = e => {
    const done = drag
    drag = null
    chart.band.style.display = 'none'
    sheet.classList.remove('dragging')
    if (!done) return
    const [x, y] = spot(sheet, e)
    if (!done.moved) chart.select(barAt(chart, x, y))
    else if (done.brush) take(chart, toX(chart, done.from), x)
  }
  sheet.onpointercancel = () => { drag = null; chart.band.style.display = 'none' }
  sheet.onpointerleave = () => { if (!drag) { chart.mouse = null; hover(chart, -1); hair(chart, null) } }
  sheet.ondblclick = () => chart.whole()
}

export function look(chart, x, y) {
  hair(chart, x)
  if (!tellUsage(chart, x, y)) hover(chart, barAt(chart, x, y), x, y)
}

function band(chart, a, b) {
  const left = Math.max(chart.gutter, Math.min(a, b)), right = Math.min(chart.width, Math.max(a, b))
  Object.assign(chart.band.style, { display: 'block', left: left + 'px', width: right - left + 'px', top: HEAD + 'px' })
}

function take(chart, a, b) {
  const left = Math.max(chart.gutter, Math.min(a, b)), right = Math.min(chart.width, Math.max(a, b))
  if (right - left >= NARROW) chart.takeWindow(Math.max(0, toTime(chart, left)), toTime(chart, right))
}
