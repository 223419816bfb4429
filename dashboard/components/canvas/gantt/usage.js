// Cores and memory in use under the lanes, on the same axis: planned as a line, actual filled.
import { bytes, cores } from '../words.js'
import { columns } from './data.js'
import { perSecond } from './scale.js'

const SAY = { cores, memory: bytes }

export function usageOf(data) {
  return data.usage.map(each => ({ ...each, planned: columns(each.planned, 2), actual: columns(each.actual, 2) }))
}

// What was in use at a time: the value of the last step before it.
export function inUse([time, value], t) {
  const k = place(time, t)
  return k < 0 ? 0 : value[k]
}

function place(time, t) { // the last step at or before t
  let low = 0, high = time.length
  while (low < high) {
    const half = (low + high) >> 1
    if (time[half] <= t) low = half + 1
    else high = half
  }
  return low - 1
}

// The most in use in each pixel: peaks stay however far one zooms out.
function peaks(chart, [time, value]) {
  const wide = Math.max(0, Math.round(chart.width - chart.gutter)), found = new Float32Array(wide), k = perSecond(chart)
  if (!time.length) return found
  let j = place(time, chart.view.lo)
  for (let x = 0; x < wide; x++) {
    const until = chart.view.lo + (x + 1) / k
    let most = j < 0 ? 0 : value[j]
    while (j + 1 < time.length && time[j + 1] <= until) most = Math.max(most, value[++j])
    found[x] = most
  }
  return found
}

export function paintUsage(pen, chart) {
  chart.usage.forEach((each, k) => {
    const y = chart.plots[k], tall = chart.plotHeight, planned = peaks(chart, each.planned), actual = peaks(chart, each.actual)
    const most = Math.max(each.capacity, each.peak) * 1.08 || 1
    const up = value => y + tall - value / most * tall
    capacity(pen, chart, up(each.capacity))
    if (each.actual[0].length) area(pen, chart, actual, up, y + tall)
    if (each.planned[0].length) stairs(pen, chart, planned, up)
    pen.fillStyle = chart.look.line
    pen.fillRect(chart.gutter, y + tall, chart.width - chart.gutter, 1)
  })
}

function capacity(pen, chart, y) {
  pen.strokeStyle = chart.look.muted
  pen.setLineDash([4, 3])
  pen.beginPath()
  pen.moveTo(chart.gutter, Math.round(y) + .5)
  pen.lineTo(chart.width, Math.round(y) + .5)
  pen.stroke()
  pen.setLineDash([])
}

function area(pen, chart, values, up, floor) {
  pen.fillStyle = chart.look.primary
  pen.globalAlpha = .45
  let from = 0
  for (let x = 1; x <= values.length; x++) { // one box for each stretch of equal height
    if (x < values.length && values[x] === values[from]) continue
    const top = up(values[from])
    if (values[from] > 0) pen.fillRect(chart.gutter + from, top, x - from, floor - top)
    from = x
  }
  pen.globalAlpha = 1
}

function stairs(pen, chart, values, up) {
  pen.strokeStyle = chart.look.text
  pen.lineWidth = 1.2
  pen.globalAlpha = .8
  pen.beginPath()
  let last = null
  for (let x = 0; x < values.length; x++) {
    if (values[x] === last) continue
    const px = chart.gutter + x
    if (last === null) pen.moveTo(px, up(values[x]))
    else { pen.lineTo(px, up(last)); pen.lineTo(px, up(values[x])) }
    last = values[x]
  }
  if (last !== null) pen.lineTo(chart.gutter + values.length, up(last))
  pen.stroke()
  pen.globalAlpha = 1
  pen.lineWidth = 1
}

export function usageNames(pen, chart) {
  chart.usage.forEach((each, k) => {
    const y = chart.plots[k] + chart.plotHeight / 2
    pen.textAlign = 'left'
    pen.fillStyle = chart.look.text
    pen.font = '600 12.5px ' + chart.look.font
    pen.fillText(each.name === 'cores' ? 'Cores in use' : 'Memory in use', 10, y - 2)
    pen.font = '11px ' + chart.look.font
    pen.fillStyle = chart.look.muted
    pen.fillText('of ' + SAY[each.name](each.capacity), 10, y + 13)
  })
}

// What the tooltip says of one strip at a time: [what, value] by layer.
export function usageSaid(each, t) {
  const say = SAY[each.name], found = []
  if (each.actual[0].length) found.push(['in use', say(inUse(each.actual, t))])
  if (each.planned[0].length) found.push(['planned', say(inUse(each.planned, t))])
  found.push(['capacity', say(each.capacity)])
  return found
}
