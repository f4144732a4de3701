// The critical path of a request: from its end backwards, the child that ended last.

/** Span id → its parts of the critical path: [from, until] in nanoseconds after the start. */
export function criticalPath(spans) {
	const children = new Map()
	for (const span of spans) {
		if (!children.has(span.parent_span_id)) children.set(span.parent_span_id, [])
		children.get(span.parent_span_id).push(span)
	}
	const end = (span) => span.offset_nanos + span.duration_nanos
	for (const list of children.values()) list.sort((one, other) => end(other) - end(one))
	const parts = new Map()
	const top = spans[0]
	const next = top ? [[top, end(top)]] : []
	const seen = new Set()
	while (next.length) {
		const [span, until] = next.pop()
		if (seen.has(span.span_id)) continue
		seen.add(span.span_id)
		const own = []
		let at = Math.min(until, end(span))
		for (const child of children.get(span.span_id) ?? []) {
			const last = Math.min(end(child), at)
			if (child.offset_nanos >= at || last <= span.offset_nanos) continue
			if (last < at) own.push([last, at])
			next.push([child, last])
			at = Math.max(child.offset_nanos, span.offset_nanos)
		}
		if (at > span.offset_nanos) own.push([span.offset_nanos, at])
		parts.set(span.span_id, own)
	}
	return parts
}
