// Elements of the page. Names from logs reach it only as textContent.

export function element(parent, name, cls, text) {
  const made = document.createElement(name)
  if (cls) made.className = cls
  if (text !== undefined) made.textContent = text
  parent.appendChild(made)
  return made
}

export function button(parent, label, title, act) {
  const made = element(parent, 'button', '', label)
  made.type = 'button'
  made.title = title
  made.setAttribute('aria-label', title)
  made.onclick = act
  return made
}

export function pressed(made, on) {
  made.setAttribute('aria-pressed', String(on))
}

// One drawing for each frame, however often it is asked for.
export function oncePerFrame(draw) {
  let queued = false
  return () => {
    if (queued) return
    queued = true
    requestAnimationFrame(() => { queued = false; draw() })
  }
}

export function spot(canvas, event) {
  const box = canvas.getBoundingClientRect()
  return [event.clientX - box.left, event.clientY - box.top]
}

// A tooltip beside a point, kept inside its frame.
export function besides(tip, frame, x, y) {
  tip.style.visibility = 'visible'
  const left = x + 16 + tip.offsetWidth > frame.clientWidth ? x - tip.offsetWidth - 12 : x + 16
  const below = Math.min(y + 14, frame.clientHeight - tip.offsetHeight - 4)
  tip.style.left = Math.max(0, left) + 'px'
  tip.style.top = frame.offsetTop + Math.max(0, below) + 'px'
}

export function pairOf(parent, name, value) {
  const row = element(parent, 'div')
  element(row, 'i', '', name)
  element(row, 'span', '', value)
}

// The chart that lives in a root already, or a new one: scripts run again whenever data changes.
const living = new WeakMap()
export function livingIn(root, begin) {
  if (!living.has(root)) living.set(root, begin(root))
  return living.get(root)
}
