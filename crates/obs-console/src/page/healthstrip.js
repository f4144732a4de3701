// The history of a service's probes as one strip: sign, word and colour.

import {h, span} from './dom.js'
import {clock, line, value} from './format.js'

const state = (change) => (change.error ? ['gone', '? no answer'] : !change.live ? ['bad', '✕ not live'] : !change.ready ? ['warn', '▲ not ready'] : ['good', '✓ ready'])

/** A change of state as text, with the failed checks. */
export function said(change) {
	const failing = Object.entries(change.checks ?? {}).filter(([, answer]) => answer !== 'ok').map(([name, answer]) => `${name}: ${value(answer)}`)
	return [state(change)[1], ...failing, change.error ?? ''].filter(Boolean).join(', ')
}

export function strip(changes, {from, to, mark}) {
	const sorted = [...changes].sort((one, other) => one.unix_ms - other.unix_ms).map((change) => ({...change, text: `${clock(change.unix_ms)} ${said(change)}`}))
	const whole = Math.max(1, to - from)
	const parts = sorted.map((change, at) => {
		const start = Math.max(from, change.unix_ms)
		const end = Math.min(to, sorted[at + 1]?.unix_ms ?? to)
		const [kind, text] = state(change)
		return end > start ? h('span.period', {class: kind, style: span(((start - from) / whole) * 100, ((end - start) / whole) * 100), title: line(change.text)}, (end - start) / whole > 0.06 ? text : text[0]) : null
	})
	const label = sorted.filter((change) => change.unix_ms <= to).map((change) => line(change.text)).slice(-12).join('; ')
	return h('div.strip', {role: 'img', label: label || 'nothing is known'}, parts, mark === undefined ? null : h('i.mark', {title: 'this request', style: span(((mark - from) / whole) * 100)}))
}
