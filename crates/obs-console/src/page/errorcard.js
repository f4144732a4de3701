// One error event: what it says, its causes, its stack, and what came before it.

import { copyButton, h, pairs } from './dom.js';
import { instant, levelTag, line, serviceTag, time, value } from './format.js';
import { toRequest } from './route.js';

export function errorCard(event, { isInRequest = false } = {}) {
  const [first, ...causes] = event.exceptions;
  const tags = Object.entries(event.tags ?? {});
  const title = first ? `${first.type}: ${first.value}` : event.message;
  return h('article', { class: 'card error' },
    h('h3', {}, levelTag(event.level), ' ', h('span', { class: 'v' }, line(title, 600))),
    h('p', { class: 'facts' }, serviceTag(event.service), time(instant(event.timestamp)), event.transaction ? h('span', { class: 'v' }, line(event.transaction, 120)) : null,
      h('span', {}, 'event ', h('code', {}, event.event_id), copyButton(event.event_id, 'event id')),
      !isInRequest && (event.trace_id || event.request_id) ? h('a', { href: toRequest(event.trace_id ?? event.request_id, { lane: 'errors', ...(event.span_id ? { span: event.span_id } : {}) }) }, 'Open the request') : null),
    first && event.message ? h('p', { class: 'v' }, line(event.message, 2000)) : null,
    causes.length ? h('ol', { class: 'causes', 'aria-label': 'Causes' }, causes.map((cause) => h('li', {}, h('span', { class: 'dim' }, 'because '), h('b', { class: 'v' }, line(cause.type, 200)), ' ', h('span', { class: 'v' }, line(cause.value, 2000))))) : null,
    h('h4', {}, `Stack (${event.frames.length})`),
    event.frames.length ? h('ol', { class: 'stack' }, event.frames.map((frame) => h('li', {}, h('code', { class: 'v' }, line(frame.function, 300)), frame.file ? h('span', { class: 'dim v' }, `${line(frame.file, 300)}${frame.line ? `:${frame.line}` : ''}`) : null)))
      : h('p', { class: 'dim' }, 'No call of the application’s own code was captured.'),
    event.breadcrumbs.length ? h('details', {}, h('summary', {}, `Before it (${event.breadcrumbs.length})`), event.breadcrumbs.map((crumb) => h('p', { class: 'plainline' }, time(instant(crumb.timestamp)), levelTag(crumb.level),
      h('span', { class: 'message v' }, line(crumb.message, 600), Object.entries(crumb.data ?? {}).map(([key, it]) => [' ', h('span', { class: 'field' }, h('span', { class: 'dim' }, `${line(key, 60)}=`), line(value(it), 120))])),
      h('span', { class: 'dim v' }, line(crumb.category, 80))))) : null,
    tags.length ? h('details', {}, h('summary', {}, `Tags (${tags.length})`), pairs(tags.map(([key, it]) => [key, value(it)]))) : null,
    event.release ? h('p', { class: 'dim v' }, `${line(event.release, 100)} ${line(event.environment ?? '', 60)}`) : null);
}
