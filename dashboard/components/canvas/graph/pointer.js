// The mouse and the finger: wheel zooms, drag pans, double-click fits, click selects.
import { spot } from '../dom.js'
import { boxAt, fit, pan, zoom } from './place.js'
import { hover } from '../tips.js'

const STILL = 4 // pixels that are still a click

export function listen(chart) {
  const { sheet } = chart
  let drag = null
  sheet.onwheel = e => { e.preventDefault(); zoom(chart, Math.exp(-e.deltaY * .0015), ...spot(sheet, e)) }
  sheet.onpointerdown = e => {
    if (e.button) return
    const [x, y] = spot(sheet, e)
    drag = { x, y, moved: false }
    sheet.setPointerCapture(e.pointerId)
  }
  sheet.onpointermove = e => {
    const [x, y] = spot(sheet, e)
    if (!drag) { hover(chart, boxAt(chart, x, y), x, y); return }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < STILL) return
    drag.moved = true
    sheet.classList.add('dragging')
    hover(chart, -1)
    pan(chart, x - drag.x, y - drag.y)
    drag.x = x
    drag.y = y
  }
  sheet.onpointerup = e => {
    const still = drag && !drag.moved
    drag = null
    sheet.classList.remove('dragging')
    if (still) chart.select(boxAt(chart, ...spot(sheet, e)))
  }
  sheet.onpointercancel = () => { drag = null }
  sheet.onpointerleave = () => { if (!drag) hover(chart, -1) }
  sheet.ondblclick = () => fit(chart)
}
