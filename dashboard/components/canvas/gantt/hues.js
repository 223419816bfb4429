// What the colour of a bar tells: its kind, its state, or its run.
export const hueBy = data => data.colour ?? 'kind'
export const huesOf = data => ({ kind: data.kinds, state: data.states, run: (data.runs ?? []).map(run => run.name) })[hueBy(data)]

export function colourOf(chart, k) {
  const { look, data } = chart
  return hueBy(data) === 'state' ? look.states[data.states[k]] ?? look.muted : look.kinds[k % look.kinds.length]
}
