// Formats numbers, times and texts.

export function duration(ms) {
	if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–'
	if (ms < 0.001) return ms <= 0 ? '0 ms' : `${Math.round(ms * 1e6)} ns`
	if (ms < 1) return `${digits(ms * 1000)} µs`
	if (ms < 1000) return `${digits(ms)} ms`
	if (ms < 60000) return `${digits(ms / 1000)} s`
	const seconds = Math.round(ms / 1000)
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
	return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`
}

export function digits(value) {
	if (value === 0) return '0'
	const size = Math.abs(value)
	if (size >= 100) return Math.round(value).toLocaleString('en')
	if (size >= 10) return value.toFixed(1)
	if (size >= 1) return value.toFixed(2)
	return size < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(2)))
}

export function count(value) {
	return Number(value ?? 0).toLocaleString('en')
}

export function bytes(value) {
	let at = 0
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
	while (value >= 1024 && at < units.length - 1) {value /= 1024; at += 1;}
	return at ? `${digits(value)} ${units[at]}` : `${count(value)} B`
}

export function measured(value, unit) {
	if (value === null || value === undefined || Number.isNaN(value)) return '–'
	if (unit === 'seconds' || unit === 's') return duration(value * 1000)
	if (unit === 'ms') return duration(value)
	if (unit === 'bytes' || unit === 'By') return bytes(value)
	if (unit === 'ratio') return `${digits(value * 100)} %`
	return `${Number.isInteger(value) ? count(value) : digits(value)}${unit && unit !== '1' ? ` ${unit}` : ''}`
}

/** Milliseconds of an RFC 3339 time, with the fraction that Date drops. */
export function instant(text) {
	if (typeof text === 'number') return text
	const ms = Date.parse(text ?? '')
	const fraction = /\.(\d{3})(\d+)/.exec(text ?? '')
	return fraction ? ms + Number(`0.${fraction[2]}`) : ms
}

const two = (n) => String(n).padStart(2, '0')

export function clock(ms) {
	const date = new Date(ms)
	if (Number.isNaN(date.getTime())) return '–'
	const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
	const isToday = date.toDateString() === new Date().toDateString()
	return isToday ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}

export function ago(ms) {
	const past = Date.now() - ms
	if (!Number.isFinite(past)) return '–'
	if (past < 1000) return 'now'
	const seconds = Math.floor(past / 1000)
	if (seconds < 60) return `${seconds} s ago`
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
	if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`
	return `${Math.floor(seconds / 86400)} d ago`
}

const HIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** A text with visible control and direction characters, cut at a limit. */
export function plain(text, most = 50_000) {
	const short = text.length > most ? `${text.slice(0, most)}…` : text
	return short.replace(HIDDEN, (c) => (c < ' ' ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : '�'))
}

/** The same on one line. */
export const line = (text, most = 400) => plain(String(text ?? ''), most).replaceAll('\n', '↵')

export function value(it) {
	return typeof it === 'string' ? it : JSON.stringify(it)
}

// A service keeps its colour. Its name is always shown beside it.
const services = new Map()

export function learnServices(names) {
	for (const name of [...names].sort()) if (!services.has(name)) services.set(name, services.size % 8)
}

export function colour(service) {
	if (!services.has(service)) services.set(service, services.size % 8)
	return `c${services.get(service)}`
}

export function levelOf(text) {
	const level = String(text ?? '').toLowerCase()
	if (['error', 'fatal', 'critical', 'panic'].includes(level)) return 'error'
	return level.startsWith('warn') ? 'warn' : level
}
