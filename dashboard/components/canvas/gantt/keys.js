// The keyboard: everything that the mouse can do.
import { walk } from './data.js'
import { boxOf } from './bars.js'
import { HEAD, bottom, rowTop } from './frame.js'
import { middle, pan, scroll, zoom } from './scale.js'
import { hover } from '../tips.js'

export function keys(chart) {
  let leaving = false
  chart.sheet.onblur = () => { leaving = false }
  chart.sheet.onkeydown = e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const length = chart.view.hi - chart.view.lo
    const act = {
      ArrowLeft: () => pan(chart, -length * .1), ArrowRight: () => pan(chart, length * .1),
      ArrowDown: () => aside(chart, 1), ArrowUp: () => aside(chart, -1),
      '+': () => zoom(chart, .8, middle(chart)), '=': () => zoom(chart, .8, middle(chart)),
      '-': () => zoom(chart, 1.25, middle(chart)), _: () => zoom(chart, 1.25, middle(chart)),
      0: () => chart.whole(), Home: () => chart.whole(),
      Enter: () => chart.select(chart.over), ' ': () => chart.select(chart.over),
      PageDown: () => scroll(chart, chart.lanesHeight / 2), PageUp: () => scroll(chart, -chart.lanesHeight / 2),
      Escape: () => { leaving = true; hover(chart, -1) },
      Tab: () => along(chart, e.shiftKey ? -1 : 1),
    }[e.key]
    if (!act || (e.key === 'Tab' && leaving)) return
    if (e.key !== 'Escape') leaving = false
    if (act() !== false) e.preventDefault()
  }
}

// To the next bar in time; false where there is none, so that Tab leaves the chart.
function along(chart, by) {
  const bars = walk(chart.bars), at = chart.over < 0 ? -1 : bars.indexOf(chart.over)
  if (at < 0 && by < 0) return false
  const next = bars[at < 0 ? firstInSight(chart, bars) : at + by]
  if (next === undefined) { hover(chart, -1); return false }
  visit(chart, next)
  return true
}

function firstInSight(chart, bars) {
  return Math.max(0, bars.findIndex(i => chart.bars.end[i] >= chart.view.lo))
}

// To the bar above or below that is nearest in time.
function aside(chart, by) {
  const { bars, over } = chart, visited = walk(bars)
  if (over < 0) { along(chart, 1); return }
  let best = -1, rows = Infinity, away = Infinity
  for (const i of visited) {
    const down = (bars.row[i] - bars.row[over]) * by, far = Math.abs(bars.start[i] - bars.start[over])
    if (down > 0 && (down < rows || (down === rows && far < away))) { best = i; rows = down; away = far }
  }
  if (best >= 0) visit(chart, best)
}

function visit(chart, i) {
  reveal(chart, i)
  const [x, y] = boxOf(chart, i)
  hover(chart, i, Math.max(x, chart.gutter), y)
}

// Moves the window, as little as needed, so that a bar can be seen.
export function reveal(chart, i) {
  const { bars, view } = chart, y = rowTop(chart, bars.row[i])
  if (bars.end[i] < view.lo || bars.start[i] > view.hi) pan(chart, bars.start[i] - middle(chart))
  if (y < HEAD) scroll(chart, y - HEAD)
  else if (y + chart.rowHeight > bottom(chart)) scroll(chart, y + chart.rowHeight - bottom(chart))
}
