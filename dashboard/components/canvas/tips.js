// What stands beside the pointer, and the frame around what lies under it. A chart says what it tells of a
// thing (`chart.tell`) and where on the screen that is (`chart.boxOver`: x, y, width, height, or null).
import { besides } from './dom.js'

export function hover(chart, i, x, y) {
  const changed = chart.over !== i
  chart.over = i
  chart.sheet.classList.toggle('over', i >= 0)
  ring(chart)
  if (i < 0) { chart.tip.style.visibility = 'hidden'; return }
  if (changed) { chart.tip.replaceChildren(); chart.tell(i) }
  besides(chart.tip, chart.frame, x, y)
}

// An element, so that nothing is painted anew.
export function ring(chart) {
  const box = chart.over >= 0 ? chart.boxOver(chart.over) : null
  chart.ring.style.display = box ? 'block' : 'none'
  if (!box) return
  const [x, y, w, h] = box
  Object.assign(chart.ring.style, { left: x - 2 + 'px', top: y - 2 + 'px', width: w + 4 + 'px', height: h + 4 + 'px' })
}
