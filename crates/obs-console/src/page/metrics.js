// Metric families, and the plots of one.

import {get} from './api.js'
import {empty, field, fill, h, split} from './dom.js'
import {count, line} from './format.js'
import {serviceTag} from './tags.js'
import {List} from './list.js'
import {current, toRequest} from './route.js'
import {plot} from './plot.js'
import {charts} from './series.js'

export default function metrics(app) {
	let families = []
	let shown = []
	let drawn = ''
	let loading = null
	const text = field({type: 'search', class: 'q', placeholder: 'Filter metrics', label: 'Filter metrics', oninput: () => current().with('q', text.value).replace()})
	const service = h('select', {label: 'Service', onchange: () => current().with('only', service.value).go()})
	const list = new List({
		label: 'Metric families', height: 44, kind: 'families', row: (at) => row(shown[at]),
		open: (at) => current().with('service', shown[at].service).with('family', shown[at].family).with('by').go(),
	})
	const note = h('div.listnote')
	const panel = h('section.detail.plots', {label: 'Plots', tabindex: 0})
	const element = split('Metrics', [h('div.filters', text, service), list.element, note], panel)
	element.classList.add('opened', 'even')

	function row(it) {
		return h('div.family', h('span.first', h('b.v', line(it.family, 120)), h('span.dim', it.kind)),
			h('span.second.dim', serviceTag(it.service), `${count(it.series)} series`, h('span.v', line(it.help, 160))))
	}

	async function load() {
		try {families = await get('metrics');} catch (error) {app.failed(error);}
		const names = [...new Set(families.map((it) => it.service))].sort()
		const chosen = current().get('only') ?? ''
		fill(service, h('option', {value: ''}, 'All services'), names.map((name) => h('option', {value: name}, name)))
		service.value = chosen
		choose(current())
	}

	function choose(route) {
		const q = (route.get('q') ?? '').toLowerCase()
		const only = route.get('only')
		shown = families.filter((it) => (!only || it.service === only) && (!q || `${it.family} ${it.help}`.toLowerCase().includes(q)))
		list.at = shown.findIndex((it) => it.service === route.get('service') && it.family === route.get('family'))
		list.element.hidden = !shown.length
		list.set(shown.length)
		fill(note, shown.length ? `${count(shown.length)} families` : families.length ? empty('No family has this in its name or help') : empty('No metrics yet', 'They come over OTLP, or by --service NAME=URL.'))
	}

	async function draw(route) {
		const [of, family, by] = ['service', 'family', 'by'].map((name) => route.get(name))
		if (!family) {drawn = ''; fill(panel, empty('Choose a metric', 'Counters are shown as rates, histograms as quantiles. A ◆ is one request: click it.')); return;}
		loading?.abort()
		const now = loading = new AbortController()
		let series
		try {
			series = await get('metrics/series', {service: of, family}, now.signal)
		} catch (error) {
			if (error.name !== 'AbortError') fill(panel, empty(error.message))
			return
		}
		const known = families.find((it) => it.service === of && it.family === family) ?? {kind: 'gauge', unit: '', help: '', family}
		const labels = [...new Set(series.flatMap((it) => Object.keys(it.labels)))].filter((name) => name !== 'le' && name !== 'quantile').sort()
		const key = [of, family, by].join(' ')
		if (key === drawn && panel.contains(document.activeElement) && document.activeElement !== panel && document.activeElement.tagName === 'SELECT') return
		drawn = key
		const select = h('select', {label: 'Split by label', onchange: () => current().with('by', select.value).go()},
			h('option', {value: ''}, 'All series together'), labels.map((name) => h('option', {value: name}, `By ${name}`)))
		select.value = labels.includes(by) ? by : ''
		fill(panel, h('h2', h('span.v', line(family, 200)), ' ', serviceTag(of)), h('p.dim.v', `${line(known.help, 400)} ${known.kind}${known.unit ? `, ${known.unit}` : ''}`), h('p.bar', select),
			charts(known, series, select.value).map((chart) => plot(chart, (exemplar) => {location.hash = toRequest(exemplar.trace_id, {lane: 'metrics', ...(exemplar.span_id ? {span: exemplar.span_id} : {})});})))
	}

	load().then(() => draw(current()))
	let last = 0
	return {
		element,
		list,
		update(route) {
			if (document.activeElement !== text) text.value = route.get('q') ?? ''
			choose(route)
			if (families.length || route.get('family')) draw(route)
		},
		async change() {
			if (Date.now() - last < 2000) return
			last = Date.now()
			await load()
			if (current().get('family')) await draw(current())
		},
		search: () => text.focus(),
		back: () => current().with('family').with('service').with('by').go(),
		close() {list.close(); loading?.abort();},
	}
}
