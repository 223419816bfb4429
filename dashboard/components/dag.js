// Draws a layered graph on a canvas. Names reach the page only as textContent or fillText.
const seen = new Map() // where each graph was looked at, kept while its data changes
const WIDE = 132, TALL = 38, GAP = 44, ROW = 50, TALLEST = 620, LEAST = 170
const GLYPH = { succeeded: '✓', running: '▶', failed: '✕', 'given up': '⊘', waiting: '·', retrying: '↻', interrupted: '‖', lost: '?' }

function part(parent, name, cls) { // the part that is there already, so that a redraw disturbs nobody
  return parent.querySelector(`:scope > .${cls}`) ?? element(parent, name, cls)
}
function element(parent, name, cls, text) {
  const made = document.createElement(name)
  if (cls) made.className = cls
  if (text !== undefined) made.textContent = text
  parent.appendChild(made)
  return made
}
function isDark(colour) {
  const probe = document.createElement('canvas').getContext('2d')
  probe.fillStyle = colour || '#fff'
  const v = probe.fillStyle
  return parseInt(v.slice(1, 3), 16) * .3 + parseInt(v.slice(3, 5), 16) * .59 + parseInt(v.slice(5, 7), 16) * .11 < 110
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector('.dag'), css = getComputedStyle(root)
  const bar = part(root, 'div', 'bar'), legend = part(bar, 'div', 'legend'), tools = part(bar, 'div', 'tools')
  const frame = part(root, 'div', 'frame'), canvas = part(frame, 'canvas', 'sheet'), tip = part(root, 'div', 'tip')
  part(root, 'div', 'hint').textContent = 'Wheel zooms, drag pans, double-click fits, click selects. Keys: arrows pan, + − zoom, 0 fits.'
  tip.setAttribute('role', 'status')
  const pen = canvas.getContext('2d'), boxes = data.boxes, edges = data.edges
  const ups = boxes.map(() => []), downs = boxes.map(() => [])
  edges.forEach(e => { downs[e.from].push(e.to); ups[e.to].push(e.from) })
  const view = seen.get(data.key) ?? { scale: null, x: 0, y: 0, count: 0 }
  seen.set(data.key, view)
  const px = b => b.x * (WIDE + GAP), py = b => b.y * ROW
  const selected = boxes.findIndex(b => b.name === data.selected)
  let height = view.height ?? TALLEST, width = 0, queued = false, over = -1, colours = null, was = null
  const ask = () => { if (!queued) { queued = true; requestAnimationFrame(draw) } }

  function kin(start) { // everything before and after one box
    const near = new Set([start])
    for (const next of [ups, downs]) {
      const todo = [start], done = new Set(todo)
      while (todo.length) for (const k of next[todo.pop()]) if (!done.has(k)) { done.add(k); near.add(k); todo.push(k) }
    }
    return near
  }
  const lit = selected >= 0 ? kin(selected) : null

  function fit() {
    if (!boxes.length) return
    const bends = edges.flatMap(e => e.bends)
    const xs = boxes.map(px), ys = [...boxes.map(py), ...bends.map(([, y]) => y * ROW)]
    const lo = [Math.min(...xs) - 24, Math.min(...ys) - 24], hi = [Math.max(...xs) + WIDE + 24, Math.max(...ys) + TALL + 24]
    height = Math.min(Math.max((hi[1] - lo[1]) * Math.min(width / (hi[0] - lo[0]), 1.15), LEAST), TALLEST)
    resize()
    view.scale = Math.min(width / (hi[0] - lo[0]), height / (hi[1] - lo[1]), 1.15)
    view.x = (width - (hi[0] - lo[0]) * view.scale) / 2 - lo[0] * view.scale
    view.y = (height - (hi[1] - lo[1]) * view.scale) / 2 - lo[1] * view.scale
    view.count = boxes.length; view.height = height; view.fitted = true
    ask()
  }
  function resize() {
    canvas.style.height = height + 'px'
    canvas.width = width * devicePixelRatio; canvas.height = height * devicePixelRatio
  }
  function clip(text, room) {
    if (pen.measureText(text).width <= room) return text
    let cut = text
    while (cut.length > 1 && pen.measureText(cut + '…').width > room) cut = cut.slice(0, -1)
    return cut + '…'
  }
  function curve(points) {
    pen.moveTo(...points[0])
    for (let i = 1; i < points.length; i++) {
      const [ax, ay] = points[i - 1], [bx, by] = points[i], mid = (ax + bx) / 2
      pen.bezierCurveTo(mid, ay, mid, by, bx, by)
    }
  }
  function way(e) {
    const a = boxes[e.from], b = boxes[e.to], points = [[px(a) + WIDE, py(a) + TALL / 2]]
    for (const [x, y] of e.bends) {
      points.push([x * (WIDE + GAP), y * ROW + TALL / 2], [x * (WIDE + GAP) + WIDE, y * ROW + TALL / 2])
    }
    points.push([px(b) - 5, py(b) + TALL / 2])
    return points
  }
  function lines(text) {
    for (const pass of [0, 1, 2]) { // plain, of the selection, critical
      pen.beginPath()
      const tips = []
      for (const e of edges) {
        const near = lit !== null && lit.has(e.from) && lit.has(e.to)
        if ((e.critical ? 2 : near ? 1 : 0) !== pass) continue
        const points = way(e)
        curve(points); tips.push(points.at(-1))
      }
      pen.strokeStyle = pass === 0 ? colours.muted : pass === 1 ? css.getPropertyValue('--st-primary-color') : text
      pen.lineWidth = (pass === 2 ? 2.6 : pass === 1 ? 2 : 1.1) / Math.max(Math.min(view.scale, 1), .45)
      pen.globalAlpha = pass === 0 ? (lit ? .22 : .55) : 1
      pen.stroke()
      pen.fillStyle = pen.strokeStyle
      pen.beginPath()
      for (const [x, y] of tips) { pen.moveTo(x + 6, y); pen.lineTo(x - 2, y - 4); pen.lineTo(x - 2, y + 4) }
      pen.fill()
      pen.globalAlpha = 1
    }
  }
  function nodes(text, ground, panel) {
    const small = view.scale < .33, brief = view.scale < .85 // one line, as large as it must be to be read
    const lane = brief ? 10 : 22, letters = brief ? Math.min(25, Math.max(12.5, 10 / view.scale)) : 12.5
    boxes.forEach((b, i) => {
      const x = px(b), y = py(b), faint = lit !== null && !lit.has(i), all = Object.values(b.states).reduce((s, v) => s + v, 0)
      pen.globalAlpha = faint ? .35 : 1
      pen.beginPath(); pen.roundRect(x, y, WIDE, TALL, 6)
      pen.fillStyle = ground; pen.fill()
      pen.fillStyle = panel; pen.fill()
      let left = x
      pen.save(); pen.clip()
      for (const [state, count] of Object.entries(b.states)) { // a stripe for each state, as wide as its share
        const wide = (small ? WIDE : lane) * count / all
        pen.fillStyle = colours.states[state] ?? colours.muted
        pen.fillRect(left, y, wide + .5, TALL); left += wide
      }
      pen.restore()
      pen.beginPath(); pen.roundRect(x, y, WIDE, TALL, 6)
      pen.strokeStyle = b.critical ? text : colours.line; pen.lineWidth = b.critical ? 2 : 1.2
      if (i === selected) { pen.strokeStyle = css.getPropertyValue('--st-primary-color'); pen.lineWidth = 3.5 }
      else if (i === over) { pen.strokeStyle = text; pen.lineWidth = 2.2 }
      pen.stroke()
      if (!small) {
        const main = Object.entries(b.states).sort((p, q) => q[1] - p[1])[0]?.[0]
        pen.textAlign = 'center'; pen.font = '600 14px ' + css.fontFamily
        pen.fillStyle = ground
        if (!brief && Object.keys(b.states).length === 1) pen.fillText(GLYPH[main] ?? '', x + 11, y + TALL / 2 + 5)
        pen.textAlign = 'left'; pen.fillStyle = text
        pen.font = `600 ${letters}px ${css.fontFamily}`
        pen.fillText(clip(b.title, WIDE - lane - 10), x + lane + 6, y + (brief ? TALL / 2 + letters / 3 : 16))
        if (!brief) {
          pen.font = '11px ' + css.fontFamily; pen.fillStyle = colours.muted
          pen.fillText(clip(b.detail, WIDE - 34), x + 28, y + 31)
        }
      }
      pen.globalAlpha = 1
    })
  }
  function draw() {
    queued = false
    if (!canvas.isConnected || width < 10) return
    if (view.scale === null || view.count !== boxes.length) { fit(); return }
    const value = name => css.getPropertyValue(name).trim(), ground = value('--st-background-color'), dark = isDark(ground)
    colours = dark ? data.palettes.dark : data.palettes.light
    if (was !== dark) { was = dark; signs() }
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    pen.fillStyle = ground; pen.fillRect(0, 0, width, height)
    pen.translate(view.x, view.y); pen.scale(view.scale, view.scale)
    lines(value('--st-text-color')); nodes(value('--st-text-color'), ground, value('--st-secondary-background-color'))
    root.dataset.ready = '1'
  }
  function signs() {
    legend.replaceChildren()
    const count = {}
    boxes.forEach(b => Object.entries(b.states).forEach(([state, k]) => { count[state] = (count[state] ?? 0) + k }))
    for (const [state, k] of Object.entries(count).sort((a, b) => b[1] - a[1])) {
      const sign = element(legend, 'span', 'sign'), swatch = element(sign, 'i', 'swatch')
      swatch.style.background = colours.states[state] ?? colours.muted
      element(sign, 'span', '', `${GLYPH[state] ?? ''} ${state} ${k}`)
    }
    if (edges.some(e => e.critical)) {
      const sign = element(legend, 'span', 'sign'); element(sign, 'i', 'path'); element(sign, 'span', '', 'critical path')
    }
  }
  function at(x, y) {
    const wx = (x - view.x) / view.scale, wy = (y - view.y) / view.scale
    return boxes.findIndex(b => wx >= px(b) && wx <= px(b) + WIDE && wy >= py(b) && wy <= py(b) + TALL)
  }
  function show(i, x, y) {
    if (i !== over) { over = i; ask() }
    canvas.classList.toggle('over', i >= 0)
    if (i < 0) { tip.style.visibility = 'hidden'; return }
    tip.replaceChildren()
    const b = boxes[i]
    element(tip, 'b', '', b.name)
    element(tip, 'span', '', [b.detail, Object.entries(b.states).map(([s, k]) => k > 1 ? `${k} ${s}` : s).join(', '),
      `${ups[i].length} before, ${downs[i].length} after`, b.critical ? 'on the critical path' : ''].filter(Boolean).join(' · '))
    tip.style.visibility = 'visible'
    const left = x + 16 + tip.offsetWidth > width ? x - tip.offsetWidth - 12 : x + 16
    tip.style.left = Math.max(0, left) + 'px'
    tip.style.top = frame.offsetTop + Math.min(y + 14, height - tip.offsetHeight) + 'px'
  }
  function zoom(factor, x, y) {
    const scale = Math.min(Math.max(view.scale * factor, .03), 4)
    view.x = x - (x - view.x) * scale / view.scale; view.y = y - (y - view.y) * scale / view.scale
    view.scale = scale; view.fitted = false; ask()
  }
  function pan(dx, dy) { view.x += dx; view.y += dy; view.fitted = false; ask() }
  const spot = e => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top] }
  canvas.onwheel = e => { e.preventDefault(); zoom(Math.exp(-e.deltaY * .0015), ...spot(e)) }
  canvas.onpointerdown = e => {
    if (e.button) return
    const [x, y] = spot(e); view.drag = { x, y, moved: false }; canvas.setPointerCapture(e.pointerId)
  }
  canvas.onpointermove = e => {
    const [x, y] = spot(e)
    const drag = view.drag
    view.mouse = [x, y]
    if (!drag) { show(at(x, y), x, y); return }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return
    drag.moved = true; canvas.classList.add('dragging'); show(-1); pan(x - drag.x, y - drag.y); drag.x = x; drag.y = y
  }
  canvas.onpointerup = e => {
    const still = view.drag && !view.drag.moved; view.drag = null; canvas.classList.remove('dragging')
    const hit = still ? at(...spot(e)) : -1
    if (hit >= 0) setTriggerValue('clicked', boxes[hit].name)
  }
  canvas.onpointerleave = () => { if (!view.drag) { view.mouse = null; show(-1) } }
  canvas.ondblclick = fit
  canvas.onkeydown = e => {
    const act = {
      ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
      '+': () => zoom(1.25, width / 2, height / 2), '=': () => zoom(1.25, width / 2, height / 2),
      '-': () => zoom(.8, width / 2, height / 2), '0': fit, Home: fit, Escape: () => show(-1),
    }[e.key]
    if (act) { e.preventDefault(); act() }
  }
  for (const [label, title, act] of [['−', 'Zoom out', () => zoom(.8, width / 2, height / 2)],
    ['+', 'Zoom in', () => zoom(1.25, width / 2, height / 2)], ['Fit', 'Show the whole graph', fit]]) {
    const button = part(tools, 'button', 'tool-' + title.split(' ').at(-1)); button.textContent = label; button.title = title; button.setAttribute('aria-label', title)
    button.onclick = act
  }
  canvas.tabIndex = 0
  canvas.setAttribute('role', 'img')
  canvas.setAttribute('aria-label', `Graph of ${boxes.length} boxes and ${edges.length} dependencies. The table of tasks says the same.`)
  const watch = new ResizeObserver(() => {
    const fresh = width !== frame.clientWidth
    width = frame.clientWidth
    resize()
    if (fresh && view.fitted) fit()
    draw()
    if (view.mouse && !view.drag) show(at(...view.mouse), ...view.mouse)
  })
  watch.observe(frame)
  const appearance = matchMedia('(prefers-color-scheme: dark)'), later = () => setTimeout(ask, 200)
  appearance.addEventListener('change', later)
  return () => { watch.disconnect(); appearance.removeEventListener('change', later) }
}
