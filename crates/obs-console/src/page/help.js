
import {button, h} from './dom.js'

export function help(views) {
	document.querySelector('dialog')?.remove()
	const rows = [
		['/', 'Search or filter'], ['↑ ↓ or j k', 'Previous or next row'], ['Enter', 'Open the row'], ['Escape', 'Close, go back'],
		['← →', 'Fold and unfold a span'], ['n N', 'Next or previous match'], ['p', 'Pause and resume'], ['t', 'Clock times or relative ones'],
		...Object.values(views).map(([name, key]) => [`g ${key}`, name]), ['?', 'This help'],
	]
	const dialog = h('dialog', {'aria-labelledby': 'help-title', onclose: () => dialog.remove()},
		h('h2', {id: 'help-title'}, 'Keys'),
		h('dl.keys', rows.map(([keys, what]) => [h('dt', h('kbd', keys)), h('dd', what)])),
		h('p.dim', 'All filters are in the address: copy it to send a view. A filter’s box keeps it, switched off.'),
		button('Close', () => dialog.close(), {class: 'primary'}))
	document.body.append(dialog)
	dialog.showModal()
}
