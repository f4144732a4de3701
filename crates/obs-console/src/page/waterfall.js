// The spans of a request on one time axis, with their log lines and events.

import {field, fill, h, small, span as part} from './dom.js'
import {colour, duration, instant, levelOf, line, value} from './format.js'
import {List} from './list.js'
import {criticalPath} from './critical.js'

const HEIGHT = 24
const DEEPEST = 16

export class Waterfall {
	/** `pick(span)`: a row was chosen; `find(text)`: a search; `logs()`: a click into the log lane. */
	constructor(it, {folded, pick, find, logs}) {
		this.document = it
		this.folded = folded ?? new Set()
		this.pick = pick
		this.whole = Math.max(it.duration_ms, 1e-6)
		this.start = instant(it.started)
		this.bySpan = new Map()
		for (const entry of it.logs) {
			if (!entry.span_id) continue
			if (!this.bySpan.has(entry.span_id)) this.bySpan.set(entry.span_id, [])
			this.bySpan.get(entry.span_id).push(entry)
		}
		this.index = new Map(it.spans.map((span, at) => [span.span_id, at]))
		this.hasChildren = new Set(it.spans.map((span) => span.parent_span_id).filter(Boolean))
		this.matches = []
		this.input = field({
			type: 'search', class: 'find', placeholder: 'Search in this trace', label: 'Search in this trace',
			oninput: () => find(this.input.value),
			onkeydown: (event) => {
				if (event.key !== 'Enter') return
				event.preventDefault()
				this.step(event.shiftKey ? -1 : 1)
			},
		})
		this.found = h('span.dim.num', {role: 'status'})
		this.path = h('input', {type: 'checkbox', onchange: () => this.list.set(this.shown.length)})
		this.list = new List({
			label: 'Spans', height: HEIGHT, kind: 'spans', roles: ['tree', 'treeitem'], row: (at) => this.row(this.shown[at]),
			open: (at, event) => this.opened(at, event), select: (at) => this.pick(it.spans[this.shown[at]]),
			keys: (event) => this.key(event),
		})
		this.element = h('div.waterfall',
			h('div.bar', this.input, small('↑', () => this.step(-1), {label: 'Previous match'}), small('↓', () => this.step(1), {label: 'Next match'}), this.found,
				h('label.check', this.path, 'Critical path')),
			this.axis(), this.lane(logs), this.list.element)
		this.fold()
	}

	close() {this.list.close();}

	axis() {
		const ticks = [0, 25, 50, 75].map((at) => h('span.tick', {style: part(at)}, duration((this.whole * at) / 100)))
		return h('div.axis', {'aria-hidden': 'true'}, h('span', 'Span'), h('span.time', ticks), h('span.num', duration(this.whole)))
	}

	lane(open) {
		const {logs, errors} = this.document
		const seen = new Set()
		const pins = []
		for (const entry of [...logs, ...errors.map((event) => ({...event, level: 'error', event: event.message}))]) {
			const pin = this.pin(entry)
			const key = `${levelOf(entry.level)}${Math.round(pin.at * 4)}`
			if (!seen.has(key)) {seen.add(key); pins.push(pin.node);}
			if (pins.length > 600) break
		}
		return h('div.axis.loglane', {onclick: open, role: 'img', label: `${logs.length} log lines and ${errors.length} errors on the time axis`},
			h('span', `Log lines (${logs.length})`), h('span.time', pins))
	}

	pin(entry) {
		const at = Math.min(100, Math.max(0, ((instant(entry.timestamp) - this.start) / this.whole) * 100))
		return {at, node: h('i.pin', {class: levelOf(entry.level), title: `${entry.level} ${line(entry.event, 200)}`, style: part(at)})}
	}

	fold() {
		const {spans} = this.document
		this.shown = []
		let below = Infinity
		for (let at = 0; at < spans.length; at += 1) {
			if (spans[at].depth > below) continue
			below = this.folded.has(spans[at].span_id) ? spans[at].depth : Infinity
			this.shown.push(at)
		}
		this.place = new Map(this.shown.map((span, at) => [span, at]))
		this.list.set(this.shown.length)
		this.list.element.style.height = `${Math.min(this.shown.length, 400) * HEIGHT + 2}px`
	}

	row(at) {
		const span = this.document.spans[at]
		const bad = span.status === 'error'
		const hasChildren = this.hasChildren.has(span.span_id)
		const isFolded = this.folded.has(span.span_id)
		const ms = span.duration_nanos / 1e6
		const left = span.offset_nanos / 1e4 / this.whole
		const width = (ms / this.whole) * 100
		const name = h('span.names', {style: {'padding-left': `${Math.min(span.depth, DEEPEST) * 12}px`}},
			h('span.twist', {'data-fold': hasChildren || null, 'aria-hidden': 'true'}, hasChildren ? (isFolded ? '▸' : '▾') : ''),
			bad ? h('b.bad', {label: 'error', role: 'img'}, '✕') : null,
			h('span.v', {title: `${line(span.service)}: ${line(span.name, 1000)}`}, line(span.name, 160)), h('span', {class: `who ${colour(span.service)}`}, h('i', {'aria-hidden': 'true'}), line(span.service, 40)))
		const lines = this.bySpan.get(span.span_id) ?? []
		const events = span.events.map((event) => h('i.pin.event', {title: line(event.name), style: part(left + ((event.time_unix_nanos - span.start_unix_nanos) / 1e4 / this.whole))}))
		const track = h('span', {class: `time ${colour(span.service)}`}, h('i.spanbar', {class: bad ? 'failed' : '', style: part(left, width)}), this.path.checked ? this.critical(span) : null, events, lines.slice(0, 60).map((entry) => this.pin(entry).node))

		const node = h('div', {class: `span ${this.text && !this.isMatch.has(at) ? 'faint' : ''} ${this.isMatch?.has(at) ? 'match' : ''}`}, name, track, h('span.num.dim', duration(ms)))
		node.setAttribute('aria-level', span.depth + 1)
		if (hasChildren) node.setAttribute('aria-expanded', String(!isFolded))
		return node
	}

	critical(span) {
		this.paths ??= criticalPath(this.document.spans)
		return (this.paths.get(span.span_id) ?? []).map(([from, until]) => h('i.critical', {style: part(from / 1e4 / this.whole, (until - from) / 1e4 / this.whole)}))
	}

	opened(at, event) {
		const span = this.document.spans[this.shown[at]]
		if (event.target.closest?.('[data-fold]')) this.turn(span)
		else this.pick(span)
	}

	turn(span) {
		if (!this.folded.delete(span.span_id)) this.folded.add(span.span_id)
		this.fold()
	}

	key(event) {
		if (event.key === 'n' || event.key === 'N') {this.step(event.key === 'n' ? 1 : -1); return true;}
		const span = this.document.spans[this.shown[this.list.at]]
		if (!span || !this.hasChildren.has(span.span_id)) return false
		const isFolded = this.folded.has(span.span_id)
		if ((event.key === 'ArrowLeft' && !isFolded) || (event.key === 'ArrowRight' && isFolded)) {this.turn(span); return true;}
		return false
	}

	update(text, chosen) {
		if (document.activeElement !== this.input) this.input.value = text
		if (text !== this.text) {
			this.text = text
			this.search(text.toLowerCase())
			this.list.set(this.shown.length)
		}
		const at = this.place.get(this.index.get(chosen)) ?? -1
		if (at !== this.list.at) this.list.choose(at)
	}

	search(text) {
		this.matches = []
		if (text) {
			this.document.spans.forEach((span, at) => {
				const parts = [span.name, span.service, span.span_id, span.status_message]
				for (const [key, it] of Object.entries(span.attributes)) parts.push(`${key}=${value(it)}`)
				for (const event of span.events) parts.push(event.name, JSON.stringify(event.attributes))
				for (const entry of this.bySpan.get(span.span_id) ?? []) parts.push(entry.event)
				if (parts.some((part) => part && part.toLowerCase().includes(text))) this.matches.push(at)
			})
		}
		this.isMatch = new Set(this.matches)
		fill(this.found, text ? (this.matches.length ? `${this.matches.length} of ${this.document.spans.length}` : 'nothing found') : '')
	}

	step(by) {
		if (!this.matches.length) return
		const now = this.shown[this.list.at] ?? (by > 0 ? -1 : Infinity)
		const next = by > 0 ? this.matches.find((at) => at > now) ?? this.matches[0] : this.matches.findLast((at) => at < now) ?? this.matches.at(-1)
		if (!this.place.has(next)) {this.folded.clear(); this.fold();}
		this.list.choose(this.place.get(next))
		this.pick(this.document.spans[next])
	}
}
