// Where boxes stand, and what part of the plane is looked at.
export const WIDE = 132
export const TALL = 38
const GAP = 44, ROW = 50, EDGE = 24, LARGEST = 1.15, TALLEST = 620, LEAST = 170

export const left = box => box.x * (WIDE + GAP)
export const top = box => box.y * ROW
export const atPlace = ([x, y]) => [x * (WIDE + GAP), y * ROW + TALL / 2]

function bounds({ boxes, edges }) {
  const xs = boxes.map(left), ys = [...boxes.map(top), ...edges.flatMap(edge => edge.bends.map(([, y]) => y * ROW))]
  const least = list => list.reduce((a, b) => Math.min(a, b)), most = list => list.reduce((a, b) => Math.max(a, b))
  return [least(xs) - EDGE, least(ys) - EDGE, most(xs) + WIDE + EDGE, most(ys) + TALL + EDGE]
}

// The whole graph in sight; the height follows from it.
export function fit(chart) {
  const { data, view, width } = chart
  if (!data.boxes.length || width < 10) return
  const [x0, y0, x1, y1] = bounds(data), wide = x1 - x0, tall = y1 - y0
  chart.height = view.height = Math.min(Math.max(tall * Math.min(width / wide, LARGEST), LEAST), TALLEST)
  view.scale = Math.min(width / wide, chart.height / tall, LARGEST)
  view.x = (width - wide * view.scale) / 2 - x0 * view.scale
  view.y = (chart.height - tall * view.scale) / 2 - y0 * view.scale
  Object.assign(view, { count: data.boxes.length, fitted: true })
  chart.resize()
  chart.redraw()
}

export function zoom(chart, factor, x, y) {
  const { view } = chart, scale = Math.min(Math.max(view.scale * factor, .03), 4)
  view.x = x - (x - view.x) * scale / view.scale
  view.y = y - (y - view.y) * scale / view.scale
  Object.assign(view, { scale, fitted: false })
  chart.redraw()
}

export function pan(chart, dx, dy) {
  chart.view.x += dx
  chart.view.y += dy
  chart.view.fitted = false
  chart.redraw()
}

// A box on the screen: x, y, width, height.
export function boxOnScreen(chart, i) {
  const { scale, x, y } = chart.view, box = chart.data.boxes[i]
  return [left(box) * scale + x, top(box) * scale + y, WIDE * scale, TALL * scale]
}

export function boxAt(chart, x, y) {
  const wx = (x - chart.view.x) / chart.view.scale, wy = (y - chart.view.y) / chart.view.scale
  return chart.data.boxes.findIndex(b => wx >= left(b) && wx <= left(b) + WIDE && wy >= top(b) && wy <= top(b) + TALL)
}

// Moves the plane, as little as needed, so that a box can be seen.
export function reveal(chart, i) {
  const [x, y, w, h] = boxOnScreen(chart, i), room = 12
  const dx = x < room ? room - x : x + w > chart.width - room ? chart.width - room - x - w : 0
  const dy = y < room ? room - y : y + h > chart.height - room ? chart.height - room - y - h : 0
  if (dx || dy) pan(chart, dx, dy)
}
