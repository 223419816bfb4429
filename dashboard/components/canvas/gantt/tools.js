// The buttons above the chart.
import { button, element, pressed } from '../dom.js'
import { savePng, saveSvg } from '../saving.js'
import { paint } from './paint.js'
import { middle, zoom } from './scale.js'

export function tools(chart, parent) {
  const whole = chart.data.runs ? 'all of this time' : 'the whole run'
  chart.cleared = button(parent, '', `Show ${whole} again`, () => chart.whole())
  chart.cleared.className = 'window'
  if (!chart.data.runs) path(chart, parent)
  const brush = button(parent, 'Window', 'Drag over the chart to choose a window of time', () => {
    chart.view.brushing = !chart.view.brushing
    pressed(brush, chart.view.brushing)
    chart.sheet.classList.toggle('brushing', chart.view.brushing)
  })
  pressed(brush, chart.view.brushing)
  chart.sheet.classList.toggle('brushing', chart.view.brushing)
  element(parent, 'span', 'gap')
  button(parent, '−', 'Zoom out', () => zoom(chart, 1.25, middle(chart)))
  button(parent, '+', 'Zoom in', () => zoom(chart, .8, middle(chart)))
  button(parent, 'Fit', `Show ${whole}`, () => chart.whole())
  element(parent, 'span', 'gap')
  button(parent, 'PNG', 'Save as a picture (PNG)', () => saved(chart, savePng))
  button(parent, 'SVG', 'Save as a drawing (SVG)', () => saved(chart, saveSvg))
}

function path(chart, parent) {
  const made = button(parent, 'Critical path', 'Show the critical path', () => {
    chart.view.path = !chart.view.path
    pressed(made, chart.view.path)
    chart.redraw()
  })
  pressed(made, chart.view.path)
}

function saved(chart, save) {
  save(chart.data.file, chart.width, chart.height, pen => paint(pen, chart))
}

export function windowSaid(chart) {
  const taken = chart.data.window
  chart.cleared.style.display = taken ? '' : 'none'
  if (taken) chart.cleared.textContent = `${chart.say(taken[0])} to ${chart.say(taken[1])} ✕`
}
