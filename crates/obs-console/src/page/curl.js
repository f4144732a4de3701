// A server span as a curl command. Safe to paste: arguments are quoted, control characters are escaped.

export function curl(span) {
	const of = (...names) => names.map((name) => span.attributes[name]).find((value) => value !== undefined)
	const path = of('url.path', 'http.target', 'http.route')
	const host = of('server.address', 'net.host.name')
	if (path === undefined || host === undefined) return null
	const port = of('server.port', 'net.host.port')
	const scheme = of('url.scheme', 'http.scheme') === 'https' ? 'https' : 'http'
	const query = of('url.query')
	const method = String(of('http.request.method', 'http.method') ?? 'GET')
	const name = String(host).includes(':') && !String(host).startsWith('[') ? `[${host}]` : host
	const url = `${scheme}://${name}${port ? `:${port}` : ''}${String(path).startsWith('/') ? '' : '/'}${path}${query ? `?${query}` : ''}`
	const words = ['curl', '-i', '-g', '-X', /^[A-Z]{1,20}$/.test(method) ? method : 'GET', quoted(url)]
	for (const [key, value] of Object.entries(span.attributes)) {
		const header = /^http\.request\.header\.([a-z0-9-]+)$/.exec(key)?.[1]
		if (header && header !== 'host' && header !== 'content-length') words.push('-H', quoted(`${header}: ${[value].flat().join(', ')}`))
	}
	return words.join(' ')
}

function quoted(text) {
	if (!/[\u0000-\u001f\u007f-\u009f]/.test(text)) return `'${text.replaceAll("'", "'\\''")}'`
	const escaped = text.replace(/[\\'\u0000-\u001f\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
	return `$'${escaped}'`
}
