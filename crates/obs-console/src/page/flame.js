// The samples of one trace or route as a flame graph: callers above, callees below.

import {get} from './api.js'
import {button, empty, fill, h, small, span as part, table} from './dom.js'
import {count, digits, line} from './format.js'

const HEIGHT = 20
const DEEPEST = 120

export function flame(element, it) {
	const leave = new AbortController()
	const graph = h('div')
	const choice = (label, entries) => h('select', {label: label, onchange: load}, entries.map(([key, text]) => h('option', {value: key}, text)))
	const service = choice('Service', it.services.map((name) => [name, name]))
	const span = it.spans.find((other) => other.kind === 'server')
	const what = choice('Samples', [['trace', 'of this trace'], ...(it.route ? [['route', `of the route ${it.route}`]] : []), ['all', 'of the whole service']])
	if (span) service.value = span.service
	fill(element, h('p.bar', service, what, small('Again', load)), graph)

	async function load() {
		fill(graph, h('p.dim.pad', 'Asking the service for its samples …'))
		try {
			const asked = {trace: {trace_id: it.trace_id}, route: {route: it.route}, all: {}}[what.value]
			const profile = await get('profile', {service: service.value, ...asked}, leave.signal)
			if (profile.total) draw(profile, profile.root, [])
			else fill(graph, empty('No sample', profile.note, 'A short request is seldom caught: try its route, or the whole service.'))
		} catch (error) {
			if (error.name !== 'AbortError') fill(graph, empty('No profile', error.message))
		}
	}

	function draw(profile, root, above) {
		const flames = h('div.flame', {role: 'group', label: 'Flame graph'})
		let deepest = above.length
		above.forEach((node, depth) => place(node, depth, 0, 100, 'above', () => draw(profile, node, above.slice(0, depth))))
		const next = [[root, above, 0, 100]]
		while (next.length) {
			const [node, callers, left, width] = next.pop()
			const depth = callers.length
			deepest = Math.max(deepest, depth)
			place(node, depth, left, width, '', () => draw(profile, node, callers))
			let at = left
			for (const child of node.children ?? []) {
				const share = width * (child.value / node.value)
				if (share >= 0.15 && depth < DEEPEST) next.push([child, [...callers, node], at, share])
				at += share
			}
		}
		function place(node, depth, left, width, kind, open) {
			const share = digits((node.value / profile.total) * 100)
			flames.append(button(width > 3 ? line(node.name, 200) : '', open, {
				class: `frame h${hue(node.name)} ${kind}`, title: `${line(node.name, 400)}\n${count(node.value)} ${profile.unit}, ${share} %, itself ${count(node.self)}`,
				label: `${line(node.name, 200)}, ${share} percent`, style: {...part(left, width), top: `${depth * HEIGHT}px`},
			}))
		}
		flames.style.height = `${(deepest + 1) * HEIGHT}px`
		fill(graph, h('p.dim', `${count(profile.total)} ${profile.unit}${profile.note ? `. ${line(profile.note)}` : ''}. Click a frame to open it.`), flames, hottest(profile))
	}

	load()
	return () => leave.abort()
}

function hottest(profile) {
	const own = new Map()
	const next = [profile.root]
	while (next.length) {
		const node = next.pop()
		if (node.self) own.set(node.name, (own.get(node.name) ?? 0) + node.self)
		next.push(...(node.children ?? []))
	}
	const rows = [...own].sort((one, other) => other[1] - one[1]).slice(0, 12)
	return table('Most samples of their own', [], rows.map(([name, self]) => [['num', `${digits((self / profile.total) * 100)} %`], ['v', line(name, 300)]]))
}

function hue(name) {
	let hash = 0
	for (let at = 0; at < name.length; at += 1) hash = (hash * 31 + name.charCodeAt(at)) | 0
	return Math.abs(hash) % 3
}
