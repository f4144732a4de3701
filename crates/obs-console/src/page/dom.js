// Builds elements from text: telemetry is never parsed as HTML.

import {plain} from './format.js'

const SVG = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'title', 'polyline', 'defs', 'marker']);

/** An element, `tag.class.class`; `on…` are listeners, `style` goes through the CSSOM, `label` is for screen readers. */
export function h(tag, ...kids) {
	const [name, ...classes] = tag.split('.')
	const node = SVG.has(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name)
	if (classes.length) node.setAttribute('class', classes.join(' '))
	const props = kids[0] && Object.getPrototypeOf(kids[0]) === Object.prototype ? kids.shift() : {}
	for (const [key, value] of Object.entries(props)) {
		if (value === null || value === undefined || value === false) continue
		if (key.startsWith('on')) node.addEventListener(key.slice(2), value)
		else if (key === 'style') for (const [property, css] of Object.entries(value)) node.style.setProperty(property, css)
		else if (key === 'class') node.setAttribute('class', `${node.getAttribute('class') ?? ''} ${value}`.trim())
		else node.setAttribute(key === 'label' ? 'aria-label' : key, value === true ? '' : key === 'title' || key === 'label' ? plain(value) : value)
	}
	return add(node, kids)
}

export function add(node, kids) {
	for (const kid of kids.flat(3)) {
		if (kid !== null && kid !== undefined && kid !== false) node.append(kid instanceof Node ? kid : plain(String(kid)))
	}
	return node
}

export function fill(node, ...kids) {
	node.replaceChildren()
	return add(node, kids)
}

export const field = (props) => h('input', {autocomplete: 'off', spellcheck: 'false', maxlength: 300, ...props})

export const small = (text, onclick, props) => button(text, onclick, {class: 'small', ...props})

export function button(text, onclick, props) {
	return h('button', {type: 'button', ...props, onclick}, text)
}

let hide
export function say(text) {
	const said = document.getElementById('said')
	said.textContent = text
	said.classList.add('shown')
	clearTimeout(hide)
	hide = setTimeout(() => said.classList.remove('shown'), 2500)
}

export async function copy(text, what) {
	try {
		await navigator.clipboard.writeText(text)
		say(`${what} copied`)
	} catch {
		say('The browser does not let this page write to the clipboard')
	}
}

export function copyButton(text, what, label = 'Copy') {
	const stop = (event) => {event.stopPropagation(); copy(typeof text === 'function' ? text() : text, what);}
	return small(label, stop, {title: `Copy ${what}`, label: `Copy ${what}`})
}

export function empty(title, ...more) {
	return h('div.empty', h('p.lead', title), more.map((text) => h('p', text)))
}

export function tabs(label, names, chosen, pick) {
	const list = h('div', {role: 'tablist', label: label, class: 'tabs'})
	const buttons = names.map(([name, text, count]) => button(
		[text, count === undefined ? null : h('span.count', String(count))],
		() => pick(name),
		{role: 'tab', id: `tab-${name}`, 'aria-selected': String(name === chosen), tabindex: name === chosen ? 0 : -1, 'aria-controls': 'lane'},
	))
	list.addEventListener('keydown', (event) => {
		const step = {ArrowRight: 1, ArrowLeft: -1}[event.key]
		if (!step) return
		event.preventDefault()
		event.stopPropagation()
		const at = names.findIndex(([name]) => name === chosen)
		const next = names[(at + step + names.length) % names.length][0]
		pick(next)
		document.getElementById(`tab-${next}`)?.focus()
	})
	return add(list, buttons)
}

export function pairs(entries, more) {
	return h('dl.pairs', entries.map(([name, value]) => [
		h('dt', name),
		h('dd', value instanceof Node ? value : h('span.v', value), more?.(name, value)),
	]))
}

/** A table of rows of cells; a cell is a text, an element, or `[class, content]`. */
export function table(caption, heads, rows) {
	const cell = (it) => (Array.isArray(it) ? h('td', {class: it[0]}, it[1]) : h('td', it))
	return h('table', caption && h('caption', caption), heads.length ? h('thead', h('tr', heads.map((text) => h('th', {scope: 'col'}, text)))) : null,
		h('tbody', rows.map((cells) => h('tr', cells.map(cell)))))
}

export const closer = (what, close) => button('×', close, {class: 'bare close', label: `Close ${what} (Escape)`})

export const span = (left, width) => ({left: `${left}%`, ...(width === undefined ? {} : {width: `${width}%`})})

export function split(name, left, right) {
	return h('div.split', h('section.side', {label: name}, h('h1.offscreen', name), left), right)
}
