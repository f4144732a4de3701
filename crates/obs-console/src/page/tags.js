// Elements for times, services, levels and outcomes.

import {h} from './dom.js'
import {ago, clock, colour, levelOf, line} from './format.js'

let relative = localStorage.getItem('time') === 'relative'
const show = (ms) => (relative ? ago(ms) : clock(ms))

export const isRelative = () => relative

export function setRelative(value) {
	relative = value
	localStorage.setItem('time', value ? 'relative' : 'absolute')
	refreshTimes()
}

export function refreshTimes() {
	for (const node of document.querySelectorAll('time[data-ms]')) node.textContent = show(Number(node.dataset.ms))
}

export function time(ms) {
	const valid = Number.isFinite(ms)
	const iso = valid ? new Date(ms).toISOString() : ''
	return h('time', {'data-ms': valid ? ms : null, datetime: iso, title: iso}, show(ms))
}

export function serviceTag(name) {
	return h('span', {class: `service ${colour(name)}`, title: name}, h('i', {'aria-hidden': 'true'}), line(name, 60))
}

const LEVELS = {trace: '·', debug: '○', info: 'ℹ', warn: '▲', warning: '▲', error: '✕', fatal: '✕', critical: '✕'}

export function levelTag(text) {
	const level = levelOf(text)
	return h('span', {class: `level ${level}`}, h('i', {'aria-hidden': 'true'}, LEVELS[level] ?? '·'), line(text || '–', 12).toUpperCase())
}

export function outcome(request) {
	const code = request.status
	const [kind, sign, word] = request.error || code >= 500
		? ['bad', '✕', 'error']
		: code >= 400 ? ['warn', '▲', 'refused'] : ['good', '✓', 'ok']
	return h('span', {class: `outcome ${kind}`, title: word}, h('i', {label: word, role: 'img'}, sign), code ? String(code) : word)
}
