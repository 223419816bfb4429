// Draws bars on a canvas. Names from logs reach the page only as textContent or fillText.
const seen = new Map() // window of time and scroll by key, kept while the data changes
const ROW = 27, THIN = 5, HEAD = 26, TALLEST = 640
const STEPS = [1e-3, 2e-3, 5e-3, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
  7200, 10800, 21600, 43200, 86400, 172800, 604800, 2419200]
const PLANNED = 0, FAILED = 1, RUNNING = 2

const two = n => String(n).padStart(2, '0')
export function moment(t, step) {
  const sign = t < 0 ? '−' : '', s = Math.abs(t)
  if (step < 1) return sign + (step < .01 ? s.toFixed(3) : step < .1 ? s.toFixed(2) : s.toFixed(1)) + ' s'
  const whole = Math.round(s)
  if (whole < 60) return sign + whole + ' s'
  if (whole < 3600) return sign + Math.floor(whole / 60) + ':' + two(whole % 60) + (step >= 60 ? ' min' : '')
  if (whole < 86400) return sign + Math.floor(whole / 3600) + ' h ' + two(Math.floor(whole % 3600 / 60))
  return sign + Math.floor(whole / 86400) + ' d ' + Math.floor(whole % 86400 / 3600) + ' h'
}
function span(s) {
  if (s < 1) return (s * 1000).toPrecision(3) * 1 + ' ms'
  if (s < 60) return s.toPrecision(3) * 1 + ' s'
  return moment(s, 1).replace(/^(\d+):(\d\d)$/, '$1 min $2 s')
}
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
function luminance(colour) {
  const probe = document.createElement('canvas').getContext('2d')
  probe.fillStyle = colour
  const v = probe.fillStyle, c = [1, 3, 5].map(i => parseInt(v.slice(i, i + 2), 16) / 255)
    .map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
  return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector('.gantt'), css = getComputedStyle(root)
  const bar = part(root, 'div', 'bar'), legend = part(bar, 'div', 'legend'), tools = part(bar, 'div', 'tools')
  const frame = part(root, 'div', 'frame'), canvas = part(frame, 'canvas', 'sheet'), tip = part(root, 'div', 'tip')
  part(root, 'div', 'hint').textContent =
    'Wheel zooms in time, drag pans, double-click fits, click selects. Keys: ← → pan, + − zoom, 0 fits, ↑ ↓ next bar, Enter selects.'
  tip.setAttribute('role', 'status')
  const pen = canvas.getContext('2d')
  const f = new Float32Array(Uint8Array.from(atob(data.bars), c => c.charCodeAt(0)).buffer), n = f.length / 6
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => f[6 * a] - f[6 * b])
  const hasActual = order.some(i => f[6 * i + 4] !== PLANNED)
  const rows = data.lanes.reduce((sum, lane) => sum + lane.rows, 0)
  const rowHeight = rows * ROW <= TALLEST ? ROW : Math.max(11, Math.floor(TALLEST / rows))
  const content = rows * rowHeight, height = HEAD + Math.min(content, TALLEST) + 4
  const gutter = Math.min(170, 24 + Math.max(70, ...data.lanes.map(l => Math.max(l.name.length * 7, l.detail.length * 5.9))))
  const end = Math.max(data.end, 1e-6), view = seen.get(data.key) ?? { lo: null, hi: null, y: 0, lit: null, end }
  seen.set(data.key, view)
  const grown = view.hi !== null && view.end !== end // a fitted window follows a run that grows
  if (view.lo === null || (grown && view.fitted)) Object.assign(view, { lo: -end * .01, hi: end * 1.03, fitted: true })
  view.end = end
  let width = 0, queued = false, over = -1, colours = null, dark = false

  const X = t => gutter + (t - view.lo) / (view.hi - view.lo) * (width - gutter)
  const T = x => view.lo + (x - gutter) / (width - gutter) * (view.hi - view.lo)
  const Y = row => HEAD + row * rowHeight - view.y
  const ask = () => { if (!queued) { queued = true; requestAnimationFrame(draw) } }
  function look() {
    const was = dark
    dark = luminance(css.getPropertyValue('--st-background-color').trim() || '#fff') < .2
    colours = dark ? data.palettes.dark : data.palettes.light
    if (was !== dark || legend.dataset.said !== said()) signs()
  }
  const fill = kind => colours.kinds[kind % colours.kinds.length]
  const box = i => { // x, y, width, height of a bar on the canvas
    const x = X(f[6 * i]), w = Math.max(1.5, X(f[6 * i + 1]) - x), y = Y(f[6 * i + 2]), thin = rowHeight >= 18 ? THIN : 2
    if (!hasActual) return [x, y + 2, w, rowHeight - 4]
    return f[6 * i + 4] === PLANNED ? [x, y + rowHeight - thin - 2, w, thin] : [x, y + 2, w, rowHeight - thin - 6]
  }
  const dim = i => (view.lit !== null && f[6 * i + 3] !== view.lit)

  function grid(text, line) {
    const wanted = (view.hi - view.lo) / Math.max(2, (width - gutter) / 92)
    const step = STEPS.find(s => s >= wanted) ?? Math.ceil(wanted / 2419200) * 2419200
    pen.font = '11.5px ' + css.fontFamily
    pen.textAlign = 'center'
    for (let t = Math.ceil(view.lo / step) * step; t <= view.hi; t += step) {
      const x = Math.round(X(t)) + .5
      if (x < gutter) continue
      pen.strokeStyle = line
      pen.beginPath(); pen.moveTo(x, HEAD); pen.lineTo(x, height); pen.stroke()
      if (t < -1e-9 || x > width - 22 || x < gutter + 4) continue
      pen.fillStyle = text
      pen.fillText(Math.abs(t) < step / 1e6 ? '0' : moment(t, step), x, 17)
    }
  }
  function clip(text, room) {
    if (pen.measureText(text).width <= room) return text
    let cut = text
    while (cut.length > 1 && pen.measureText(cut + '…').width > room) cut = cut.slice(0, -1)
    return cut + '…'
  }
  function lanes(text, line, ground, panel) {
    let row = 0
    data.lanes.forEach((lane, k) => {
      const y = Y(row), h = lane.rows * rowHeight
      if (k % 2) { pen.fillStyle = panel; pen.globalAlpha = .55; pen.fillRect(0, y, width, h); pen.globalAlpha = 1 }
      pen.strokeStyle = line
      pen.beginPath(); pen.moveTo(0, Math.round(y + h) + .5); pen.lineTo(width, Math.round(y + h) + .5); pen.stroke()
      row += lane.rows
    })
  }
  function names(text, line, ground, panel) {
    pen.fillStyle = ground; pen.fillRect(0, 0, gutter - 1, height)
    let row = 0
    pen.textAlign = 'left'
    data.lanes.forEach((lane, k) => {
      const y = Y(row), h = lane.rows * rowHeight
      if (k % 2) { pen.fillStyle = panel; pen.globalAlpha = .55; pen.fillRect(0, y, gutter - 1, h); pen.globalAlpha = 1 }
      pen.strokeStyle = line
      pen.beginPath(); pen.moveTo(0, Math.round(y + h) + .5); pen.lineTo(gutter, Math.round(y + h) + .5); pen.stroke()
      const tall = h >= 34, middle = y + h / 2
      pen.fillStyle = text
      pen.font = `600 ${rowHeight < 14 ? 9.5 : 12.5}px ${css.fontFamily}`
      pen.fillText(clip(lane.name, gutter - 18), 10, tall ? middle - 2 : middle + 4)
      if (tall) {
        pen.font = '11px ' + css.fontFamily; pen.fillStyle = colours.muted
        pen.fillText(clip(lane.detail, gutter - 18), 10, middle + 13)
      }
      row += lane.rows
    })
    pen.fillStyle = ground; pen.fillRect(0, 0, gutter - 1, HEAD)
    pen.strokeStyle = line
    pen.beginPath(); pen.moveTo(gutter - .5, 0); pen.lineTo(gutter - .5, height); pen.stroke()
    pen.beginPath(); pen.moveTo(0, HEAD - .5); pen.lineTo(width, HEAD - .5); pen.stroke()
  }
  function bars(text, ground) {
    for (let kind = 0; kind < data.kinds.length; kind++) { // one path for each kind and layer
      for (const layer of [0, 1]) {
        for (const faint of [false, true]) {
          pen.beginPath()
          let any = false
          for (let i = 0; i < n; i++) {
            if (f[6 * i + 3] !== kind || f[6 * i + 4] !== layer || dim(i) !== faint) continue
            if (layer === 1 && f[6 * i + 5] === FAILED) continue
            if (f[6 * i + 1] < view.lo || f[6 * i] > view.hi) continue
            const [x, y, w, h] = box(i)
            if (y > height || y + h < HEAD) continue
            const left = Math.max(x, gutter - 4), wide = Math.max(1.5, Math.min(x + w, width + 4) - left)
            if (wide > 6 && h > 8) pen.roundRect(left, y, wide - .5, h, 3); else pen.rect(left, y, wide > 3 ? wide - .5 : wide, h)
            any = true
          }
          if (!any) continue
          const ghost = layer === 0 && hasActual
          pen.fillStyle = fill(kind)
          pen.globalAlpha = (faint ? .14 : 1) * (ghost ? .42 : 1)
          pen.fill()
          pen.globalAlpha = 1
        }
      }
    }
    for (let i = 0; i < n; i++) { // what failed and what still runs, on top
      const state = f[6 * i + 5]
      if (state !== FAILED && state !== RUNNING) continue
      if (f[6 * i + 1] < view.lo || f[6 * i] > view.hi) continue
      const [x, y, w, h] = box(i)
      if (y > height || y + h < HEAD) continue
      pen.globalAlpha = dim(i) ? .2 : 1
      if (state === FAILED) {
        const left = Math.max(x, gutter - 4), wide = Math.min(x + w, width + 4) - left
        pen.save(); pen.beginPath(); pen.rect(left, y, Math.max(wide, 3), h); pen.clip()
        pen.fillStyle = colours.failed; pen.fillRect(left, y, Math.max(wide, 3), h)
        pen.strokeStyle = ground; pen.globalAlpha *= .45; pen.lineWidth = 1.5
        for (let d = left - h - (left % 7); d < left + wide; d += 7) {
          pen.beginPath(); pen.moveTo(d, y + h); pen.lineTo(d + h, y); pen.stroke()
        }
        pen.restore()
      } else {
        pen.strokeStyle = text; pen.lineWidth = 1.5; pen.setLineDash([3, 3])
        pen.strokeRect(x, y, w, h); pen.setLineDash([])
      }
      pen.globalAlpha = 1; pen.lineWidth = 1
    }
  }
  function labels() {
    if (rowHeight < 18) return
    pen.font = '11px ' + css.fontFamily; pen.textAlign = 'left'
    for (let i = 0; i < n; i++) {
      if (hasActual && f[6 * i + 4] === PLANNED) continue
      if (f[6 * i + 1] < view.lo || f[6 * i] > view.hi) continue
      const [x, y, w, h] = box(i), left = Math.max(x, gutter), room = Math.min(x + w, width) - left - 8
      if (room < 26 || y > height || y + h < HEAD) continue
      const back = f[6 * i + 5] === FAILED ? colours.failed : fill(f[6 * i + 3])
      pen.fillStyle = luminance(back) > .22 ? '#0B1118' : '#FFFFFF'
      pen.globalAlpha = dim(i) ? .25 : 1
      pen.fillText(clip(data.tasks[i], room), left + 4, y + h / 2 + 4)
      pen.globalAlpha = 1
    }
  }
  function around(i, colour, thick) {
    const [x, y, w, h] = box(i)
    pen.strokeStyle = colour; pen.lineWidth = thick
    pen.strokeRect(x - 1, y - 1, w + 2, h + 2); pen.lineWidth = 1
  }
  function verticals(text) {
    pen.font = '600 11px ' + css.fontFamily
    for (const [k, mark] of data.marks.entries()) {
      const x = Math.round(X(mark.at)) + .5
      if (x < gutter || x > width) continue
      pen.strokeStyle = k ? colours.muted : text; pen.setLineDash(k ? [2, 4] : [7, 4]); pen.lineWidth = 1.4
      pen.beginPath(); pen.moveTo(x, HEAD); pen.lineTo(x, height); pen.stroke(); pen.setLineDash([]); pen.lineWidth = 1
    }
    if (data.now === null) return
    const x = Math.round(X(data.now)) + .5
    if (x < gutter || x > width) return
    pen.strokeStyle = css.getPropertyValue('--st-primary-color'); pen.lineWidth = 2
    pen.beginPath(); pen.moveTo(x, HEAD - 4); pen.lineTo(x, height); pen.stroke(); pen.lineWidth = 1
    pen.fillStyle = css.getPropertyValue('--st-primary-color')
    pen.textAlign = x > width - 40 ? 'right' : 'left'
    pen.fillText('now', x + (x > width - 40 ? -5 : 5), HEAD + 10)
  }
  function draw() {
    queued = false
    if (!canvas.isConnected || width < 10) return
    look()
    const value = name => css.getPropertyValue(name).trim(), text = value('--st-text-color')
    const ground = value('--st-background-color'), panel = value('--st-secondary-background-color'), line = colours.line
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    pen.fillStyle = ground; pen.fillRect(0, 0, width, height); pen.lineWidth = 1
    lanes(text, line, ground, panel)
    grid(colours.muted, line)
    pen.save(); pen.beginPath(); pen.rect(gutter, HEAD, width - gutter, height - HEAD); pen.clip()
    bars(text, ground); labels(); verticals(text)
    for (let i = 0; i < n; i++) if (data.tasks[i] === data.selected) around(i, text, f[6 * i + 4] === PLANNED && hasActual ? 1.5 : 2.5)
    if (over >= 0) around(over, text, 1.5)
    pen.restore()
    names(text, line, ground, panel)
    root.dataset.ready = '1'
  }

  function at(x, y) {
    if (x < gutter || y < HEAD) return -1
    let best = -1, near = 4 // a bar of one pixel can still be hit
    for (let i = n; i--;) {
      const [bx, by, w, h] = box(i)
      if (y < by - 1 || y > by + h + 1) continue
      const away = x < bx ? bx - x : x > bx + w ? x - bx - w : 0
      if (away < near) { best = i; near = away; if (!away) break }
    }
    return best
  }
  function line(parent, name, value) {
    const row = element(parent, 'div'); element(row, 'i', '', name); element(row, 'span', '', value)
  }
  function show(i, x, y) {
    over = i; ask()
    canvas.classList.toggle('over', i >= 0)
    if (i < 0) { tip.style.visibility = 'hidden'; return }
    tip.replaceChildren()
    element(tip, 'b', '', data.tasks[i])
    line(tip, 'kind', data.kinds[f[6 * i + 3]] ?? '')
    for (let j = 0; j < n; j++) {
      if (data.tasks[j] !== data.tasks[i]) continue
      const from = f[6 * j], to = f[6 * j + 1], when = `${span(from)} to ${span(to)} (${span(to - from)})`
      line(tip, f[6 * j + 4] === PLANNED ? 'planned' : data.notes[j], when)
    }
    tip.style.visibility = 'visible'
    const room = root.getBoundingClientRect(), left = x + 16 + tip.offsetWidth > room.width ? x - tip.offsetWidth - 12 : x + 16
    tip.style.left = Math.max(0, left) + 'px'
    tip.style.top = frame.offsetTop + Math.max(0, Math.min(y + 14, height - tip.offsetHeight)) + 'px'
  }
  function zoom(factor, t) {
    const length = (view.hi - view.lo) * factor
    if (length < end * 1e-6 || length > end * 4) return
    const lo = t - (t - view.lo) * factor
    Object.assign(view, { lo, hi: lo + length, fitted: false }); ask()
  }
  function pan(dt) {
    const length = view.hi - view.lo, lo = Math.min(Math.max(view.lo + dt, -length * .9), end - length * .1)
    Object.assign(view, { lo, hi: lo + length, fitted: false }); ask()
  }
  function scroll(dy) { view.y = Math.min(Math.max(view.y + dy, 0), Math.max(0, content - TALLEST)); ask() }
  function fit() { Object.assign(view, { lo: -end * .01, hi: end * 1.03, y: 0, fitted: true }); ask() }
  const middle = () => (view.lo + view.hi) / 2
  const take = i => { if (i >= 0) setTriggerValue('clicked', data.tasks[i]) }
  const spot = e => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top] }

  canvas.onwheel = e => {
    e.preventDefault()
    if (e.shiftKey) scroll(e.deltaY || e.deltaX)
    else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) pan(e.deltaX / width * (view.hi - view.lo))
    else zoom(Math.exp(e.deltaY * .0015), T(spot(e)[0]))
  }
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
    drag.moved = true; canvas.classList.add('dragging'); show(-1)
    pan((drag.x - x) / (width - gutter) * (view.hi - view.lo)); scroll(drag.y - y); drag.x = x; drag.y = y
  }
  canvas.onpointerup = e => {
    const still = view.drag && !view.drag.moved; view.drag = null; canvas.classList.remove('dragging')
    if (still) take(at(...spot(e)))
  }
  canvas.onpointerleave = () => { if (!view.drag) { view.mouse = null; show(-1) } }
  canvas.ondblclick = fit
  canvas.onkeydown = e => {
    const length = view.hi - view.lo
    const act = {
      ArrowLeft: () => pan(-length * .1), ArrowRight: () => pan(length * .1), '+': () => zoom(.8, middle()),
      '=': () => zoom(.8, middle()), '-': () => zoom(1.25, middle()), '0': fit, Home: fit,
      ArrowDown: () => step(1), ArrowUp: () => step(-1), Enter: () => take(over),
      PageDown: () => scroll(TALLEST / 2), PageUp: () => scroll(-TALLEST / 2),
      Escape: () => show(-1),
    }[e.key]
    if (act) { e.preventDefault(); act() }
  }
  function step(by) {
    const now = order.indexOf(over), next = order[Math.min(Math.max(now < 0 ? 0 : now + by, 0), n - 1)]
    if (next === undefined) return
    if (f[6 * next] < view.lo || f[6 * next] > view.hi) pan(f[6 * next] - middle())
    const [x, y] = box(next); show(next, x, y)
  }
  function said() { return JSON.stringify([data.kinds, data.marks, view.lit, hasActual, dark, order.some(i => f[6 * i + 5] === FAILED)]) }
  function signs() {
    legend.dataset.said = said()
    legend.replaceChildren()
    const all = data.kinds.length, few = data.kinds.slice(0, 14)
    few.forEach((kind, i) => {
      const button = element(legend, 'button'), swatch = element(button, 'i', 'swatch')
      swatch.style.background = fill(i)
      element(button, 'span', '', kind); button.title = `Only ${kind}`
      button.setAttribute('aria-pressed', String(view.lit === i))
      button.onclick = () => { view.lit = view.lit === i ? null : i; signs(); ask() }
    })
    if (all > few.length) element(legend, 'span', 'sign', `and ${all - few.length} more kinds`)
    if (order.some(i => f[6 * i + 5] === FAILED)) {
      const sign = element(legend, 'span', 'sign'), swatch = element(sign, 'i', 'swatch')
      swatch.style.background = `repeating-linear-gradient(135deg, ${colours.failed} 0 3px, transparent 3px 5px)`
      element(sign, 'span', '', 'failed attempt')
    }
    if (hasActual && order.some(i => f[6 * i + 4] === PLANNED)) {
      const sign = element(legend, 'span', 'sign'); element(sign, 'i', 'swatch ghost'); element(sign, 'span', '', 'planned')
    }
    data.marks.forEach((mark, k) => {
      const sign = element(legend, 'span', 'sign'), rule = element(sign, 'i', 'rule')
      rule.style.borderLeft = k ? `2px dotted ${colours.muted}` : `2px dashed ${css.getPropertyValue('--st-text-color')}`
      element(sign, 'span', '', `${mark.name} ${span(mark.at)}`)
    })
  }
  for (const [label, title, act] of [['−', 'Zoom out', () => zoom(1.25, middle())], ['+', 'Zoom in', () => zoom(.8, middle())],
    ['Fit', 'Show the whole run', fit]]) {
    const button = part(tools, 'button', 'tool-' + title.split(' ').at(-1)); button.textContent = label; button.title = title; button.setAttribute('aria-label', title)
    button.onclick = act
  }
  canvas.tabIndex = 0
  canvas.setAttribute('role', 'img')
  canvas.setAttribute('aria-label',
    `Gantt chart: ${n} bars on ${data.lanes.length} workers over ${span(end)}. The table of tasks says the same.`)
  canvas.style.height = height + 'px'
  const watch = new ResizeObserver(() => {
    width = frame.clientWidth
    canvas.width = width * devicePixelRatio; canvas.height = height * devicePixelRatio; draw()
    if (view.mouse && !view.drag) show(at(...view.mouse), ...view.mouse)
  })
  watch.observe(frame)
  const appearance = matchMedia('(prefers-color-scheme: dark)'), later = () => setTimeout(ask, 200)
  appearance.addEventListener('change', later)
  return () => { watch.disconnect(); appearance.removeEventListener('change', later) }
}
