// The console's HTTP API. The token is read from the address and kept in this tab.

const KEY = 'token'

export function takeToken() {
	const found = /^#token=([^&]*)(?:&(.*))?$/.exec(location.hash)
	if (!found) return
	sessionStorage.setItem(KEY, decodeURIComponent(found[1]))
	history.replaceState(null, '', `${location.pathname}#${found[2] ?? ''}`)
}

export function setToken(text) {
	sessionStorage.setItem(KEY, text.trim())
}

function headers() {
	const token = sessionStorage.getItem(KEY)
	return token ? {authorization: `Bearer ${token}`} : {}
}

const refused = (status, message) => Object.assign(new Error(message), {status})

async function ask(method, path, signal) {
	let answer
	try {
		answer = await fetch(path, {method, headers: headers(), signal, cache: 'no-store'})
	} catch (error) {
		if (error.name === 'AbortError') throw error
		throw refused(0, 'The console does not answer: see whether it still runs.')
	}
	const body = await answer.json().catch(() => null)
	if (!answer.ok) {
		if (answer.status === 401) dispatchEvent(new Event('unauthorized'))
		throw refused(answer.status, body?.error ?? `The console answered ${answer.status}.`)
	}
	return body
}

export function get(path, query = [], signal) {
	const entries = (Array.isArray(query) ? query : Object.entries(query)).filter(([, value]) => value !== undefined && value !== null && value !== '')
	const text = new URLSearchParams(entries).toString()
	return ask('GET', `/api/${path}${text ? `?${text}` : ''}`, signal)
}

export const post = (path) => ask('POST', `/api/${path}`);

/** Calls `changed` for every change, and `state` with `live` or `lost`. */
export async function listen(changed, state) {
	for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
		try {
			const answer = await fetch('/api/events', {headers: headers(), cache: 'no-store'})
			if (answer.ok) {
				state('live')
				pause = 500
				changed({})
				await readEvents(answer.body.getReader(), changed)
			}
		} catch {/* reconnect */}
		state('lost')
		await new Promise((done) => setTimeout(done, pause))
	}
}

async function readEvents(reader, changed) {
	const decoder = new TextDecoder()
	let rest = ''
	for (;;) {
		const {value, done} = await reader.read()
		if (done) return
		rest += decoder.decode(value, {stream: true})
		const events = rest.split('\n\n')
		rest = events.pop()
		for (const event of events) {
			const data = /^data: ?(.*)$/m.exec(event)?.[1]
			if (data) changed(JSON.parse(data))
		}
	}
}
