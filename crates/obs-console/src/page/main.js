// The page: header, current view, live changes, and global keys.

import {get, listen, post, setToken, takeToken} from './api.js'
import {button, empty, fill, h, say, small} from './dom.js'
import {count, learnServices} from './format.js'
import {isRelative, refreshTimes, setRelative} from './tags.js'
import {help} from './help.js'
import {current, to} from './route.js'
import errors from './errors.js'
import health from './health.js'
import logs from './logs.js'
import map from './map.js'
import metrics from './metrics.js'
import requests from './requests.js'
import store from './stats.js'

const VIEWS = {
	requests: ['Requests', 'r', requests], logs: ['Logs', 'l', logs], errors: ['Errors', 'e', errors], metrics: ['Metrics', 'm', metrics],
	map: ['Map', 'a', map], health: ['Health', 'h', health], store: ['Store', 's', store],
}

const page = document.getElementById('view')
const nav = h('nav', {label: 'Views'})
const state = h('span.state', {role: 'status'})
const live = button('', () => setPaused(!app.paused), {class: 'small live'})
const clockMode = small('', () => {setRelative(!isRelative()); showSwitches();}, {title: 'Clock or relative times (t)'})

const app = {
	paused: false,
	services: [],
	failed(error) {if (error.name !== 'AbortError') say(error.message);},
}

let view
let shown

function show() {
	const route = current()
	const known = VIEWS[route.view] ? route : Object.assign(route, {view: 'requests'})
	if (shown !== known.view) {
		view?.close?.()
		shown = known.view
		view = VIEWS[shown][2](app)
		fill(page, view.element)
		document.title = `${VIEWS[shown][0]} · obs console`
	}
	for (const link of nav.children) {
		if (link.dataset.view === shown) link.setAttribute('aria-current', 'page')
		else link.removeAttribute('aria-current')
	}
	view.update(known)
}

function setPaused(paused) {
	app.paused = paused
	showSwitches()
	say(paused ? 'Paused' : 'Live')
	if (!paused) changed({})
}

function showSwitches() {
	live.textContent = app.paused ? '▶ Resume' : '❚❚ Pause'
	live.setAttribute('aria-pressed', String(app.paused))
	live.title = app.paused ? 'Show new things again (p)' : 'Keep what is shown as it is (p)'
	clockMode.textContent = isRelative() ? 'Ago' : 'Clock'
	clockMode.setAttribute('aria-label', isRelative() ? 'Times are relative: show clock times' : 'Times are of the clock: show relative times')
}

// At most twice a second, one at a time.
let last = {}
let due = 0
let running = false
function changed(what) {
	last = {...last, ...what}
	if (app.paused || due || running) return
	due = setTimeout(async () => {
		due = 0
		if (app.paused) return
		running = true
		const seen = last
		try {
			await Promise.all([refreshServices(), view?.change?.(seen)])
		} catch (error) {
			app.failed(error)
		}
		running = false
		if (last !== seen) changed({})
	}, document.hidden ? 5000 : 400)
}

async function refreshServices() {
	app.services = await get('services').catch(() => app.services)
	learnServices(app.services.map((service) => service.name))
	const failing = app.services.filter((service) => service.ready === false).length
	badge('health', failing, `${failing} not ready`)
	const bad = app.services.reduce((sum, service) => sum + (service.errors ?? 0), 0)
	badge('errors', bad, `${count(bad)} requests with errors`)
}

function badge(name, number, title) {
	const mark = nav.querySelector(`[data-view=${name}] .badge`)
	mark.hidden = !number
	mark.textContent = number > 999 ? '999+' : String(number)
	mark.title = title
}

function header() {
	for (const [name, [text, key]] of Object.entries(VIEWS)) {
		nav.append(h('a', {href: to(name), 'data-view': name, title: `g ${key}`}, text, h('span.badge', {hidden: true})))
	}
	fill(document.getElementById('top'),
		h('a.brand', {href: '#/requests'}, h('b', 'obs'), ' console'), nav,
		h('div.switches', state, live, clockMode, small('?', () => help(VIEWS), {label: 'Help and keys'})))
	showSwitches()
}

async function showActions() {
	const actions = await get('actions').catch(() => [])
	const bar = document.getElementById('actions')
	bar.hidden = !actions.length
	if (!actions.length) return
	fill(bar, h('span.dim', 'Try'), actions.map(({name, title}) => {
		const label = name.replaceAll('-', ' ')
		return small(label, async () => {
			say(`${label} …`)
			try {
				const {ok, text} = await post(`actions/${name}`)
				say(`${label}: ${ok ? text || 'done' : `failed: ${text}`}`.slice(0, 200))
			} catch (error) {app.failed(error)}
		}, {title})
	}))
}

let prefix = 0
addEventListener('keydown', (event) => {
	if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
	const isTyping = event.target.closest?.('input, select, textarea')
	if (event.key === 'Escape') {
		if (document.querySelector('dialog[open]')) return
		if (isTyping) event.target.blur()
		else view?.back?.()
		return
	}
	if (isTyping || document.querySelector('dialog[open]')) return
	if (Date.now() - prefix < 1500) {
		prefix = 0
		const found = Object.entries(VIEWS).find(([, [, key]]) => key === event.key)
		if (found) {location.hash = to(found[0]); event.preventDefault(); return;}
	}
	const done = {
		g: () => {prefix = Date.now();},
		'/': () => view?.search?.(),
		'?': () => help(VIEWS),
		p: () => setPaused(!app.paused),
		t: () => clockMode.click(),
	}[event.key]
	if (done) {done(); event.preventDefault(); return;}
	// Arrows and j, k work without a click into the list first.
	if (['ArrowDown', 'ArrowUp', 'j', 'k', 'Enter'].includes(event.key) && view?.list && !event.target.closest('button, a, [role=tab]')) {
		view.list.element.focus({preventScroll: true})
		view.list.key({key: event.key, target: view.list.element, preventDefault() {}, stopPropagation() {}})
		event.preventDefault()
	}
})

function askToken() {
	if (document.querySelector('.signin')) return
	const input = h('input', {type: 'password', label: 'Token', autocomplete: 'off', required: true})
	shown = undefined
	fill(page, h('form.signin', {onsubmit: (event) => {event.preventDefault(); setToken(input.value); location.reload();}},
		h('h1', 'The console’s token'),
		h('p', 'It was printed when the console started. Open the address printed there, or paste the token here.'), input,
		h('button.primary', 'Open')))
	input.focus()
}

async function start() {
	takeToken()
	header()
	addEventListener('unauthorized', askToken)
	addEventListener('hashchange', () => {takeToken(); if (!document.querySelector('.signin')) show();})
	setInterval(() => {if (isRelative()) refreshTimes();}, 1000)
	try {
		await get('whoami')
	} catch (error) {
		if (error.status !== 401) fill(page, empty(error.message, 'The page tries again when it is loaded anew.'))
		return
	}
	await refreshServices()
	show()
	showActions()
	listen(changed, (now) => {
		state.textContent = now === 'live' ? '' : 'not connected'
		state.classList.toggle('lost', now !== 'live')
	})
}

start()
