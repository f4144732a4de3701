// Turns the points of a family's series into lines of charts.

const MOST = 12
const WINDOW = 15_000
const QUANTILES = [[0.5, 'p50'], [0.95, 'p95'], [0.99, 'p99']]

export function charts(family, series, by) {
	const exemplars = series.flatMap((it) => it.exemplars ?? [])
	const groups = new Map()
	for (const it of series) {
		const name = by ? `${it.labels[by] ?? '(none)'}` : ''
		if (!groups.has(name)) groups.set(name, [])
		groups.get(name).push(it)
	}
	const first = Math.min(...series.flatMap((it) => it.points.slice(0, 1).map(([ms]) => ms)))
	const each = (make) => [...groups].map(([name, members]) => ({name, points: make(members)})).sort((one, other) => (other.points.at(-1)?.[1] ?? 0) - (one.points.at(-1)?.[1] ?? 0))
	const rate = (members) => rates(members, first)
	if (family.kind === 'histogram') {
		const part = (suffix) => (members) => members.filter((it) => it.name.endsWith(suffix))
		const lines = by
			? each((members) => quantile(part('_bucket')(members), first, 0.95)).map((it) => ({...it, name: `${it.name} p95`}))
			: QUANTILES.map(([q, name]) => ({name, points: quantile(part('_bucket')(series), first, q)}))
		return [
			{title: by ? 'p95' : 'Quantiles', unit: family.unit || (family.family.endsWith('_seconds') ? 'seconds' : ''), lines: lines.slice(0, MOST), more: lines.length - MOST, exemplars},
			limited('Rate', 'per second', each((members) => rate(part('_count')(members))), []),
		]
	}
	if (family.kind === 'counter') return [limited('Rate', 'per second', each(rate), exemplars.map((it) => ({...it, value: undefined})))]
	const named = by ? each((members) => summed(members)) : series.map((it) => ({name: labels(it), points: summed([it])})).sort((one, other) => (other.points.at(-1)?.[1] ?? 0) - (one.points.at(-1)?.[1] ?? 0))
	return [limited('Value', family.unit, named, exemplars)]
}

function limited(title, unit, lines, exemplars) {
	return {title, unit, lines: lines.slice(0, MOST), more: lines.length - MOST, exemplars}
}

function labels(series) {
	return Object.entries(series.labels).map(([name, value]) => `${name}=${value}`).join(' ')
}

/** A counter's increase at each point. One first seen after `first` began at zero. */
function increments({points}, first) {
	return points.map(([ms, value], at) => {
		if (at === 0) return [ms, ms > first ? value : 0]
		const before = points[at - 1][1]
		return [ms, value >= before ? value - before : value]
	})
}

// A series has a point where its value changed; it is constant between points.
function times(members) {
	const at = [...new Set(members.flatMap((it) => it.points.map(([ms]) => ms)))].sort((one, other) => one - other)
	return at.flatMap((ms, i) => [ms, ...[ms + WINDOW / 2, ms + WINDOW + 1, at[i + 1] - 999].filter((more) => more > ms && more < at[i + 1])])
}

function windows(members, first) {
	const at = times(members)
	const all = members.map((it) => increments(it, first))
	const low = all.map(() => 0)
	const high = all.map(() => 0)
	const sums = all.map(() => 0)
	return at.map((ms) => {
		all.forEach((grown, i) => {
			while (high[i] < grown.length && grown[high[i]][0] <= ms) {sums[i] += grown[high[i]][1]; high[i] += 1;}
			while (low[i] < high[i] && grown[low[i]][0] <= ms - WINDOW) {sums[i] -= grown[low[i]][1]; low[i] += 1;}
		})
		return [ms, [...sums]]
	})
}

function rates(members, first) {
	return windows(members, first).slice(1).map(([ms, sums]) => {
		const seconds = Math.max(1, Math.min(WINDOW, ms - first) / 1000)
		return [ms, sums.reduce((sum, one) => sum + Math.max(0, one), 0) / seconds]
	})
}

function quantile(buckets, first, q) {
	const limits = [...new Set(buckets.map((it) => bound(it)))].sort((one, other) => one - other)
	return windows(buckets, first).slice(1).map(([ms, sums]) => {
		const counts = new Map(limits.map((limit) => [limit, 0]))
		buckets.forEach((it, i) => counts.set(bound(it), counts.get(bound(it)) + Math.max(0, sums[i])))
		const whole = counts.get(limits.at(-1)) ?? 0
		if (!whole) return [ms, null]
		let below = 0
		let from = 0
		for (const limit of limits) {
			const until = counts.get(limit)
			if (until >= q * whole) return [ms, limit === Infinity ? from : from + (limit - from) * ((q * whole - below) / Math.max(until - below, 1e-9))]
			below = until
			from = limit
		}
		return [ms, from]
	})
}

function bound(series) {
	const text = series.labels.le
	return text === '+Inf' ? Infinity : Number(text)
}

function summed(members) {
	const at = times(members)
	const next = members.map(() => 0)
	return at.map((ms) => [ms, members.reduce((sum, it, i) => {
		while (next[i] < it.points.length && it.points[next[i]][0] <= ms) next[i] += 1
		return sum + (next[i] ? it.points[next[i] - 1][1] : 0)
	}, 0)])
}
