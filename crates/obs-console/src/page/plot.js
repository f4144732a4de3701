// A line chart. Lines differ in colour and dashes and are named; exemplars link to their requests.

import {h} from './dom.js'
import {clock, line, measured} from './format.js'

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [Math.min(720, innerWidth - 40), 200, 64, 22, 8]
const DASHES = ['', '6 3', '2 3', '8 3 2 3', '12 4', '4 4', '1 2', '10 2 2 2']

export function plot({title, unit, lines, exemplars, more}, open) {
	const label = (value) => (unit === 'per second' ? `${measured(value, '')}/s` : measured(value, unit))
	const points = lines.flatMap((it) => it.points.filter(([, value]) => value !== null))
	if (!points.length) return h('figure', h('figcaption', title), h('p.dim', 'Two scrapes are needed, and something that happens between them.'))
	let [from, to] = extent(points.map(([ms]) => ms))
	if (to - from < 10_000) from = to - 10_000
	const marks = (exemplars ?? []).filter((it) => it.unix_ms >= from - 5000 && it.unix_ms <= to + 5000).slice(-60)
	const [low, high] = extent([...points.map(([, value]) => value), ...marks.map((it) => it.value).filter((value) => value !== undefined)])
	const ticks = nice(Math.min(0, low), high)
	const top = ticks.at(-1)
	const x = (ms) => LEFT + ((Math.min(to, Math.max(from, ms)) - from) / (to - from)) * (WIDTH - LEFT - 8)
	const y = (value) => HEIGHT - BOTTOM - ((value - ticks[0]) / (top - ticks[0] || 1)) * (HEIGHT - BOTTOM - TOP)
	const svg = h('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'plot', role: 'group', label: `${title}: ${lines.map((it) => `${it.name} ${label(it.points.at(-1)?.[1])}`).slice(0, 8).join(', ')}`})
	for (const tick of ticks) {
		svg.append(h('line.grid', {x1: LEFT, x2: WIDTH - 8, y1: y(tick), y2: y(tick)}), h('text.axislabel', {x: LEFT - 6, y: y(tick) + 4, 'text-anchor': 'end'}, label(tick)))
	}
	for (const part of [0, 0.5, 1]) {
		const ms = from + (to - from) * part
		svg.append(h('text.axislabel', {x: x(ms), y: HEIGHT - 6, 'text-anchor': part === 0 ? 'start' : part === 1 ? 'end' : 'middle'}, clock(ms).slice(0, -4)))
	}
	lines.forEach((it, at) => {
		svg.append(h('path', {class: `series c${at % 8}`, d: path(it.points, x, y), 'stroke-dasharray': DASHES[at % 8]}))
	})
	const hover = h('line.hover', {y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden'})
	svg.append(hover)
	for (const it of marks) {
		const [cx, cy] = [x(it.unix_ms), it.value === undefined ? HEIGHT - BOTTOM - 5 : y(it.value)]
		const said = `Request of ${clock(it.unix_ms)}${it.value === undefined ? '' : `: ${label(it.value)}`}`
		svg.append(h('path', {
			class: 'exemplar', d: `M${cx} ${cy - 5}L${cx + 5} ${cy}L${cx} ${cy + 5}L${cx - 5} ${cy}Z`, role: 'link', tabindex: 0, label: said,
			onclick: () => open(it), onkeydown: (event) => {if (event.key === 'Enter') {event.stopPropagation(); open(it);}},
		}, h('title', said)))
	}

	const values = lines.map(() => h('span.num'))
	const at = h('span.dim.num')
	const show = (ms) => {
		at.textContent = clock(ms ?? to).slice(0, -4)
		lines.forEach((it, i) => {values[i].textContent = label((ms === undefined ? it.points.at(-1) : nearest(it.points, ms))?.[1]);})
	}
	svg.addEventListener('pointermove', (event) => {
		const box = svg.getBoundingClientRect()
		const ms = from + (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - 8) * (to - from)
		if (ms < from || ms > to) return
		hover.setAttribute('x1', x(ms))
		hover.setAttribute('x2', x(ms))
		hover.setAttribute('visibility', 'visible')
		show(ms)
	})
	svg.addEventListener('pointerleave', () => {hover.setAttribute('visibility', 'hidden'); show();})
	show()
	return h('figure', h('figcaption', title, ' ', at), svg,
		h('ul.legend', lines.map((it, i) => h('li', sample(i), h('span.v', line(it.name || 'all', 120)), values[i]))),
		more > 0 ? h('p.dim', `${more} more are not drawn: choose another label.`) : null)
}

function sample(at) {
	return h('svg', {viewBox: '0 0 28 8', class: 'key', 'aria-hidden': 'true'}, h('path', {class: `series c${at % 8}`, d: 'M0 4H28', 'stroke-dasharray': DASHES[at % 8]}))
}

function extent(values) {
	return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity])
}

function nearest(points, ms) {
	return points.reduce((best, point) => (Math.abs(point[0] - ms) < Math.abs(best[0] - ms) ? point : best), points[0])
}

function path(points, x, y) {
	let isDown = false
	let text = ''
	for (const [ms, value] of points) {
		if (value === null) {isDown = false; continue;}
		text += `${isDown ? 'L' : 'M'}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`
		isDown = true
	}
	return text
}

function nice(low, high) {
	const span = high - low || Math.abs(high) || 1
	const rough = span / 4
	const size = 10 ** Math.floor(Math.log10(rough))
	const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((it) => it >= rough)
	const first = Math.floor(low / step) * step
	const ticks = []
	for (let tick = first; tick < high + step && ticks.length < 12; tick += step) ticks.push(Number(tick.toPrecision(12)))
	return ticks
}
