// The address is the state: view, filters (switched off ones too) and the open item.

/** `#/view?name=value&~name=value`: `~` marks a filter that is switched off. */
export function current() {
	const hash = location.hash.replace(/^#\/?/, '')
	const at = hash.indexOf('?')
	const view = (at < 0 ? hash : hash.slice(0, at)) || 'requests'
	const entries = [...new URLSearchParams(at < 0 ? '' : hash.slice(at + 1))].map(([name, value]) => (
		name.startsWith('~') ? {name: name.slice(1), value, on: false} : {name, value, on: true}
	))
	return new Route(view, entries)
}

export class Route {
	constructor(view, entries = []) {
		this.view = view
		this.entries = entries
	}

	get(name) {return this.entries.find((entry) => entry.on && entry.name === name)?.value;}

	with(name, value) {
		const rest = this.entries.filter((entry) => entry.name !== name)
		return new Route(this.view, value === undefined || value === '' ? rest : [...rest, {name, value: String(value), on: true}])
	}

	plus(name, value) {
		const rest = this.entries.filter((entry) => entry.name !== name || entry.value !== value)
		return new Route(this.view, [...rest, {name, value: String(value), on: true}])
	}

	minus(entry) {return new Route(this.view, this.entries.filter((other) => other !== entry));}

	toggled(entry) {
		return new Route(this.view, this.entries.map((other) => (other === entry ? {...entry, on: !entry.on} : other)))
	}

	toString() {
		const query = new URLSearchParams(this.entries.map(({name, value, on}) => [on ? name : `~${name}`, value]))
		const text = query.toString()
		return `#/${this.view}${text ? `?${text}` : ''}`
	}

	go() {
		if (location.hash !== this.toString()) location.hash = this.toString()
	}

	/** Adds no history entry: for changes at every key. */
	replace() {
		if (location.hash === this.toString()) return
		history.replaceState(null, '', this.toString())
		dispatchEvent(new HashChangeEvent('hashchange'))
	}
}

export function to(view, filters = {}) {
	const entries = Object.entries(filters).filter(([, value]) => value !== undefined && value !== null && value !== '')
	return new Route(view, entries.map(([name, value]) => ({name, value: String(value), on: true}))).toString()
}

export const toRequest = (id, more) => to('requests', {open: id, ...more})
