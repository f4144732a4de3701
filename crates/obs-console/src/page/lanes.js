// The lanes below a request's waterfall. Each fills an element and may return its cleanup.

import {copyButton, empty, fill, h, pairs, table} from './dom.js'
import {digits, duration, instant, line, measured, value} from './format.js'
import {levelTag, serviceTag, time} from './tags.js'
import {errorCard} from './errorcard.js'
import {flame} from './flame.js'
import {strip} from './healthstrip.js'
import {fields, inline} from './logline.js'
import {List} from './list.js'
import {get} from './api.js'
import {current, to, toRequest} from './route.js'

export const LANES = {span, logs, errors, metrics, health, profile: flame}

function span(element, it, {span: chosen}) {
	const found = it.spans.find((other) => other.span_id === chosen) ?? it.spans[0]
	if (!found) {fill(element, empty('No span of this request is here')); return;}
	const lines = it.logs.filter((entry) => entry.span_id === found.span_id)
	const inside = it.spans.filter((other) => other.parent_span_id === found.span_id)
	const attributes = Object.entries(found.attributes)
	fill(element,
		h('h3', h('span.v', line(found.name, 500)), ' ', serviceTag(found.service)),
		found.status_message ? h('p.bad.v', `✕ ${line(found.status_message, 2000)}`) : null,
		pairs([
			['Duration', `${duration(found.duration_nanos / 1e6)}, of its own ${duration(selfTime(found, inside) / 1e6)}`], ['Begins', `${duration(found.offset_nanos / 1e6)} after the request`], ['Kind', found.kind],
			['Status', found.status], ['Span id', found.span_id], ['Parent', found.parent_span_id ?? 'none'],
			...(found['service.instance.id'] ? [['Instance', found['service.instance.id']]] : []),
		]),
		h('h4', `Attributes (${attributes.length})`),
		attributes.length ? pairs(attributes.map(([key, it]) => [key, value(it)]), (key, text) => [
			copyButton(text, key), h('a.small', {href: to('requests', {attr: `${key}:${text}`})}, 'Filter')]) : h('p.dim', 'None.'),
		found.events.length ? [h('h4', `Events (${found.events.length})`), found.events.map((event) => h('div.event',
			h('span.num.dim', `+${duration((event.time_unix_nanos - found.start_unix_nanos) / 1e6)}`), ' ', h('b.v', line(event.name)), pairs(Object.entries(event.attributes).map(([key, it]) => [key, value(it)]))))] : null,
		found.links.length ? [h('h4', `Links (${found.links.length})`), found.links.map((link) => h('p', h('a', {href: toRequest(link.trace_id)}, `trace ${link.trace_id}`), ` span ${link.span_id}`))] : null,
		h('h4', `Log lines of this span (${lines.length})`),
		lines.map((entry) => h('p.plainline', h('span.num.dim', `+${duration(instant(entry.timestamp) - instant(it.started))}`), levelTag(entry.level), inline(entry))),
		lines.length ? h('p', h('a', {href: to('logs', {trace_id: it.trace_id, span_id: found.span_id})}, 'Open in the log view')) : null)
}

function selfTime(span, inside) {
	let covered = 0
	let until = span.offset_nanos
	const end = span.offset_nanos + span.duration_nanos
	for (const child of inside.sort((one, other) => one.offset_nanos - other.offset_nanos)) {
		const from = Math.max(child.offset_nanos, until)
		const to = Math.min(child.offset_nanos + child.duration_nanos, end)
		if (to > from) {covered += to - from; until = to;}
	}
	return span.duration_nanos - covered
}

function logs(element, it) {
	if (!it.logs.length) {
		fill(element, empty('No log line has this trace id', 'Lines join by trace_id, or by request_id where they have no trace id.'))
		return undefined
	}
	const start = instant(it.started)
	const more = h('div.linefields')
	const show = (at) => fill(more, fields(it.logs[at]), it.logs[at].span_id ? h('p', h('a', {href: current().with('span', it.logs[at].span_id).with('lane', 'span').toString()}, 'Its span')) : null)
	const list = new List({
		label: 'Log lines of this request', height: 24, kind: 'lines', open: show, select: show,
		row: (at) => h('div.inrequest', h('span.num.dim', `+${duration(instant(it.logs[at].timestamp) - start)}`), levelTag(it.logs[at].level), serviceTag(it.logs[at].service), inline(it.logs[at])),
	})
	list.element.style.height = `${Math.min(it.logs.length, 12) * 24 + 2}px`
	fill(element, h('p.bar', h('a', {href: to('logs', {trace_id: it.trace_id})}, 'Open in the log view')), list.element, more)
	list.set(it.logs.length)
	return () => list.close()
}

function errors(element, it) {
	fill(element, it.errors.length ? it.errors.map((event) => errorCard(event, {isInRequest: true})) : empty(it.error ? 'A span failed, and no error was reported' : 'No error', it.error ? 'Its status is in the waterfall. Services report errors to the SENTRY_DSN that the console printed.' : 'Nothing of this request failed.'))
}

function metrics(element, it) {
	const labels = (labels) => Object.entries(labels).map(([key, text]) => `${key}="${text}"`).join(' ')
	const number = (value, sign = '') => ['num', value === null ? '–' : `${sign}${digits(value)}`]
	const rows = [...it.metrics].sort((one, other) => Boolean(other.exemplar) - Boolean(one.exemplar))
	fill(element, rows.length ? [
		h('p.dim', 'From the scrape before the request to the one after it; other requests count too. ◆ names this trace.'),
		table('', ['Series', 'Before', 'After', 'Moved by', 'Exemplar'], rows.map((change) => [
			h('span', serviceTag(change.service), ' ', h('a.v', {href: to('metrics', {service: change.service, family: change.family})}, change.name), ' ', h('span.dim.v', line(labels(change.labels), 300))),
			number(change.before), number(change.after), number(change.delta, change.delta > 0 ? '+' : ''), change.exemplar ? `◆ ${measured(change.exemplar.value, /_seconds/.test(change.name) ? 'seconds' : '')}` : '']))]
		: empty('No metric is known to have moved', 'Services are scraped by --service NAME=URL.'))
}

function health(element, it) {
	if (!it.health.length) {fill(element, empty('No probe of its services is known', 'Services are asked by --service NAME=URL.')); return undefined;}
	const leave = new AbortController()
	const at = instant(it.started)
	fill(element, it.health.map((one) => {
		const lane = h('div')
		get('health', {service: one.service}, leave.signal).then((changes) => fill(lane, strip(changes, {from: at - 60_000, to: Math.min(Date.now(), at + 60_000), mark: at}))).catch(() => {})
		const state = (good, name) => h('span', {class: good ? 'good' : 'bad'}, good ? `✓ ${name}` : `✕ not ${name}`)
		const checks = Object.entries(one.checks ?? {})
		return h('section.card', h('h3', serviceTag(one.service), ' ', state(one.ready, 'ready'), ' ', state(one.live, 'live')),
			one.error ? h('p.bad.v', line(one.error)) : null,
			checks.length ? pairs(checks.map(([name, said]) => [name, value(said)])) : h('p.dim', 'It has no checks.'), lane, h('p.dim', 'asked ', time(instant(one.at)), '; one minute before the request to one after'))
	}))
	return () => leave.abort()
}
