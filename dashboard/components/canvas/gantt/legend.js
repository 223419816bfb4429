// What colours and signs mean; a click on a kind lets the others step back.
import { button, element, pressed } from '../dom.js'
import { span } from '../words.js'

const MOST = 14

export function legend(chart) {
  const { data, bars, view, look } = chart, both = bars.first > 0 && bars.first < bars.n
  const said = JSON.stringify([[...bars.present], data.kinds, data.marks, view.lit, both, look.dark, bars.failed.length > 0, chart.due.length > 0,
    data.usage.length, data.critical.length > 0, data.now === null])
  if (chart.legend.dataset.said === said) return
  chart.legend.dataset.said = said
  chart.legend.replaceChildren()
  const there = [...data.kinds.keys()].filter(k => bars.present.has(k))
  for (const k of there.slice(0, MOST)) kindSign(chart, data.kinds[k], k)
  if (there.length > MOST) sign(chart, '', `and ${there.length - MOST} more kinds`)
  if (both) sign(chart, 'swatch ghost', 'planned')
  if (bars.first) sign(chart, 'whisker', 'P10 to P90 of the end')
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

function kindSign(chart, kind, k) {
  const { view, look } = chart, whole = button(chart.legend, '', `Only ${kind}`, () => {
    view.lit = view.lit === k ? null : k
    legend(chart)
    chart.redraw()
  })
  element(whole, 'i', 'swatch').style.background = look.kinds[k % look.kinds.length]
  element(whole, 'span', '', kind)
  pressed(whole, view.lit === k)
}
