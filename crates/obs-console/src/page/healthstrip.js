// What a service's probes said over time, as one strip: sign, word and colour.

import { h, span } from './dom.js';
import { clock, line, value } from './format.js';

/** `changes` are moments at which the answer became another one. */
export function strip(changes, { from, to, mark }) {
	const sorted = [...changes].sort((one, other) => one.unix_ms - other.unix_ms);
	const whole = Math.max(1, to - from);
	const parts = sorted.map((change, at) => {
		const start = Math.max(from, change.unix_ms);
		const end = Math.min(to, sorted[at + 1]?.unix_ms ?? to);
		if (end <= start) return null;
		const [kind, text] = change.error ? ['gone', '? no answer'] : !change.live ? ['bad', '✕ not live'] : !change.ready ? ['warn', '▲ not ready'] : ['good', '✓ ready'];
		const failing = Object.entries(change.checks ?? {}).filter(([, said]) => said !== 'ok').map(([name, said]) => `${name}: ${value(said)}`).join(', ');
		return h('span.period', { class: kind, style: span(((start - from) / whole) * 100, ((end - start) / whole) * 100), title: `${text} from ${clock(change.unix_ms)}${failing ? `: ${line(failing)}` : ''}${change.error ? `: ${line(change.error)}` : ''}` }, (end - start) / whole > 0.06 ? text : text[0]);
	});
	const said = sorted.filter((change) => change.unix_ms <= to).map((change) => `${clock(change.unix_ms)} ${change.error ? 'no answer' : change.ready ? 'ready' : 'not ready'}`).slice(-12).join(', ');
	return h('div.strip', { role: 'img', 'aria-label': said || 'nothing is known' }, parts, mark === undefined ? null : h('i.mark', { title: 'this request', style: span(((mark - from) / whole) * 100) }));
}
