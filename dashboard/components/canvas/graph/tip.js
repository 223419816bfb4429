// What is told of a box.
import { element, pairOf } from '../dom.js'

export const statesOf = box => Object.entries(box.states).map(([state, k]) => k > 1 ? `${k} ${state}` : state).join(', ')

export function tell(chart, i) {
  const box = chart.data.boxes[i], { ups, downs } = chart.near
  element(chart.tip, 'b', '', box.name)
  if (box.detail) element(chart.tip, 'span', '', box.detail)
  pairOf(chart.tip, 'state', statesOf(box))
  pairOf(chart.tip, 'waits for', String(ups[i].length))
  pairOf(chart.tip, 'before', String(downs[i].length))
  if (box.critical) pairOf(chart.tip, 'critical path', 'yes')
}
