// The keyboard: from box to box, and everything else that the mouse can do.
import { boxOnScreen, fit, left, pan, reveal, top, zoom } from './place.js'
import { hover } from '../tips.js'

const FAR = 60

export function keys(chart) {
  let leaving = false
  chart.sheet.onblur = () => { leaving = false }
  chart.sheet.onkeydown = e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const closer = factor => zoom(chart, factor, chart.width / 2, chart.height / 2)
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
    const act = {
      '+': () => closer(1.25), '=': () => closer(1.25), '-': () => closer(.8), _: () => closer(.8),
      0: () => fit(chart), Home: () => fit(chart), Enter: () => chart.select(chart.over), ' ': () => chart.select(chart.over),
      Escape: () => { leaving = true; hover(chart, -1) }, Tab: () => along(chart, e.shiftKey ? -1 : 1),
    }[e.key] ?? (arrows[e.key] && (() => arrow(chart, arrows[e.key], e.shiftKey)))
    if (!act || (e.key === 'Tab' && leaving)) return
    if (e.key !== 'Escape') leaving = false
    if (act() !== false) e.preventDefault()
  }
}

function arrow(chart, [dx, dy], shifted) {
  if (shifted) { pan(chart, -dx * FAR, -dy * FAR); return }
  if (chart.over < 0) { visit(chart, chart.selected >= 0 ? chart.selected : walk(chart)[0]); return }
  const here = chart.data.boxes[chart.over], { ups, downs } = chart.near
  const sideways = dx ? (dx > 0 ? downs : ups)[chart.over] : chart.data.boxes.keys()
  let best = -1, least = Infinity
  for (const i of sideways) { // along a dependency, or to the next box of the same column
    const box = chart.data.boxes[i], down = (top(box) - top(here)) * dy
    if (dy && (box.x !== here.x || down <= 0)) continue
    const away = dx ? Math.hypot(left(box) - left(here), top(box) - top(here)) : down
    if (away < least) { best = i; least = away }
  }
  if (best >= 0) visit(chart, best)
}

// The order in which Tab goes: column by column, from the top.
function walk(chart) {
  const { boxes } = chart.data
  return [...boxes.keys()].sort((a, b) => boxes[a].x - boxes[b].x || boxes[a].y - boxes[b].y)
}

// To the next box; false where there is none, so that Tab leaves the chart.
function along(chart, by) {
  const order = walk(chart), at = chart.over < 0 ? -1 : order.indexOf(chart.over)
  const next = at < 0 && by < 0 ? undefined : order[at + by]
  if (next === undefined) { hover(chart, -1); return false }
  visit(chart, next)
  return true
}

function visit(chart, i) {
  if (i === undefined) return
  reveal(chart, i)
  const [x, y, w, h] = boxOnScreen(chart, i)
  hover(chart, i, x + w * .6, y + h)
}
