// How many are in each state, and what lines mean.
import { element } from '../dom.js'
import { GLYPH } from './boxes.js'

export function legend(chart) {
  const { data, look } = chart, count = new Map()
  for (const box of data.boxes) {
    for (const [state, k] of Object.entries(box.states)) count.set(state, (count.get(state) ?? 0) + k)
  }
  const critical = data.edges.some(edge => edge.critical), found = [...count].sort((a, b) => b[1] - a[1])
  const said = JSON.stringify([found, critical, look.dark])
  if (chart.legend.dataset.said === said) return
  chart.legend.dataset.said = said
  chart.legend.replaceChildren()
  for (const [state, k] of found) {
    sign(chart, 'swatch', `${GLYPH[state] ?? ''} ${state} ${k}`).style.background = look.states[state] ?? look.muted
  }
  if (critical) sign(chart, 'path', 'critical path')
}

function sign(chart, cls, text) {
  const whole = element(chart.legend, 'span', 'sign'), picture = element(whole, 'i', cls)
  element(whole, 'span', '', text)
  return picture
}
