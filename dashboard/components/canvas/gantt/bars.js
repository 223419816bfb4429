// Bars, as few as can be seen: what lies in a pixel that is painted already is left out.
import { clipped } from '../letters.js'
import { onto } from '../colours.js'
import { PLANNED } from './data.js'
import { colourOf } from './hues.js'
import { HEAD, bottom, rowTop, slot } from './frame.js'
import { perSecond, toX } from './scale.js'

const LEAST = 1.5, ROUND = 6, WORDS = 26 // pixels
const PALE = .5, COMING = .38 // how strong what is planned is, under what happened and after it

export function boxOf(chart, i) {
  const { bars } = chart, [down, tall] = slot(chart, bars.layer(i)), x = toX(chart, bars.start[i])
  return [x, rowTop(chart, bars.row[i]) + down, Math.max(LEAST, (bars.end[i] - bars.start[i]) * perSecond(chart)), tall]
}

const dimmed = (chart, hue) => chart.view.lit !== null && hue !== chart.view.lit

export function paintBars(pen, chart) {
  const { bars } = chart, weak = chart.data.runs ? COMING : bars.first > 0 && bars.first < bars.n ? PALE : 1
  bars.groups.forEach((group, g) => {
    const hue = g % bars.hues, layer = Math.floor(g / bars.hues)
    pen.fillStyle = colourOf(chart, hue)
    pen.globalAlpha = (dimmed(chart, hue) ? .14 : 1) * (layer === PLANNED ? weak : 1)
    fillGroup(pen, chart, group, slot(chart, layer))
  })
  pen.globalAlpha = 1
}

function fillGroup(pen, chart, group, [down, tall]) {
  const { start, end, row } = chart.bars, { lo, hi } = chart.view, k = perSecond(chart)
  const left = chart.gutter - 4, right = chart.width + 4, base = HEAD - chart.view.y, low = bottom(chart)
  const round = tall > 8
  let line = -1, painted = -Infinity, y = 0, rounded = false
  for (let j = 0; j < group.length; j++) {
    const i = group[j]
    if (row[i] !== line) { line = row[i]; painted = -Infinity; y = base + line * chart.rowHeight + down }
    if (y > low || y + tall < HEAD || end[i] < lo || start[i] > hi) continue
    let x = chart.gutter + (start[i] - lo) * k
    const to = Math.min(Math.max(chart.gutter + (end[i] - lo) * k, x + LEAST), right)
    if (to <= painted + .25) continue
    x = Math.max(x, left, Math.min(painted, to - .5))
    painted = to
    const wide = to - x
    if (round && wide > ROUND) {
      if (!rounded) { pen.beginPath(); rounded = true }
      pen.roundRect(x, y, wide - .5, tall, 3)
    } else pen.fillRect(x, y, wide > 3 ? wide - .5 : wide, tall)
  }
  if (rounded) pen.fill()
}

export function paintFailed(pen, chart) {
  for (const i of inSight(chart, chart.bars.failed)) {
    const [x, y, w, h] = boxOf(chart, i), left = Math.max(x, chart.gutter - 4)
    const wide = Math.max(3, Math.min(x + w, chart.width + 4) - left)
    pen.globalAlpha = dimmed(chart, hueOf(chart, i)) ? .2 : 1
    pen.fillStyle = chart.look.failed
    pen.fillRect(left, y, wide, h)
    if (wide > 4 && h > 4) hatch(pen, chart, left, y, wide, h)
    pen.globalAlpha = 1
  }
}

function hatch(pen, chart, left, y, wide, h) { // failure is told by more than a colour
  pen.save()
  pen.beginPath()
  pen.rect(left, y, wide, h)
  pen.clip()
  pen.strokeStyle = chart.look.ground
  pen.globalAlpha *= .45
  pen.lineWidth = 1.5
  pen.beginPath()
  for (let d = left - h - (left % 7); d < left + wide; d += 7) { pen.moveTo(d, y + h); pen.lineTo(d + h, y) }
  pen.stroke()
  pen.restore()
}

export function paintRunning(pen, chart) {
  pen.strokeStyle = chart.look.text
  pen.lineWidth = 1.5
  pen.setLineDash([3, 3])
  for (const i of inSight(chart, chart.bars.running)) {
    pen.globalAlpha = dimmed(chart, hueOf(chart, i)) ? .2 : 1
    pen.strokeRect(...boxOf(chart, i))
  }
  pen.setLineDash([])
  pen.globalAlpha = 1
  pen.lineWidth = 1
}

export function paintLabels(pen, chart) {
  const { bars } = chart, many = chart.data.runs !== undefined, from = bars.first < bars.n && !many ? bars.first : 0
  if (chart.rowHeight < 18) return
  pen.font = '11px ' + chart.look.font
  pen.textAlign = 'left'
  for (let i = from; i < bars.n; i++) {
    if ((bars.end[i] - bars.start[i]) * perSecond(chart) < WORDS || !seen(chart, i)) continue
    const [x, y, w, h] = boxOf(chart, i), left = Math.max(x, chart.gutter), room = Math.min(x + w, chart.width) - left - 8
    if (room < WORDS - 8) continue
    const failed = bars.stateOf(i) === 1, hue = hueOf(chart, i), pale = many && i < bars.first
    pen.fillStyle = pale ? chart.look.text : onto(failed ? chart.look.failed : colourOf(chart, hue))
    pen.globalAlpha = dimmed(chart, hue) ? .25 : 1
    pen.fillText(clipped(pen, chart.data.names[bars.task[i]], room), left + 4, y + h / 2 + 4)
  }
  pen.globalAlpha = 1
}

const hueOf = (chart, i) => chart.bars.hue[chart.bars.task[i]]

export function seen(chart, i) {
  const { bars, view } = chart, y = rowTop(chart, bars.row[i])
  return bars.end[i] >= view.lo && bars.start[i] <= view.hi && y < bottom(chart) && y + chart.rowHeight > HEAD
}

export const inSight = (chart, list) => list.filter(i => seen(chart, i))

// The bar under a point; one of a single pixel can still be hit.
export function barAt(chart, x, y) {
  if (x < chart.gutter || y < HEAD || y > bottom(chart)) return -1
  const { bars } = chart, k = perSecond(chart), row = Math.floor((y - HEAD + chart.view.y) / chart.rowHeight)
  let best = -1, near = 4
  for (let i = bars.n; i--;) {
    if (bars.row[i] !== row) continue
    const left = chart.gutter + (bars.start[i] - chart.view.lo) * k, right = left + Math.max(LEAST, (bars.end[i] - bars.start[i]) * k)
    let away = x < left ? left - x : x > right ? x - right : 0
    if (away >= near) continue
    const [, top, , tall] = boxOf(chart, i)
    if (y < top - 2 || y > top + tall + 2) away += 1 // the other layer of the row lies nearer
    if (away < near) { best = i; near = away; if (!away) break }
  }
  return best
}
