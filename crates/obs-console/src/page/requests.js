// The list of requests, and the open one beside it.

import {get} from './api.js'
import {button, empty, fill, h, split} from './dom.js'
import {filterBar, query} from './filters.js'
import {count, duration, line} from './format.js'
import {outcome, serviceTag, time} from './tags.js'
import {List} from './list.js'
import {current} from './route.js'
import {RequestPane} from './request.js'

const PAGE = 200

export default function requests(app) {
	let rows = []
	let asked = ''
	let isWhole = false
	let loading = null
	let refreshing = null
	let held = []
	let slowest = 1

	const known = (name) => new Set({route: rows.map((row) => row.route ?? ''), status: ['5xx', '4xx', 'error', 'ok'], service: app.services.map((it) => it.name), error: ['true', 'false'], from: ['-1m', '-5m', '-1h']}[name] ?? [])
	const bar = filterBar(known)
	const news = button('', showHeld, {class: 'news', hidden: true})
	const list = new List({
		label: 'Requests', height: 30, kind: 'requests', row: (index) => row(rows[index]),
		open: (index) => current().with('open', rows[index].trace_id).go(),
		near: (end) => {if (end === 'end') older();},
	})
	const note = h('div.listnote')
	const head = h('div.columns.requests', {'aria-hidden': 'true'}, ['Time', 'Status', 'Request', 'Service', 'Duration', 'Spans', 'Logs', 'Errors'].map((text) => h('span', text)))
	const pane = new RequestPane(app, back)
	const element = split('Requests', [bar.element, news, head, list.element, note], pane.element)

	function row(it) {
		const name = it.route ? `${it.method ?? ''} ${it.route}` : it.name
		const others = (it.services ?? []).filter((service) => service !== it.service).length
		return h('div', {class: it.error ? 'requests failed' : 'requests'},
			time(it.start_unix_ms), outcome(it), h('span.name.v', {title: line(name, 1000)}, line(name)),
			h('span.who', serviceTag(it.service), others ? h('span.dim', ` +${others}`) : null),
			h('span.num.took', h('i.gauge', {style: {width: `${(it.duration_ms / slowest) * 100}%`}}), h('span', duration(it.duration_ms))),
			h('span.num', count(it.spans)), h('span.num', count(it.logs)),
			h('span', {class: it.errors ? 'num bad' : 'num'}, it.errors ? `✕ ${count(it.errors)}` : '–'))
	}

	function back() {
		if (!current().get('open')) return
		current().with('open').with('lane').with('span').with('find').go()
		list.element.focus({preventScroll: true})
	}

	// One reads: the list is scrolled, or a row of it is chosen and nothing may move.
	const isRead = () => !list.isAtTop || (list.at >= 0 && document.activeElement === list.element)

	async function load(route) {
		loading?.abort()
		refreshing?.abort()
		const now = loading = new AbortController()
		try {
			const answer = await get('requests', [...query(route), ['limit', PAGE]], now.signal)
			rows = answer
			held = []
			isWhole = answer.length < PAGE
			draw()
		} catch (error) {
			if (error.name === 'AbortError') return
			rows = []
			draw(error.message)
		} finally {if (loading === now) loading = null;}
	}

	async function older() {
		if (isWhole || loading || !rows.length) return
		const now = loading = new AbortController()
		try {
			const answer = await get('requests', [...query(current()), ['limit', PAGE], ['before', Math.min(...rows.slice(-PAGE).map((row) => row.seq))]], now.signal)
			const here = new Set(rows.map((row) => row.trace_id))
			const fresh = answer.filter((row) => !here.has(row.trace_id))
			isWhole = answer.length < PAGE || !fresh.length
			rows = rows.concat(fresh)
			draw()
		} catch (error) {app.failed(error);} finally {if (loading === now) loading = null;}
	}

	// New ones come to the top; those that are shown are brought up to date where they stand.
	async function change() {
		if (loading || refreshing) return
		const now = refreshing = new AbortController()
		try {
			const answer = await get('requests', [...query(current()), ['limit', PAGE]], now.signal)
			if (app.paused) return
			const fresh = new Map(answer.map((row) => [row.trace_id, row]))
			rows = rows.map((row) => {
				const newer = fresh.get(row.trace_id)
				fresh.delete(row.trace_id)
				return newer ?? row
			})
			const newest = rows.length ? Math.max(...rows.slice(0, PAGE).map((row) => row.seq)) : -1
			held = [...fresh.values()].filter((row) => row.seq > newest)
			// More than a page is new: what lies between is asked for again by scrolling.
			if (held.length && held.length === answer.length && rows.length && !isRead()) {
				rows = []
				isWhole = answer.length < PAGE
			}
			if (!isRead()) merge()
			draw()
		} catch (error) {app.failed(error);} finally {refreshing = null;}
		await pane.change()
	}

	function merge() {
		rows = held.concat(rows)
		if (list.at >= 0) list.at += held.length
		held = []
	}

	function showHeld() {
		merge()
		list.element.scrollTop = 0
		draw()
		list.element.focus({preventScroll: true})
	}

	function draw(failure) {
		slowest = Math.max(1, ...rows.slice(0, 500).map((row) => row.duration_ms))
		news.hidden = !held.length
		news.textContent = `↑ ${held.length >= PAGE ? `${PAGE}+` : held.length} new`
		const open = current().get('open')
		const at = rows.findIndex((row) => row.trace_id === open || row.request_id === open)
		if (at >= 0) list.at = at
		else if (!open && list.at >= rows.length) list.at = -1
		list.set(rows.length)
		list.element.hidden = !rows.length
		fill(note, failure ? empty(failure)
			: rows.length ? `${count(rows.length)}${isWhole ? '' : '+'} requests`
				: query(current()).length ? empty('No request passes these filters', 'Switch one off with its box, or remove it with ×.')
					: empty('No requests yet', 'Send one to a service whose OTEL_EXPORTER_OTLP_ENDPOINT is this console’s.'))
	}

	return {
		element,
		list,
		update(route) {
			bar.update(route)
			const key = JSON.stringify(route.entries.filter(({name, on}) => on && !['open', 'lane', 'span', 'find'].includes(name)))
			const open = route.get('open')
			element.classList.toggle('opened', Boolean(open))
			pane.update(route)
			if (key !== asked) {asked = key; list.at = -1; list.element.scrollTop = 0; load(route);} else draw()
		},
		change,
		search: () => (current().get('open') && pane.search() ? null : bar.focus()),
		back,
		close() {list.close(); pane.close(); loading?.abort();},
	}
}
