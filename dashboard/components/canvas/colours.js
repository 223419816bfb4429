// The colours that the page has now, and letters that can be read on them.
const light_of = new Map()

export function luminance(colour) {
  if (!light_of.has(colour)) {
    const probe = document.createElement('canvas').getContext('2d')
    probe.fillStyle = colour
    const part = [1, 3, 5].map(i => parseInt(probe.fillStyle.slice(i, i + 2), 16) / 255)
      .map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
    light_of.set(colour, .2126 * part[0] + .7152 * part[1] + .0722 * part[2])
  }
  return light_of.get(colour)
}

export const onto = colour => luminance(colour) > .22 ? '#0B1118' : '#FFFFFF'

// Looked up once for each drawing: Streamlit changes them when the appearance changes.
export function appearance(root, palettes) {
  const css = getComputedStyle(root), of = name => css.getPropertyValue(name).trim()
  const ground = of('--st-background-color') || '#FFFFFF', dark = luminance(ground) < .2
  return {
    ...(dark ? palettes.dark : palettes.light), dark, ground, panel: of('--st-secondary-background-color'),
    text: of('--st-text-color'), primary: of('--st-primary-color'), font: css.fontFamily,
  }
}
