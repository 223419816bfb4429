// What Python packed, as arrays: bars lie by row and, within a row, by time; planned ones first.
import { hueBy, huesOf } from './hues.js'

export const PLANNED = 0
export const ACTUAL = 1
export const FAILED = 1
export const RUNNING = 2

export function columns(packed, count) {
  const flat = new Float32Array(Uint8Array.from(atob(packed), letter => letter.charCodeAt(0)).buffer)
  const rows = flat.length / count
  return Array.from({ length: count }, (_, k) => flat.subarray(k * rows, (k + 1) * rows))
}

function joined(one, other) {
  const both = new Float32Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}

export function barsOf(data) {
  const [start, end, row, task, worker, low, high] = columns(data.planned, 7)
  const [began, ended, place, whose, where, state, attempt] = columns(data.actual, 7)
  const [kind, deadline, critical, cores, memory, stands, run] = columns(data.tasks, data.runs ? 7 : 6)
  const first = start.length, n = first + began.length
  const bars = {
    n, first, hues: huesOf(data).length, start: joined(start, began), end: joined(end, ended), row: joined(row, place),
    task: joined(task, whose), worker: joined(worker, where), low, high, state, attempt,
    ofTask: { kind, deadline, critical, cores, memory, state: stands, run },
  }
  bars.layer = i => i < first ? PLANNED : ACTUAL
  bars.stateOf = i => i < first ? 0 : state[i - first]
  bars.hue = bars.ofTask[hueBy(data)]
  bars.unsure = low.some((each, i) => high[i] > each)
  bars.failed = []
  bars.running = []
  bars.groups = grouped(bars)
  bars.standsFor = standing(bars)
  bars.present = new Set(bars.hue) // what has a bar
  for (let i = first; i < n; i++) {
    if (state[i - first] === FAILED) bars.failed.push(i)
    if (state[i - first] === RUNNING) bars.running.push(i)
  }
  return bars
}

// The bars of each layer and hue: a group has one colour.
function grouped(bars) {
  const groups = Array.from({ length: 2 * bars.hues }, () => [])
  for (let i = 0; i < bars.n; i++) {
    if (bars.stateOf(i) === FAILED) continue // drawn apart
    groups[bars.layer(i) * bars.hues + bars.hue[bars.task[i]]].push(i)
  }
  return groups.map(each => Uint32Array.from(each))
}

// The bars of each task, planned first; made when first asked for.
export function barsByTask(bars) {
  if (!bars.byTask) {
    bars.byTask = new Map()
    for (let i = 0; i < bars.n; i++) {
      if (!bars.byTask.has(bars.task[i])) bars.byTask.set(bars.task[i], [])
      bars.byTask.get(bars.task[i]).push(i)
    }
  }
  return bars.byTask
}

// The bar that stands for a task: its last attempt, else its place in the plan; -1 without a bar.
function standing(bars) {
  const found = new Int32Array(bars.ofTask.kind.length).fill(-1)
  for (let i = 0; i < bars.n; i++) {
    const task = bars.task[i], other = found[task]
    if (other < bars.first || bars.start[i] >= bars.start[other]) found[task] = i
  }
  return found
}

// The run of a task where many are shown; null where one is.
export const runOf = (chart, task) => chart.data.runs ? chart.data.runs[chart.bars.ofTask.run[task]] : null

// What a task is called towards Python: tasks of other runs may have its name.
export function idOf(chart, task) {
  const run = runOf(chart, task)
  return run ? `${run.id}/${chart.data.names[task]}` : chart.data.names[task]
}

// Which bar it is, whatever its place in the next data: its task, and its attempt (zero in the plan).
export const nameOf = (chart, i) => [idOf(chart, chart.bars.task[i]), attemptOf(chart.bars, i)]
const attemptOf = (bars, i) => i < bars.first ? 0 : bars.attempt[i - bars.first]

export function barNamed(chart, [task, attempt]) {
  const place = chart.data.names.findIndex((_, k) => idOf(chart, k) === task)
  return (barsByTask(chart.bars).get(place) ?? []).find(i => attemptOf(chart.bars, i) === attempt) ?? -1
}

// The bars that the keyboard visits, in order of time: attempts, and plans of what has not begun.
export function walk(bars) {
  if (!bars.walk) {
    const visited = []
    for (const all of barsByTask(bars).values()) {
      const tries = all.filter(i => i >= bars.first)
      visited.push(...(tries.length ? tries : all))
    }
    bars.walk = visited.sort((a, b) => bars.start[a] - bars.start[b] || bars.row[a] - bars.row[b] || a - b)
  }
  return bars.walk
}
