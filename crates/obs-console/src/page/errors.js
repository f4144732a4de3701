// Errors, grouped by type and place, with counts.

import {get} from './api.js'
import {closer, empty, fill, h, small, split} from './dom.js'
import {filterBar, query} from './filters.js'
import {count, instant, line} from './format.js'
import {levelTag, serviceTag, time} from './tags.js'
import {errorCard} from './errorcard.js'
import {List} from './list.js'
import {current} from './route.js'

export default function errors(app) {
	let groups = []
	let asked = ''
	const bar = filterBar((name) => new Set(name === 'service' ? app.services.map((it) => it.name) : []))
	const list = new List({
		label: 'Errors', height: 52, kind: 'errors', row: (at) => row(groups[at]),
		open: (at) => current().with('open', groups[at].key).with('at').go(),
	})
	const note = h('div.listnote')
	const panel = h('section.detail', {label: 'Error', hidden: true})
	const element = split('Errors', [bar.element, list.element, note], panel)

	function row(group) {
		const [newest] = group.events
		return h('div.errorrow',
			h('span.first', levelTag(newest.level), h('b.v', line(group.title, 300))),
			h('span.second.dim', serviceTag(newest.service), h('span.v', line(group.place, 120)), time(instant(newest.timestamp))),
			h('span.times.num', `×${count(group.events.length)}`))
	}

	async function load(route) {
		let failure
		try {
			const events = await get('errors', [...query(route), ['limit', 1000]])
			groups = grouped(events)
		} catch (error) {groups = []; failure = error.message;}
		const open = current().get('open')
		list.at = groups.findIndex((group) => group.key === open)
		list.set(groups.length)
		list.element.hidden = !groups.length
		fill(note, failure ? empty(failure) : groups.length ? `${count(groups.length)} errors by place`
			: query(route).length ? empty('No error passes these filters') : empty('No errors', 'Services report them to the SENTRY_DSN that the console printed.'))
		show()
	}

	function show() {
		const route = current()
		const group = groups.find((other) => other.key === route.get('open'))
		panel.hidden = !group
		element.classList.toggle('opened', Boolean(group))
		if (!group) return
		const at = Math.min(group.events.length - 1, Math.max(0, Number(route.get('at') ?? 0)))
		const key = `${group.key} ${group.events[at].event_id} ${group.events.length}`
		if (panel.dataset.key === key) return
		panel.dataset.key = key
		const step = (text, by, label) => small(text, () => current().with('at', at + by).replace(), {label: label, disabled: !group.events[at + by]})
		fill(panel, closer('the error', back),
			h('p.bar', step('‹', -1, 'Newer event'), h('span.num', `${count(at + 1)} of ${count(group.events.length)}`), step('›', 1, 'Older event')),
			errorCard(group.events[at]))
	}

	function back() {
		current().with('open').with('at').go()
		list.element.focus({preventScroll: true})
	}

	return {
		element,
		list,
		update(route) {
			bar.update(route)
			const key = JSON.stringify(query(route))
			if (key !== asked) {asked = key; load(route);} else {
				list.choose(groups.findIndex((group) => group.key === route.get('open')), false)
				show()
			}
		},
		change: () => load(current()),
		search: () => bar.focus(),
		back: () => {if (!panel.hidden) back();},
		close: () => list.close(),
	}
}

function grouped(events) {
	const groups = new Map()
	for (const event of events) {
		const [first] = event.exceptions
		const [frame] = event.frames
		const place = frame?.function ?? event.transaction ?? ''
		const key = [event.service, first?.type ?? event.message, place].join('|').slice(0, 300)
		if (!groups.has(key)) groups.set(key, {key, title: first ? `${first.type}: ${first.value}` : event.message, place, events: []})
		groups.get(key).events.push(event)
	}
	return [...groups.values()]
}
