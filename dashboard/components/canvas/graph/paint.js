// One whole picture of the graph, with a pen that makes pixels or SVG.
import { paintBoxes } from './boxes.js'
import { paintEdges } from './edges.js'

export function paint(pen, chart) {
  const { view, look } = chart
  pen.fillStyle = look.ground
  pen.fillRect(0, 0, chart.width, chart.height)
  pen.save()
  pen.translate(view.x, view.y)
  pen.scale(view.scale, view.scale)
  paintEdges(pen, chart)
  paintBoxes(pen, chart)
  pen.restore()
}
