// What comes before and after a box.
export function neighbours({ boxes, edges }) {
  const ups = boxes.map(() => []), downs = boxes.map(() => [])
  for (const { from, to } of edges) { downs[from].push(to); ups[to].push(from) }
  return { ups, downs }
}

// All before and all after one box, and itself.
export function kin({ ups, downs }, start) {
  const near = new Set([start])
  for (const next of [ups, downs]) {
    const todo = [start], done = new Set(todo)
    while (todo.length) {
      for (const k of next[todo.pop()]) if (!done.has(k)) { done.add(k); near.add(k); todo.push(k) }
    }
  }
  return near
}
