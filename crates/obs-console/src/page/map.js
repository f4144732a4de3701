// The service map: callers left, callees right.

import {get} from './api.js'
import {empty, fill, h, table} from './dom.js'
import {colour, count, digits, duration, line} from './format.js'
import {current, to} from './route.js'

const [BOX_W, BOX_H, GAP_X, GAP_Y] = [176, 66, 180, 26]
const SPANS = {60: 'last minute', 300: 'last 5 minutes', 900: 'last 15 minutes', '': 'all that is kept'}

export default function map(app) {
	const span = h('select', {label: 'Time span', onchange: () => current().with('last', span.value).go()}, Object.entries(SPANS).sort(([one], [other]) => one - other).map(([seconds, text]) => h('option', {value: seconds}, text)))
	const body = h('div.mapbody', {tabindex: 0, role: 'region', label: 'Who calls whom'})
	const element = h('section.single', {label: 'Map'}, h('h1.offscreen', 'Map'), h('p.bar', h('b', 'Who calls whom'), span), body)
	let last = ''

	async function load() {
		const seconds = current().get('last')
		let answer
		try {
			answer = await get('map', {from_ms: seconds ? Math.round(Date.now() - seconds * 1000) : undefined})
		} catch (error) {fill(body, empty(error.message)); return;}
		const key = JSON.stringify([seconds, answer])
		if (key === last) return
		last = key
		fill(body, answer.nodes.length ? [draw(answer, seconds), calls(answer, seconds)] : empty('No calls yet', 'They come from the spans of requests between services.'))
	}

	return {element, update(route) {span.value = route.get('last') ?? ''; load();}, change: load}
}

const rate = (calls, seconds) => (seconds ? `${digits(calls / seconds)}/s` : `${count(calls)} calls`)
const share = (errors, calls) => (errors ? `✕ ${digits((errors / Math.max(calls, 1)) * 100)} %` : '')

function draw({nodes, edges}, seconds) {
	const names = nodes.map((node) => node.service)
	const layers = layered(names, edges)
	const place = new Map()
	const tallest = Math.max(...layers.map((layer) => layer.length))
	layers.forEach((layer, column) => {
		const top = ((tallest - layer.length) * (BOX_H + GAP_Y)) / 2
		layer.forEach((name, at) => place.set(name, [column * (BOX_W + GAP_X) + 1, top + at * (BOX_H + GAP_Y) + 14]))
	})
	const width = layers.length * (BOX_W + GAP_X) - GAP_X + 2
	const height = tallest * (BOX_H + GAP_Y) + 14
	const svg = h('svg', {viewBox: `0 0 ${width} ${height}`, class: 'map', role: 'group', label: 'Services and their calls; the table below says the same'},
		h('defs', h('marker', {id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto'}, h('path', {d: 'M0 0L8 4L0 8Z', class: 'tip'}))))
	svg.style.maxWidth = `${width * 1.15}px`
	for (const edge of edges) {
		const [from, to] = [place.get(edge.from), place.get(edge.to)]
		if (!from || !to || edge.from === edge.to) continue
		const forward = to[0] > from[0]
		const [x1, y1, x2, y2] = [from[0] + (forward ? BOX_W : BOX_W / 2), from[1] + (forward ? BOX_H / 2 : 0), to[0] + (forward ? 0 : BOX_W / 2), to[1] + (forward ? BOX_H / 2 : 0)]
		const bend = forward ? Math.max(40, (x2 - x1) / 2) : 0
		const d = forward ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` : `M${x1} ${y1}C${x1} ${y1 - 40} ${x2} ${y2 - 40} ${x2} ${y2}`
		svg.append(h('path', {d, class: edge.errors ? 'edge failed' : 'edge', 'marker-end': 'url(#tip)'}))
		const [tx, ty] = forward ? [x2 - 10, y2 - 8] : [(x1 + x2) / 2, Math.min(y1, y2) - 32]
		svg.append(h('text', {x: tx, y: ty, class: 'edgelabel', 'text-anchor': forward ? 'end' : 'middle'}, rate(edge.calls, seconds)),
			h('text', {x: tx, y: ty + 22, class: edge.errors ? 'edgelabel bad' : 'edgelabel', 'text-anchor': forward ? 'end' : 'middle'}, `${share(edge.errors, edge.calls)} p95 ${duration(edge.p95_ms)}`.trim()))
	}
	for (const node of nodes) svg.append(box(node, place.get(node.service), seconds))
	return svg
}

function box(node, [x, y], seconds) {
	const isService = !node.kind || node.kind === 'service'
	const open = () => {location.hash = to('requests', {service: node.service});}
	return h('g', isService ? {
		class: `node ${colour(node.service)}`, transform: `translate(${x} ${y})`, tabindex: 0, role: 'link',
		onclick: open, onkeydown: (event) => {if (event.key === 'Enter') {event.stopPropagation(); open();}},
	} : {class: 'node outside', transform: `translate(${x} ${y})`},
	h('rect', {width: BOX_W, height: BOX_H, rx: 6}), h('rect', {width: 4, height: BOX_H, rx: 2, class: 'stripe'}),
	h('text', {x: 14, y: 23, class: 'name'}, line(node.service, 22)),
	h('text', {x: 14, y: 41, class: 'dim'}, isService ? `${rate(node.requests ?? 0, seconds).replace(' calls', ' requests')} ${share(node.errors, node.requests)}` : node.kind),
	h('text', {x: 14, y: 57, class: 'dim'}, isService && node.p95_ms !== undefined ? `p50 ${duration(node.p50_ms)}, p95 ${duration(node.p95_ms)}` : ''))
}

function layered(names, edges) {
	const callees = new Map(names.map((name) => [name, []]))
	for (const {from, to} of edges) if (from !== to && callees.has(from) && callees.has(to)) callees.get(from).push(to)
	const depth = new Map(names.map((name) => [name, 0]))
	// At most one column a name, so that circles end.
	for (let round = 0; round < Math.min(names.length, 40); round += 1) {
		let moved = false
		for (const [from, list] of callees) {
			for (const to of list) {
				if (depth.get(to) <= depth.get(from) && depth.get(from) + 1 < names.length && !reaches(callees, to, from)) {depth.set(to, depth.get(from) + 1); moved = true;}
			}
		}
		if (!moved) break
	}
	const columns = []
	for (const name of names) (columns[depth.get(name)] ??= []).push(name)
	return columns.filter(Boolean)
}

function reaches(callees, from, target) {
	const seen = new Set()
	const next = [from]
	while (next.length) {
		const name = next.pop()
		if (name === target) return true
		if (!seen.has(name)) {seen.add(name); next.push(...callees.get(name));}
	}
	return false
}

function calls({edges}, seconds) {
	return table('Calls', ['From', 'To', 'Calls', 'Errors', 'p95'], edges.map((edge) => [['v', line(edge.from, 80)], ['v', line(edge.to, 80)], rate(edge.calls, seconds),
		[edge.errors ? 'bad' : '', edge.errors ? `${count(edge.errors)} (${share(edge.errors, edge.calls)})` : '0'], duration(edge.p95_ms)]))
}
