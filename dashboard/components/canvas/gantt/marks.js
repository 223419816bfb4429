// What is said about bars: how sure their ends are, deadlines, the critical path, and what waits for what.
import { PLANNED, barsByTask } from './data.js'
import { HEAD, bottom, rowTop } from './frame.js'
import { boxOf, inSight, seen } from './bars.js'
import { perSecond, toX } from './scale.js'

const LEAST = 3, MOST = 3000 // pixels of a whisker that is drawn; and of whiskers at one time

// From P10 to P90 of the end, at the height of the planned bar.
export function paintWhiskers(pen, chart) {
  const { bars, view } = chart, k = perSecond(chart), cap = chart.rowHeight >= 18 ? 3 : 1.5
  if (!bars.first || chart.rowHeight < 9) return
  pen.fillStyle = chart.look.text
  pen.globalAlpha = view.lit === null ? .75 : .3
  let drawn = 0
  for (let i = 0; i < bars.first && drawn < MOST; i++) {
    if (!((bars.high[i] - bars.low[i]) * k >= LEAST) || bars.high[i] < view.lo || bars.low[i] > view.hi) continue
    const y = rowTop(chart, bars.row[i])
    if (y > bottom(chart) || y + chart.rowHeight < HEAD) continue
    const [, top, , tall] = boxOf(chart, i), middle = Math.round(tall > 12 ? top + tall - 4 : top + tall / 2) - .5 // below a name
    const left = toX(chart, bars.low[i]), right = toX(chart, bars.high[i])
    pen.fillRect(left, middle, right - left, 1)
    pen.fillRect(left, middle - cap, 1, 2 * cap + 1)
    pen.fillRect(right - 1, middle - cap, 1, 2 * cap + 1)
    drawn++
  }
  pen.globalAlpha = 1
}

// A flag where a task must have ended: filled where it ends too late.
export function paintDeadlines(pen, chart) {
  const { bars } = chart, deadline = bars.ofTask.deadline
  for (const task of chart.due) {
    const i = bars.standsFor[task], at = deadline[task]
    if (at < chart.view.lo || at > chart.view.hi) continue
    const y = rowTop(chart, bars.row[i]), late = bars.end[i] > at
    if (y > bottom(chart) || y + chart.rowHeight < HEAD) continue
    const x = toX(chart, at), tall = chart.rowHeight
    pen.fillStyle = pen.strokeStyle = late ? chart.look.failed : chart.look.text
    if (tall < 14) { pen.fillRect(x, y + 1, late ? 2 : 1, tall - 3); continue }
    pen.fillRect(x - 1, y + 1, 2, tall - 2)
    pen.beginPath()
    pen.moveTo(x + 1, y + 1)
    pen.lineTo(x + 8, y + 4.5)
    pen.lineTo(x + 1, y + 8)
    pen.closePath()
    if (late) pen.fill()
    else pen.stroke()
  }
}

export function paintCritical(pen, chart) {
  if (!chart.view.path) return
  const path = chart.data.critical.map(task => chart.bars.standsFor[task])
  pen.strokeStyle = chart.look.text
  pen.lineWidth = 2
  for (const i of inSight(chart, path)) pen.strokeRect(...boxOf(chart, i))
  pen.setLineDash([5, 3])
  pen.lineWidth = 1.3
  pen.beginPath()
  for (let j = 1; j < path.length; j++) link(pen, chart, path[j - 1], path[j])
  pen.stroke()
  pen.setLineDash([])
  pen.lineWidth = 1
}

function link(pen, chart, a, b) { // from the end of one bar to the start of another
  const [ax, ay, aw, ah] = boxOf(chart, a), [bx, by, , bh] = boxOf(chart, b)
  const from = [ax + aw, ay + ah / 2], to = [bx, by + bh / 2], bend = Math.max(14, Math.abs(to[0] - from[0]) * .4)
  if (Math.max(from[0], to[0]) < chart.gutter || Math.min(from[0], to[0]) > chart.width) return null
  pen.moveTo(...from)
  pen.bezierCurveTo(from[0] + bend, from[1], to[0] - bend, to[1], ...to)
  return to
}

// Arrows from what the selected task waits for, and to what waits for it.
export function paintArrows(pen, chart) {
  const tips = []
  pen.strokeStyle = pen.fillStyle = chart.look.primary
  pen.lineWidth = 1.8
  pen.beginPath()
  for (const [a, b] of chart.data.arrows) {
    const tip = link(pen, chart, chart.bars.standsFor[a], chart.bars.standsFor[b])
    if (tip) tips.push(tip)
  }
  pen.stroke()
  pen.beginPath()
  for (const [x, y] of tips) { pen.moveTo(x, y); pen.lineTo(x - 8, y - 4.5); pen.lineTo(x - 8, y + 4.5); pen.closePath() }
  pen.fill()
  pen.lineWidth = 1
}

export function paintSelection(pen, chart) {
  if (chart.data.selected === null) return
  for (const i of barsByTask(chart.bars).get(chart.data.selected) ?? []) {
    if (!seen(chart, i)) continue
    const [x, y, w, h] = boxOf(chart, i), thin = chart.bars.layer(i) === PLANNED && chart.bars.first < chart.bars.n
    pen.strokeStyle = chart.look.text
    pen.lineWidth = thin ? 1.5 : 2.5
    pen.strokeRect(x - 1, y - 1, w + 2, h + 2)
  }
  pen.lineWidth = 1
}

export function paintMoments(pen, chart) {
  chart.data.marks.forEach((mark, k) => {
    upright(pen, chart, mark.at, k ? chart.look.muted : chart.look.text, k ? [2, 4] : [7, 4], 1.4)
  })
  if (chart.data.now === null) return
  const x = upright(pen, chart, chart.data.now, chart.look.primary, [], 2)
  if (x === null) return
  pen.fillStyle = chart.look.primary
  pen.font = '600 11px ' + chart.look.font
  pen.textAlign = x > chart.width - 40 ? 'right' : 'left'
  pen.fillText('now', x + (x > chart.width - 40 ? -5 : 5), HEAD + 10)
}

function upright(pen, chart, at, colour, dash, thick) {
  const x = Math.round(toX(chart, at)) + .5
  if (x < chart.gutter || x > chart.width) return null
  pen.strokeStyle = colour
  pen.setLineDash(dash)
  pen.lineWidth = thick
  pen.beginPath()
  pen.moveTo(x, HEAD)
  pen.lineTo(x, chart.height)
  pen.stroke()
  pen.setLineDash([])
  pen.lineWidth = 1
  return x
}
