// One whole picture of the chart, with a pen that makes pixels or SVG.
import { paintBars, paintFailed, paintLabels, paintRunning } from './bars.js'
import { HEAD, bottom } from './frame.js'
import { lanes, names, scrollbar, times } from './ground.js'
import { paintArrows, paintCritical, paintDeadlines, paintMoments, paintSelection, paintWhiskers } from './marks.js'
import { paintUsage, usageNames } from './usage.js'

export function paint(pen, chart) {
  const { ground } = chart.look
  pen.fillStyle = ground
  pen.fillRect(0, 0, chart.width, chart.height)
  within(pen, chart, HEAD, bottom(chart), () => lanes(pen, chart), 0)
  times(pen, chart)
  within(pen, chart, HEAD, bottom(chart), () => {
    paintBars(pen, chart)
    paintFailed(pen, chart)
    paintRunning(pen, chart)
    paintLabels(pen, chart)
    paintWhiskers(pen, chart)
    paintDeadlines(pen, chart)
    paintCritical(pen, chart)
    paintArrows(pen, chart)
    paintSelection(pen, chart)
  })
  within(pen, chart, bottom(chart), chart.height, () => paintUsage(pen, chart))
  within(pen, chart, HEAD, chart.height, () => paintMoments(pen, chart))
  names(pen, chart)
  usageNames(pen, chart)
  scrollbar(pen, chart)
}

function within(pen, chart, top, low, draw, left = chart.gutter) {
  pen.save()
  pen.beginPath()
  pen.rect(left, top, chart.width - left, low - top)
  pen.clip()
  draw()
  pen.restore()
}
