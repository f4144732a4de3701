// How log lines are shown.

import {copyButton, h, pairs} from './dom.js'
import {line, value} from './format.js'
import {current, to, toRequest} from './route.js'

const NAMED = new Set(['seq', 'service', 'timestamp', 'level', 'event', 'trace_id', 'span_id'])
const QUIET = new Set([...NAMED, 'target', 'request_id'])

export function inline(entry, left = new Set()) {
	const own = Object.entries(entry).filter(([key]) => !QUIET.has(key) && !left.has(key)).slice(0, 24)
	return h('span.message.v', line(entry.event, 600), own.map(([key, it]) => [' ', h('span.field', h('span.dim', `${line(key, 60)}=`), line(value(it), 120))]))
}

export function fields(entry, columns) {
	return [
		h('p.message.v.whole', entry.event),
		pairs(Object.entries(entry).filter(([key]) => key !== 'event' && key !== 'seq').map(([key, it]) => [key, value(it)]), (key, text) => [
			copyButton(text, key),
			key === 'trace_id' ? h('a.small', {href: toRequest(text, entry.span_id ? {span: entry.span_id, lane: 'span'} : {})}, 'Open the request') : null,
			key === 'request_id' && !entry.trace_id ? h('a.small', {href: toRequest(text)}, 'Open the request') : null,
			['service', 'level', 'trace_id', 'span_id', 'request_id'].includes(key) ? h('a.small', {href: to('logs', {[key]: text})}, 'Filter')
				: key === 'timestamp' ? null : h('a.small', {href: to('logs', {attr: `${key}:${text}`})}, 'Filter'),
			columns && !NAMED.has(key) ? h('a.small', {href: current().plus('col', key).toString()}, 'As column') : null,
		]),
	]
}
