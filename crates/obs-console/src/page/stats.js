// What is kept, how full it is, and what had to go.

import { get } from './api.js';
import { empty, fill, h } from './dom.js';
import { bytes, count } from './format.js';

const KEPT = [
  ['Traces', 'traces', 'traces'], ['Spans', 'spans', null], ['Span memory', 'span_bytes', 'span_bytes'], ['Log lines', 'logs', 'logs'], ['Log memory', 'log_bytes', 'log_bytes'],
  ['Errors', 'errors', 'errors'], ['Error memory', 'error_bytes', 'error_bytes'], ['Metric series', 'series', 'series'], ['Series memory', 'series_bytes', 'series_bytes'], ['Services', 'services', 'services'],
];

export default function store() {
  const body = h('div.cards');
  const element = h('section.single', { 'aria-label': 'Store', tabindex: 0 }, h('h1.offscreen', 'Store'), h('p.bar', h('b', 'What the console keeps'), h('span.dim', 'The oldest makes room for the newest; nothing is on disk.')), body);

  async function load() {
    try {
      const it = await get('stats');
      fill(body, kept(it), table('Made room for newer ones', it.evicted), table('Turned away', it.rejected), table('Received since the start', it.received));
    } catch (error) { fill(body, empty(error.message)); }
  }

  const timer = setInterval(load, 1000);
  return { element, update: load, change: () => {}, close: () => clearInterval(timer) };
}

function kept({ stored, limits, evicted }) {
  const shown = (name, value) => (name.endsWith('_bytes') ? bytes(value) : count(value));
  return h('section.card', h('h2', 'Kept now'), h('table',
    h('thead', h('tr', ['What', 'Now', 'At most', 'Full', 'Evicted'].map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', KEPT.filter(([, name]) => name in stored).map(([label, name, limit]) => {
      const most = limits[limit];
      const part = most ? Math.min(1, stored[name] / most) : 0;
      const bar = h('i.gauge');
      bar.style.width = `${Math.round(part * 100)}%`;
      return h('tr', h('th', { scope: 'row' }, label), h('td.num', shown(name, stored[name])), h('td.num', most ? shown(name, most) : '–'),
        h('td.num.took', most ? [bar, h('span', `${Math.round(part * 100)} %`)] : '–'), h('td', { class: evicted[name] ? 'num warn' : 'num' }, name in evicted ? count(evicted[name]) : '–'));
    }))));
}

function table(title, numbers) {
  return h('section.card', h('h2', title), h('table', h('tbody', Object.entries(numbers).map(([name, value]) => h('tr',
    h('th', { scope: 'row' }, name.replaceAll('_', ' ')), h('td', { class: value ? 'num' : 'num dim' }, count(value)))))));
}
