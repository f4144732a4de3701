// One error event: message, causes, stack and breadcrumbs.

import {copyButton, h, pairs} from './dom.js'
import {instant, line, value} from './format.js'
import {levelTag, serviceTag, time} from './tags.js'
import {toRequest} from './route.js'

export function errorCard(event, {isInRequest = false} = {}) {
	const [first, ...causes] = event.exceptions
	const tags = Object.entries(event.tags ?? {})
	const title = first ? `${first.type}: ${first.value}` : event.message
	return h('article.card.error',
		h('h3', levelTag(event.level), ' ', h('span.v', line(title, 600))),
		h('p.facts', serviceTag(event.service), time(instant(event.timestamp)), event.transaction ? h('span.v', line(event.transaction, 120)) : null,
			h('span', 'event ', h('code', event.event_id), copyButton(event.event_id, 'event id')),
			!isInRequest && (event.trace_id || event.request_id) ? h('a', {href: toRequest(event.trace_id ?? event.request_id, {lane: 'errors', ...(event.span_id ? {span: event.span_id} : {})})}, 'Open the request') : null),
		first && event.message ? h('p.v', line(event.message, 2000)) : null,
		causes.length ? h('ol.causes', {label: 'Causes'}, causes.map((cause) => h('li', h('span.dim', 'because '), h('b.v', line(cause.type, 200)), ' ', h('span.v', line(cause.value, 2000))))) : null,
		h('h4', `Stack (${event.frames.length})`),
		event.frames.length ? h('ol.stack', event.frames.map((frame) => h('li', h('code.v', line(frame.function, 300)), frame.file ? h('span.dim.v', `${line(frame.file, 300)}${frame.line ? `:${frame.line}` : ''}`) : null)))
			: h('p.dim', 'No call of the application’s own code was captured.'),
		event.breadcrumbs.length ? h('details', h('summary', `Before it (${event.breadcrumbs.length})`), event.breadcrumbs.map((crumb) => h('p.plainline', time(instant(crumb.timestamp)), levelTag(crumb.level),
			h('span.message.v', line(crumb.message, 600), Object.entries(crumb.data ?? {}).map(([key, it]) => [' ', h('span.field', h('span.dim', `${line(key, 60)}=`), line(value(it), 120))])),
			h('span.dim.v', line(crumb.category, 80))))) : null,
		tags.length ? h('details', h('summary', `Tags (${tags.length})`), pairs(tags.map(([key, it]) => [key, value(it)]))) : null,
		event.release ? h('p.dim.v', `${line(event.release, 100)} ${line(event.environment ?? '', 60)}`) : null)
}
