// The bar above a list: search text, filter chips, and a form that adds a filter.

import {button, field, fill, h} from './dom.js'
import {line} from './format.js'

const [TIME, LONG, HEX] = ['14:05, -5m or a date', '100 (ms) or 1.5s', 'hexadecimal digits']

export const FIELDS = {
	requests: {
		route: ['Route', '/orders/{id}'], status: ['Status', '500, 5xx or error'], service: ['Service', 'orders'],
		instance: ['Instance', 'service.instance.id'], attr: ['Attribute', 'key:value or key'], error: ['Error', 'true or false'],
		min_ms: ['At least', LONG], max_ms: ['At most', LONG], from: ['From', TIME], to: ['To', TIME],
	},
	logs: {
		level: ['Level from', 'warn'], service: ['Service', 'orders'], instance: ['Instance', 'service.instance.id'], attr: ['Field', 'key:value or key'],
		trace_id: ['Trace', HEX], span_id: ['Span', HEX], request_id: ['Request', 'a request id'],
		from: ['From', TIME], to: ['To', TIME],
	},
	errors: {service: ['Service', 'orders'], trace_id: ['Trace', HEX]},
}

const SHORT = {min: 'min_ms', max: 'max_ms', trace: 'trace_id', span: 'span_id', request: 'request_id'}

/** The API's query for this route's filters. */
export function query(route) {
	const fields = FIELDS[route.view]
	const asked = []
	for (const {name, value, on} of route.entries) {
		if (!on || !(name === 'q' || name in fields)) continue
		if (name === 'from' || name === 'to') asked.push([`${name}_ms`, moment(value)])
		else if (name === 'min_ms' || name === 'max_ms') asked.push([name, milliseconds(value)])
		else asked.push([name, value])
	}
	return asked
}

/** `-5m`, `14:05:30` of today, or a date: in milliseconds since 1970. */
function moment(text) {
	const back = /^-(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text)
	if (back) return Math.round(Date.now() - Number(back[1]) * {s: 1e3, m: 6e4, h: 36e5, d: 864e5}[back[2]])
	const today = /^(\d\d?):(\d\d)(?::(\d\d(?:\.\d+)?))?$/.exec(text)
	if (today) return Math.round(new Date().setHours(today[1], today[2], 0, 0) + Number(today[3] ?? 0) * 1000)
	return /^\d{12,}(\.\d+)?$/.test(text) ? Math.round(Number(text)) : Date.parse(text)
}

function milliseconds(text) {
	const found = /^(\d+(?:\.\d+)?)\s*(µs|us|ms|s|m)?$/.exec(text)
	return found ? Number(found[1]) * {'µs': 1e-3, us: 1e-3, ms: 1, s: 1e3, m: 6e4}[found[2] ?? 'ms'] : text
}

function problem(name, value) {
	if (!value) return 'Give a value.'
	if ((name === 'from' || name === 'to') && Number.isNaN(moment(value))) return 'Give a time such as 14:05, -5m or 2026-05-01T14:05.'
	if (name.endsWith('_ms') && Number.isNaN(Number(milliseconds(value)))) return 'Give a duration such as 100, 1.5s or 20ms.'
	return ''
}

export function filterBar(known = () => []) {
	const bar = h('div.filters', {role: 'search', label: 'Filters'})
	let route
	let typing
	const text = field({
		type: 'search', class: 'q', label: 'Filter by text',
		oninput: () => {clearTimeout(typing); typing = setTimeout(typed, 250);},
		onkeydown: (event) => {
			if (event.key === 'Enter') {clearTimeout(typing); typed(true);}
		},
	})

	function typed(entered) {
		const found = entered === true && /^(\w+):(.+)$/.exec(text.value.trim())
		const name = found && (SHORT[found[1]] ?? found[1])
		if (found && name in FIELDS[route.view] && !problem(name, found[2].trim())) {
			text.value = ''
			route.with('q').plus(name, found[2].trim()).go()
		} else {
			route.with('q', text.value).replace()
		}
	}

	const select = h('select', {label: 'What to filter by', onchange: suggest})
	const values = h('datalist', {id: 'known-values'})
	const input = field({label: 'Value', list: 'known-values'})
	const wrong = h('span.wrong', {role: 'alert'})
	const form = h('form', {
		class: 'popover', hidden: true,
		onsubmit: (event) => {
			event.preventDefault()
			wrong.textContent = problem(select.value, input.value.trim())
			if (wrong.textContent) return
			const value = input.value.trim()
			close();
			(select.value === 'attr' ? route.plus('attr', value) : route.with(select.value, value)).go()
		},
		onkeydown: (event) => {if (event.key === 'Escape') {event.stopPropagation(); close();}},
	}, select, input, values, h('button.primary', 'Add'), wrong)
	const more = button('+ Filter', () => (form.hidden ? open() : close()), {'aria-expanded': 'false'})
	const chips = h('div.chips')
	bar.append(text, more, form, chips)

	function open() {
		form.hidden = false
		more.setAttribute('aria-expanded', 'true')
		suggest()
		select.focus()
	}

	function close() {
		form.hidden = true
		more.setAttribute('aria-expanded', 'false')
		input.value = ''
		wrong.textContent = ''
		more.focus()
	}

	function suggest() {
		input.placeholder = FIELDS[route.view][select.value][1]
		fill(values, [...known(select.value)].slice(0, 200).map((value) => h('option', {value})))
	}

	function update(next) {
		if (route?.view !== next.view) {
			fill(select, Object.entries(FIELDS[next.view]).map(([value, [label]]) => h('option', {value}, label)))
			text.placeholder = next.view === 'requests' ? 'Text, or status:5xx, min:100ms, service:orders, attr:key:value' : 'Text, or a filter such as service:orders'
		}
		route = next
		if (document.activeElement !== text) text.value = route.get('q') ?? ''
		fill(chips, route.entries.filter(({name}) => name in FIELDS[route.view]).map(chip))
	}

	function chip(entry) {
		const label = `${FIELDS[route.view][entry.name][0]} ${line(entry.value, 80)}`
		return h('span', {class: `chip ${entry.on ? '' : 'off'}`},
			h('label', {title: entry.on ? 'Switch off' : 'Switch on'},
				h('input', {type: 'checkbox', checked: entry.on, onchange: () => route.toggled(entry).go()}), h('span.v', label)),
			button('×', () => route.minus(entry).go(), {class: 'bare', label: `Remove ${label}`}))
	}

	return {element: bar, update, focus: () => {text.focus(); text.select();}}
}
