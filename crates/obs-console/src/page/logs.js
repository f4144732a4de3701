// All log lines: the newest at the end, older ones on scrolling up.

import {get} from './api.js'
import {button, closer, empty, fill, h, split} from './dom.js'
import {filterBar, query} from './filters.js'
import {count, instant, line, value} from './format.js'
import {levelTag, serviceTag, time} from './tags.js'
import {List} from './list.js'
import {fields, inline} from './logline.js'
import {current} from './route.js'

const PAGE = 1000
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error']

export default function logs(app) {
	let lines = []
	let columns = []
	let asked = ''
	let isWhole = false
	let loading = null
	let refreshing = null
	let held = 0

	const bar = filterBar((name) => new Set(name === 'level' ? LEVELS : name === 'service' ? app.services.map((it) => it.name) : []))
	const news = button('', toEnd, {class: 'news linesnews', hidden: true})
	const list = new List({
		label: 'Log lines', height: 24, kind: 'lines', row: (at) => row(lines[at]), open: show,
		select: (at) => {if (!panel.hidden) show(at);}, near: (end) => {if (end === 'start') older();},
	})
	const note = h('div.listnote')
	const head = h('div.columns', {'aria-hidden': 'true'})
	const panel = h('section.detail.linepanel', {label: 'Log line', hidden: true})
	const level = h('select', {label: 'Level', onchange: () => current().with('level', level.value).go()},
		h('option', {value: ''}, 'All levels'), LEVELS.slice(1).map((name) => h('option', {value: name}, `${name} and above`)))
	bar.element.prepend(level)
	const element = split('Logs', [bar.element, head, list.element, news, note], panel)

	function row(entry) {
		const node = h('div', {class: `logrow ${columns.length ? 'withcolumns' : ''}`}, time(instant(entry.timestamp)), levelTag(entry.level), serviceTag(entry.service),
			columns.map((key) => h('span.cell.v', entry[key] === undefined ? '–' : line(value(entry[key]), 100))), inline(entry, new Set(columns)))
		node.style.gridTemplateColumns = layout()
		return node
	}

	const layout = () => `104px 70px minmax(70px, 120px) ${'minmax(70px, 150px) '.repeat(columns.length)} minmax(0, 1fr)`

	function columnsHead() {
		head.style.gridTemplateColumns = layout()
		head.removeAttribute('aria-hidden')
		fill(head, ['Time', 'Level', 'Service'].map((text) => h('span', text)), columns.map((key) => h('span.v', line(key, 40),
			button('×', () => current().minus(current().entries.find((entry) => entry.name === 'col' && entry.value === key)).go(), {class: 'bare', label: `Remove the column ${key}`}))), h('span', 'Message'))
	}

	function show(at) {
		panel.hidden = false
		element.classList.add('opened')
		fill(panel, closer('the line', hide), h('h2', levelTag(lines[at].level), ' ', serviceTag(lines[at].service)), fields(lines[at], columns))
		list.later()
	}

	function hide() {
		panel.hidden = true
		element.classList.remove('opened')
		list.element.focus({preventScroll: true})
	}

	async function load(route) {
		loading?.abort()
		refreshing?.abort()
		const now = loading = new AbortController()
		try {
			const answer = await get('logs', [...query(route), ['limit', PAGE]], now.signal)
			lines = answer.lines
			held = 0
			isWhole = !answer.matched_more
			draw()
			list.element.scrollTop = list.element.scrollHeight
			list.draw()
		} catch (error) {
			if (error.name === 'AbortError') return
			lines = []
			draw(error.message)
		} finally {if (loading === now) loading = null;}
	}

	async function older() {
		if (isWhole || loading || !lines.length) return
		const now = loading = new AbortController()
		try {
			const answer = await get('logs', [...query(current()), ['limit', PAGE], ['before', lines[0].seq]], now.signal)
			isWhole = !answer.matched_more || !answer.lines.length
			lines = answer.lines.concat(lines)
			list.prepended(answer.lines.length, lines.length)
			summary()
		} catch (error) {app.failed(error);} finally {if (loading === now) loading = null;}
		// One who holds the scroll bar at the start wants the next ones, too.
		if (list.element.scrollTop < list.height * 40) list.later()
	}

	async function change() {
		if (loading || refreshing) return
		if (!lines.length) {await load(current()); return;}
		const now = refreshing = new AbortController()
		try {
			const follows = list.isAtEnd && document.activeElement !== list.element
			const answer = await get('logs', [...query(current()), ['limit', PAGE], ['after', lines.at(-1).seq]], now.signal)
			if (app.paused || !answer.lines.length) return
			lines = lines.concat(answer.lines)
			held = follows ? 0 : held + answer.lines.length
			list.count = lines.length
			draw()
			if (follows) {list.element.scrollTop = list.element.scrollHeight; list.draw();}
		} catch (error) {app.failed(error);} finally {refreshing = null;}
	}

	function toEnd() {
		held = 0
		list.element.scrollTop = list.element.scrollHeight
		draw()
	}

	function draw(failure) {
		list.element.hidden = !lines.length
		list.set(lines.length)
		news.hidden = !held
		news.textContent = `↓ ${count(held)} new`
		summary(failure)
	}

	function summary(failure) {
		fill(note, failure ? empty(failure)
			: lines.length ? `${count(lines.length)}${isWhole ? '' : '+'} lines`
				: query(current()).length ? empty('No line passes these filters')
					: empty('No log lines yet', 'They come over OTLP, or from what `obs-console run -- COMMAND` prints.'))
	}

	list.element.addEventListener('scroll', () => {if (held && list.isAtEnd) toEnd();})

	return {
		element,
		list,
		update(route) {
			bar.update(route)
			columns = route.entries.filter(({name, on}) => name === 'col' && on).map(({value: key}) => key).slice(0, 8)
			columnsHead()
			level.value = LEVELS.includes(route.get('level')) ? route.get('level') : ''
			const key = JSON.stringify(query(route))
			if (key !== asked) {asked = key; list.at = -1; load(route);} else draw()
		},
		change,
		search: () => bar.focus(),
		back: () => {if (!panel.hidden) hide();},
		close() {list.close(); loading?.abort();},
	}
}
