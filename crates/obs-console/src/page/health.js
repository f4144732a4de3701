// The services: their instances and the history of their probes.

import {get} from './api.js'
import {empty, fill, h, pairs} from './dom.js'
import {count, line, value} from './format.js'
import {serviceTag, time} from './tags.js'
import {said, strip} from './healthstrip.js'
import {to} from './route.js'

export default function health(app) {
	const body = h('div.cards')
	const element = h('section.single', {label: 'Health', tabindex: 0}, h('h1.offscreen', 'Health'), h('p.bar', h('b', 'Services'), h('span.dim', 'probes, for up to 10 minutes')), body)
	let loading = false

	async function load() {
		if (loading) return
		loading = true
		try {
			const services = await get('services')
			const changes = await Promise.all(services.map((it) => get('health', {service: it.name}).catch(() => [])))
			if (body.contains(document.activeElement)) return
			fill(body, services.length ? services.map((it, at) => card(it, changes[at])) : empty('No services yet', 'They appear with their first span, line or scrape.'))
		} catch (error) {fill(body, empty(error.message));} finally {loading = false;}
	}

	const timer = setInterval(() => app.paused || load(), 2000)
	return {element, update: load, change: () => {}, close: () => clearInterval(timer)}
}

function card(it, changes) {
	const state = (said, good, bad) => (said === null || said === undefined ? h('span.dim', `? ${good} unknown`) : h('span', {class: said ? 'good' : 'bad'}, said ? `✓ ${good}` : `✕ ${bad}`))
	const checks = Object.entries(it.checks ?? {})
	const now = Date.now()
	return h('section.card',
		h('h2', serviceTag(it.name), ' ', state(it.ready, 'ready', 'not ready'), ' ', state(it.live, 'live', 'not live')),
		changes.length ? strip(changes, {from: Math.max(now - 6e5, changes[0].unix_ms), to: now}) : h('p.dim', 'Its probes are asked with --service NAME=URL of its admin server.'),
		checks.length ? h('ul.checks', checks.map(([name, said]) => h('li', {class: said === 'ok' ? 'good' : 'bad'}, said === 'ok' ? '✓ ' : '✕ ', h('span.v', `${line(name, 60)}: ${line(value(said), 100)}`)))) : null,
		pairs([
			['Requests', h('span', h('a', {href: to('requests', {service: it.name})}, count(it.requests)), it.errors ? [', ', h('a.bad', {href: to('requests', {service: it.name, error: 'true'})}, `✕ ${count(it.errors)} with errors`)] : null)],
			['Logs', h('a', {href: to('logs', {service: it.name})}, 'its lines')],
			['Last heard', it.last_seen_unix_ms ? time(it.last_seen_unix_ms) : 'never'],
			...(/^http:\/\//.test(it.admin ?? '') ? [['Admin', h('a', {href: it.admin, rel: 'noreferrer noopener', target: '_blank'}, it.admin)]] : []),
			...(it.instances ?? []).slice(0, 20).map((instance) => ['Instance', h('span', h('a.v', {href: to('requests', {service: it.name, instance: instance.id})}, line(instance.id, 80)), ' ', instance.last_seen_unix_ms ? time(instance.last_seen_unix_ms) : null)]),
		]),
		drained(changes))
}

function drained(changes) {
	const sorted = [...changes].sort((one, other) => other.unix_ms - one.unix_ms).slice(0, 8)
	return sorted.length > 1 ? h('details', h('summary', 'Changes'), sorted.map((change) => h('p', time(change.unix_ms), ' ', line(said(change), 300)))) : null
}
