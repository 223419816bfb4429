// How large everything is: rows, the gutter with names, and what stands under the lanes.
export const HEAD = 26
const THIN = 5, ROW = 27, LEAST = 9, TALLEST = 640, PLOT = 46, SPACE = 12

export function measured(chart) {
  const { data } = chart, rows = data.lanes.reduce((sum, lane) => sum + lane.rows, 0)
  chart.rowHeight = rows * ROW <= TALLEST ? ROW : Math.max(LEAST, Math.floor(TALLEST / rows))
  chart.content = rows * chart.rowHeight
  chart.lanesHeight = Math.min(chart.content, TALLEST)
  chart.plots = data.usage.map((_, k) => HEAD + chart.lanesHeight + SPACE + k * (PLOT + SPACE))
  chart.plotHeight = PLOT
  chart.height = HEAD + chart.lanesHeight + (data.usage.length ? data.usage.length * (PLOT + SPACE) + 4 : 4)
  const longest = Math.max(92, ...data.lanes.map(lane => Math.max(lane.name.length * 7, lane.detail.length * 5.9)))
  chart.gutter = Math.min(170, 24 + longest)
}

// Where a bar lies between the lines of its row: [from the top, height]. Of many runs each bar has a row of its own.
export function slot(chart, layer) {
  const tall = chart.rowHeight, thin = tall >= 18 ? THIN : 2, alone = !chart.bars.first || chart.bars.first === chart.bars.n
  if (alone || chart.data.runs) return tall >= 18 ? [2, tall - 4] : [1, tall - 2]
  if (layer === 0) return [tall - thin - (tall >= 18 ? 2 : 1), thin]
  return tall >= 18 ? [2, tall - thin - 6] : [1, tall - thin - 3]
}

export const rowTop = (chart, row) => HEAD + row * chart.rowHeight - chart.view.y
export const bottom = chart => HEAD + chart.lanesHeight
