// What stands beside the pointer, and the frame around the box under it.
import { besides, element, pairOf } from '../dom.js'
import { boxOnScreen } from './place.js'

export function hover(chart, i, x, y) {
  const changed = chart.over !== i
  chart.over = i
  chart.sheet.classList.toggle('over', i >= 0)
  ring(chart)
  if (i < 0) { chart.tip.style.visibility = 'hidden'; return }
  if (changed) tell(chart, i)
  besides(chart.tip, chart.frame, x, y)
}

export function ring(chart) {
  const shown = chart.over >= 0
  chart.ring.style.display = shown ? 'block' : 'none'
  if (!shown) return
  const [x, y, w, h] = boxOnScreen(chart, chart.over)
  Object.assign(chart.ring.style, { left: x - 2 + 'px', top: y - 2 + 'px', width: w + 4 + 'px', height: h + 4 + 'px' })
}

export const statesOf = box => Object.entries(box.states).map(([state, k]) => k > 1 ? `${k} ${state}` : state).join(', ')

function tell(chart, i) {
  const box = chart.data.boxes[i], { ups, downs } = chart.near
  chart.tip.replaceChildren()
  element(chart.tip, 'b', '', box.name)
  if (box.detail) element(chart.tip, 'span', '', box.detail)
  pairOf(chart.tip, 'state', statesOf(box))
  pairOf(chart.tip, 'waits for', String(ups[i].length))
  pairOf(chart.tip, 'before', String(downs[i].length))
  if (box.critical) pairOf(chart.tip, 'critical path', 'yes')
}
