// The same in rows, for those who hear the page.
import { button, element } from '../dom.js'
import { statesOf } from './tip.js'

const HEADS = ['Box', 'What', 'State', 'Waits for', 'Before']
const MOST = 8 // names in a cell

export function table(chart) {
  const { rows, data } = chart
  if (!rows.parentElement.open) return
  rows.replaceChildren()
  element(rows, 'caption', '', `${data.boxes.length} boxes, ${data.edges.length} dependencies.`)
  const head = element(element(rows, 'thead'), 'tr'), body = element(rows, 'tbody')
  for (const each of HEADS) element(head, 'th', '', each).scope = 'col'
  data.boxes.forEach((box, i) => line(chart, body, box, i))
}

function line(chart, body, box, i) {
  const row = element(body, 'tr'), name = element(row, 'th')
  name.scope = 'row'
  button(name, box.name, `Select ${box.name}`, () => chart.select(i))
  for (const each of [box.detail, statesOf(box), named(chart, chart.near.ups[i]), named(chart, chart.near.downs[i])]) {
    element(row, 'td', '', each)
  }
}

function named(chart, places) {
  const first = places.slice(0, MOST).map(k => chart.data.boxes[k].name).join(', ')
  return places.length > MOST ? `${first} and ${places.length - MOST} more` : first
}
