// Pictures of a chart as files, made in the browser.
import { SvgPen } from './svgpen.js'

const SHARPER = 2 // pixels of a PNG for each of the page

function save(blob, name) {
  const link = document.createElement('a'), address = URL.createObjectURL(blob)
  Object.assign(link, { href: address, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60000)
}

// `paint(pen)` draws a chart of this width and height.
export function savePng(name, width, height, paint) {
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d')
  canvas.width = width * SHARPER
  canvas.height = height * SHARPER
  pen.scale(SHARPER, SHARPER)
  paint(pen)
  canvas.toBlob(blob => save(blob, name + '.png'), 'image/png')
}

export function saveSvg(name, width, height, paint) {
  const pen = new SvgPen(width, height, document.createElement('canvas').getContext('2d'))
  paint(pen)
  save(new Blob([pen.written()], { type: 'image/svg+xml' }), name + '.svg')
}
