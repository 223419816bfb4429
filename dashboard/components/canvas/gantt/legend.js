// What colours and signs mean; a click on a colour lets the others step back.
import { button, element, pressed } from '../dom.js'
import { span } from '../words.js'
import { colourOf, hueBy, huesOf } from './hues.js'

const MOST = 14

export function legend(chart) {
  const { data, bars, view, look } = chart, both = bars.first > 0 && bars.first < bars.n
  const hues = huesOf(data)
  const said = JSON.stringify([[...bars.present], hueBy(data), hues, data.marks, view.lit, both, look.dark, bars.failed.length > 0, chart.due.length > 0,
    data.usage.length, data.critical.length > 0, data.now === null, bars.unsure, bars.first > 0])
  if (chart.legend.dataset.said === said) return
  chart.legend.dataset.said = said
  chart.legend.replaceChildren()
  const there = [...hues.keys()].filter(k => bars.present.has(k))
  for (const k of there.slice(0, MOST)) hueSign(chart, hues[k], k)
  if (there.length > MOST) sign(chart, '', `and ${there.length - MOST} more ${hueBy(data)}s`)
  if (both || (data.runs && bars.first)) sign(chart, 'swatch ghost', chart.planned)
  if (bars.unsure) sign(chart, 'whisker', 'P10 to P90 of the end')
  if (bars.failed.length) {
    sign(chart, 'swatch', 'failed attempt').style.background =
      `repeating-linear-gradient(135deg, ${look.failed} 0 3px, transparent 3px 5px)`
  }
  if (chart.due.length) sign(chart, 'flag', 'deadline').style.background = look.text
  if (data.usage.length) sign(chart, 'capacity', 'capacity').style.borderTop = `2px dashed ${look.muted}`
  data.marks.forEach((mark, k) => {
    sign(chart, 'rule', `${mark.name} ${span(mark.at)}`).style.borderLeft = k ? `2px dotted ${look.muted}` : `2px dashed ${look.text}`
  })
}

function sign(chart, cls, text) {
  const whole = element(chart.legend, 'span', 'sign'), picture = element(whole, 'i', cls)
  element(whole, 'span', '', text)
  return picture
}

function hueSign(chart, name, k) {
  const { view } = chart, whole = button(chart.legend, '', `Only ${name}`, () => {
    view.lit = view.lit === k ? null : k
    legend(chart)
    chart.redraw()
  })
  element(whole, 'i', 'swatch').style.background = colourOf(chart, k)
  element(whole, 'span', '', name)
  pressed(whole, view.lit === k)
}
