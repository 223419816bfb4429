// What lies behind the bars: lanes, the lines of time, and the names in the gutter.
import { clipped } from '../letters.js'
import { clockMark, zoneOf } from '../clock.js'
import { moment } from '../words.js'
import { HEAD, bottom, rowTop } from './frame.js'
import { ticks, toX } from './scale.js'

const TALL = 34, READABLE = 12 // pixels of a lane that has room for a second line, or for a name

function eachLane(chart, act) {
  let row = 0
  chart.data.lanes.forEach((lane, k) => {
    const y = rowTop(chart, row), h = lane.rows * chart.rowHeight
    if (y < bottom(chart) && y + h > HEAD) act(lane, k, y, h)
    row += lane.rows
  })
}

function stripe(pen, chart, k, y, h, wide) {
  const { panel, line } = chart.look
  if (k % 2) { pen.fillStyle = panel; pen.globalAlpha = .55; pen.fillRect(0, y, wide, h); pen.globalAlpha = 1 }
  if (h < 4) return
  pen.fillStyle = line
  pen.fillRect(0, Math.round(y + h), wide, 1)
}

export function lanes(pen, chart) {
  eachLane(chart, (lane, k, y, h) => stripe(pen, chart, k, y, h, chart.width))
}

export function times(pen, chart) {
  const { step, found } = ticks(chart, 92), { clock } = chart.data, { muted, line, font } = chart.look
  pen.font = '11.5px ' + font
  pen.textAlign = 'center'
  for (const t of found) {
    const x = Math.round(toX(chart, t))
    if (x < chart.gutter) continue
    pen.fillStyle = line
    pen.fillRect(x, HEAD, 1, chart.height - HEAD)
    if ((t < -1e-9 && !clock) || x > chart.width - 22 || x < chart.gutter + (clock ? 18 : 4)) continue
    pen.fillStyle = muted
    pen.fillText(clock ? clockMark(clock, t, step) : Math.abs(t) < step / 1e6 ? '0' : moment(t, step), x, 17)
  }
}

export function names(pen, chart) {
  const { ground, line, text, muted, font } = chart.look, wide = chart.gutter - 1
  pen.fillStyle = ground
  pen.fillRect(0, HEAD, wide, chart.height - HEAD)
  pen.textAlign = 'left'
  let last = -Infinity
  eachLane(chart, (lane, k, y, h) => {
    stripe(pen, chart, k, y, h, wide)
    const tall = h >= TALL, centre = y + h / 2
    if (centre - last < READABLE) return // names of thin lanes must not lie on one another
    last = centre
    pen.fillStyle = text
    pen.font = `600 ${h < 16 ? 10 : 12.5}px ${font}`
    pen.fillText(clipped(pen, lane.name, wide - 18), 10, tall ? centre - 2 : centre + 4)
    if (!tall) return
    pen.font = '11px ' + font
    pen.fillStyle = muted
    pen.fillText(clipped(pen, lane.detail, wide - 18), 10, centre + 13)
  })
  pen.fillStyle = ground
  pen.fillRect(0, 0, wide, HEAD)
  pen.fillRect(0, bottom(chart), wide, chart.height - bottom(chart))
  zone(pen, chart, wide)
  pen.fillStyle = line
  pen.fillRect(wide, 0, 1, chart.height)
  pen.fillRect(0, HEAD - 1, chart.width, 1)
  pen.fillRect(0, bottom(chart), chart.width, 1)
}

// In which zone the times beside are, also in pictures that are saved.
function zone(pen, chart, wide) {
  if (!chart.data.clock) return
  pen.font = '11px ' + chart.look.font
  pen.fillStyle = chart.look.muted
  const name = zoneOf(chart.data.clock), short = name.split('/').at(-1).replaceAll('_', ' ')
  pen.fillText(clipped(pen, pen.measureText(name).width > wide - 12 ? short : name, wide - 12), 6, 17)
}

// How far down one is, where not all lanes are in sight.
export function scrollbar(pen, chart) {
  if (chart.content <= chart.lanesHeight) return
  const whole = chart.lanesHeight, part = Math.max(24, whole * whole / chart.content)
  const y = HEAD + (whole - part) * chart.view.y / (chart.content - whole)
  pen.fillStyle = chart.look.muted
  pen.globalAlpha = .55
  pen.fillRect(chart.width - 6, y, 4, part)
  pen.globalAlpha = 1
}
