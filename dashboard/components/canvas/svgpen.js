// A pen that writes SVG in place of pixels: it takes the calls of a canvas's context that charts make.
const SVG = 'http://www.w3.org/2000/svg'
const ANCHORS = { left: 'start', center: 'middle', right: 'end' }

export class SvgPen {
  constructor(width, height, measure) {
    this.root = document.createElementNS(SVG, 'svg')
    for (const [name, value] of [['width', width], ['height', height], ['viewBox', `0 0 ${width} ${height}`]]) {
      this.root.setAttribute(name, value)
    }
    this.measure = measure // the context of a canvas: SVG cannot measure letters
    this.into = this.root
    this.kept = []
    this.clips = 0
    this.path = ''
    this.dash = []
    Object.assign(this, { fillStyle: '#000', strokeStyle: '#000', lineWidth: 1, globalAlpha: 1, font: '12px sans-serif',
      textAlign: 'left' })
  }

  save() {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, dash, into } = this
    this.kept.push({ fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, dash, into })
  }
  restore() { Object.assign(this, this.kept.pop()) }
  clip() {
    const id = `clip${++this.clips}`, part = this.child(this.root, 'clipPath', { id })
    this.child(part, 'path', { d: this.path })
    this.into = this.child(this.into, 'g', { 'clip-path': `url(#${id})` })
  }
  translate(x, y) { this.into = this.child(this.into, 'g', { transform: `translate(${x} ${y})` }) }
  scale(k) { this.into = this.child(this.into, 'g', { transform: `scale(${k})` }) }

  beginPath() { this.path = '' }
  moveTo(x, y) { this.path += `M${short(x)} ${short(y)}` }
  lineTo(x, y) { this.path += `L${short(x)} ${short(y)}` }
  closePath() { this.path += 'Z' }
  bezierCurveTo(...points) { this.path += 'C' + points.map(short).join(' ') }
  rect(x, y, w, h) { this.path += `M${short(x)} ${short(y)}h${short(w)}v${short(h)}h${short(-w)}Z` }
  roundRect(x, y, w, h, r) {
    const k = Math.min(r, w / 2, h / 2)
    this.path += `M${short(x + k)} ${short(y)}h${short(w - 2 * k)}q${k} 0 ${k} ${k}v${short(h - 2 * k)}` +
      `q0 ${k} ${-k} ${k}h${short(2 * k - w)}q${-k} 0 ${-k} ${-k}v${short(2 * k - h)}q0 ${-k} ${k} ${-k}Z`
  }
  setLineDash(dash) { this.dash = dash }
  fill() { this.child(this.into, 'path', { d: this.path, ...this.filling() }) }
  stroke() { this.child(this.into, 'path', { d: this.path, ...this.drawing() }) }
  fillRect(x, y, width, height) {
    this.child(this.into, 'rect', { x: short(x), y: short(y), width: short(width), height: short(height), ...this.filling() })
  }
  strokeRect(x, y, width, height) {
    this.child(this.into, 'rect', { x: short(x), y: short(y), width: short(width), height: short(height), ...this.drawing() })
  }
  measureText(text) { this.measure.font = this.font; return this.measure.measureText(text) }
  fillText(text, x, y) {
    const [, weight, size, family] = /^(\d+ )?([\d.]+)px (.*)$/.exec(this.font)
    const said = this.child(this.into, 'text', { x: short(x), y: short(y), 'font-size': size, 'font-family': family,
      'text-anchor': ANCHORS[this.textAlign], ...this.filling() })
    if (weight) said.setAttribute('font-weight', weight.trim())
    said.textContent = printable(text)
  }

  filling() { return { fill: this.fillStyle, ...this.opacity() } }
  drawing() {
    const dashed = this.dash.length ? { 'stroke-dasharray': this.dash.join(' ') } : {}
    return { fill: 'none', stroke: this.strokeStyle, 'stroke-width': this.lineWidth, ...dashed, ...this.opacity() }
  }
  opacity() { return this.globalAlpha < 1 ? { opacity: short(this.globalAlpha) } : {} }
  child(parent, name, attributes) {
    const made = document.createElementNS(SVG, name)
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
    parent.appendChild(made)
    return made
  }
  written() { return '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(this.root) }
}

const short = value => Math.round(value * 100) / 100
const printable = text => String(text).replace(/[\x00-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]/g, '\uFFFD') // XML has no place for these
