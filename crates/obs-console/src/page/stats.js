// The store: contents, fill level and evictions.

import {get} from './api.js'
import {empty, fill, h, table} from './dom.js'
import {bytes, count} from './format.js'

const KEPT = [
	['Traces', 'traces', 'traces'], ['Spans', 'spans', null], ['Span memory', 'span_bytes', 'span_bytes'], ['Log lines', 'logs', 'logs'], ['Log memory', 'log_bytes', 'log_bytes'],
	['Errors', 'errors', 'errors'], ['Metric series', 'series', 'series'], ['Services', 'services', 'services'],
]

export default function store(app) {
	const body = h('div.cards')
	const element = h('section.single', {label: 'Store', tabindex: 0}, h('h1.offscreen', 'Store'), h('p.bar', h('b', 'What the console keeps'), h('span.dim', 'The oldest makes room for the newest; nothing is on disk.')), body)

	async function load() {
		try {
			const it = await get('stats')
			fill(body, kept(it), numbers('Made room for newer ones', it.evicted), numbers('Turned away', it.rejected), numbers('Received since the start', it.received))
		} catch (error) {fill(body, empty(error.message));}
	}

	const timer = setInterval(() => app.paused || load(), 1000)
	return {element, update: load, change: () => {}, close: () => clearInterval(timer)}
}

function kept({stored, limits, evicted}) {
	const shown = (name, value) => ['num', value === undefined ? '–' : name.endsWith('_bytes') ? bytes(value) : count(value)]
	return h('section.card', h('h2', 'Kept now'), table('', ['What', 'Now', 'At most', 'Full', 'Evicted'], KEPT.filter(([, name]) => name in stored).map(([label, name, limit]) => {
		const part = limits[limit] ? Math.min(100, Math.round((stored[name] / limits[limit]) * 100)) : 0
		return [label, shown(name, stored[name]), shown(name, limits[limit]), ['num took', limits[limit] ? [h('i.gauge', {style: {width: `${part}%`}}), h('span', `${part} %`)] : '–'], [evicted[name] ? 'num warn' : 'num', name in evicted ? count(evicted[name]) : '–']]
	})))
}

const numbers = (title, of) => h('section.card', h('h2', title), table('', [], Object.entries(of).map(([name, value]) => [name.replaceAll('_', ' '), [value ? 'num' : 'num dim', count(value)]])))
