// Lines from box to box: plain ones, those of the selection, and those of the critical path on top.
import { TALL, WIDE, atPlace, left, top } from './place.js'

function way({ boxes }, edge) {
  const from = boxes[edge.from], to = boxes[edge.to], points = [[left(from) + WIDE, top(from) + TALL / 2]]
  for (const bend of edge.bends) {
    const [x, y] = atPlace(bend)
    points.push([x, y], [x + WIDE, y])
  }
  points.push([left(to) - 5, top(to) + TALL / 2])
  return points
}

function curve(pen, points) {
  pen.moveTo(...points[0])
  for (let i = 1; i < points.length; i++) {
    const [ax, ay] = points[i - 1], [bx, by] = points[i], mid = (ax + bx) / 2
    pen.bezierCurveTo(mid, ay, mid, by, bx, by)
  }
}

function heads(pen, tips) {
  pen.beginPath()
  for (const [x, y] of tips) { pen.moveTo(x + 6, y); pen.lineTo(x - 2, y - 4); pen.lineTo(x - 2, y + 4); pen.closePath() }
  pen.fill()
}

export function paintEdges(pen, chart) {
  const { data, lit, look } = chart, thick = 1 / Math.max(Math.min(chart.view.scale, 1), .45)
  const near = edge => lit !== null && lit.has(edge.from) && lit.has(edge.to)
  const passes = [[look.muted, 1.1, lit ? .3 : .6], [look.primary, 2, 1], [look.text, 2.6, 1]]
  passes.forEach(([colour, wide, alpha], pass) => {
    const ways = data.edges.filter(edge => (edge.critical ? 2 : near(edge) ? 1 : 0) === pass).map(edge => way(data, edge))
    pen.strokeStyle = pen.fillStyle = colour
    pen.lineWidth = wide * thick
    pen.globalAlpha = alpha
    pen.beginPath()
    for (const points of ways) curve(pen, points)
    pen.stroke()
    heads(pen, ways.map(points => points.at(-1)))
    pen.globalAlpha = 1
  })
}
