// One request: its waterfall above, and below it one lane at a time.

import {get} from './api.js'
import {closer, copy, copyButton, empty, fill, h, small, tabs} from './dom.js'
import {count, duration, instant, learnServices, line} from './format.js'
import {outcome, serviceTag, time} from './tags.js'
import {curl} from './curl.js'
import {LANES} from './lanes.js'
import {current, toRequest} from './route.js'
import {Waterfall} from './waterfall.js'

export class RequestPane {
	constructor(app, back) {
		this.app = app
		this.back = back
		this.element = h('section.detail', {label: 'Request', hidden: true})
		this.head = h('header.requesthead')
		this.tabs = h('div')
		this.lane = h('div', {id: 'lane', role: 'tabpanel', class: 'lane', tabindex: 0})
	}

	close() {
		this.loading?.abort()
		this.closeParts()
	}

	closeParts() {
		this.waterfall?.close()
		this.leave?.()
		this.waterfall = this.leave = undefined
	}

	update(route) {
		const open = route.get('open')
		this.element.hidden = !open
		if (!open) {
			this.id = this.document = undefined
			this.loading?.abort()
			this.closeParts()
		} else if (open !== this.id) {
			this.id = open
			this.document = undefined
			this.load(true)
		} else if (this.document) this.showParts(route)
	}

	/** Shows late data of the request and keeps the scroll position. */
	async change() {
		const it = this.document
		if (!it || this.loading) return
		if (Date.now() - instant(it.started) - it.duration_ms < 60_000) await this.load(false)
	}

	async load(anew) {
		this.loading?.abort()
		const now = this.loading = new AbortController()
		const start = performance.now()
		if (anew) fill(this.element, h('p.dim.pad', 'Loading …'))
		try {
			const it = await get(`requests/${encodeURIComponent(this.id)}`, [], now.signal)
			const size = (doc) => doc && [doc.spans.length, doc.logs.length, doc.errors.length, doc.metrics.length, doc.metrics.filter((change) => change.after !== null).length, doc.health.length].join()
			if (!anew && size(it) === size(this.document)) return
			this.document = it
			learnServices(it.services)
			this.show(anew)
			requestAnimationFrame(() => performance.measure('request shown', {start, end: performance.now()}))
		} catch (error) {
			if (error.name === 'AbortError') return
			if (anew) fill(this.element, closer('the request', this.back), empty(error.message, 'It may have made room for newer ones.'))
		} finally {if (this.loading === now) this.loading = undefined;}
	}

	show(anew) {
		const it = this.document
		const folded = anew ? new Set() : this.waterfall?.folded
		const scroll = anew ? 0 : this.waterfall?.list.element.scrollTop
		this.closeParts()
		const server = it.spans.find((span) => span.kind === 'server')
		const method = server?.attributes['http.request.method'] ?? server?.attributes['http.method']
		const name = it.route ? `${method ?? ''} ${it.route}`.trim() : it.spans[0]?.name ?? it.logs[0]?.event ?? it.errors[0]?.message ?? 'A request'
		const known = server && curl(server)
		fill(this.head, closer('the request', this.back),
			h('h2', outcome(it), h('span.v', line(name, 200))),
			h('p.facts',
				h('b.num', duration(it.duration_ms)), time(instant(it.started)),
				h('span', `${count(it.spans.length)} spans`), [...it.services].slice(0, 8).map(serviceTag), it.services.length > 8 ? `+${it.services.length - 8}` : null),
			h('p.facts.ids',
				h('span', 'trace ', h('code', it.trace_id), copyButton(it.trace_id, 'trace id')),
				it.request_id ? h('span', 'request ', h('code.v', line(it.request_id, 80)), copyButton(it.request_id, 'request id')) : null),
			h('p.facts',
				known ? small('Copy as curl', () => copy(known, 'curl command')) : null,
				small('Copy as JSON', () => copy(JSON.stringify(this.document, null, 1), 'JSON')),
				small('Copy link', () => copy(`${location.origin}/${toRequest(it.trace_id)}`, 'link'))))
		this.waterfall = new Waterfall(it, {
			folded,
			pick: (span) => current().with('span', span.span_id).with('lane', 'span').replace(),
			find: (text) => current().with('find', text).replace(),
			logs: () => current().with('lane', 'logs').replace(),
		})
		fill(this.element, this.head, it.spans.length ? this.waterfall.element : null, this.tabs, this.lane)
		this.shownLane = undefined
		this.showParts(current())
		if (scroll) this.waterfall.list.element.scrollTop = scroll
	}

	showParts(route) {
		const it = this.document
		this.waterfall.update(route.get('find') ?? '', route.get('span'))
		const names = [
			['span', 'Span'], ['logs', 'Logs', it.logs.length], ['errors', 'Errors', it.errors.length], ['metrics', 'Metrics', it.metrics.length],
			['health', 'Health', it.health.length], ['profile', 'Profile'],
		]
		const asked = route.get('lane')
		const lane = LANES[asked] ? asked : it.errors.length ? 'errors' : it.logs.length ? 'logs' : 'span'
		const key = `${lane} ${route.get('span')}`
		if (key === this.shownLane) return
		const hadFocus = document.activeElement?.getAttribute('role') === 'tab'
		this.shownLane = key
		fill(this.tabs, tabs('Lanes', names, lane, (name) => current().with('lane', name).replace()))
		if (hadFocus) document.getElementById(`tab-${lane}`)?.focus()
		this.lane.setAttribute('aria-labelledby', `tab-${lane}`)
		this.lane.scrollTop = 0
		this.leave?.()
		this.leave = LANES[lane](this.lane, it, {span: route.get('span'), app: this.app})
	}

	search() {
		if (!this.waterfall || !this.document?.spans.length) return false
		this.waterfall.input.focus()
		this.waterfall.input.select()
		return true
	}
}
