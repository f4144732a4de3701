// A virtual list: only visible rows are elements.

import {h} from './dom.js'

const SPARE = 12

export class List {
	/** `row(index)` makes a row, without buttons or links in it; `open(index)` is Enter or a click; `near('start' | 'end')` asks for more. */
	constructor({label, height, row, open, select, near, keys, kind = '', roles = ['listbox', 'option']}) {
		Object.assign(this, {height, row, open, select, near, keys, roles})
		this.count = 0
		this.at = -1
		this.rows = new Map()
		this.space = h('div.space', {role: 'presentation'})
		this.element = h('div', {
			class: `list ${kind}`, role: roles[0], label: label, tabindex: 0,
			onscroll: () => this.later(), onkeydown: (event) => this.key(event),
			onclick: (event) => this.clicked(event),
		}, this.space)
		this.id = `list${(List.made = (List.made ?? 0) + 1)}`
		this.watch = new ResizeObserver(() => this.later())
		this.watch.observe(this.element)
	}

	close() {this.watch.disconnect();}

	set(count, height = this.height) {
		this.count = count
		this.height = height
		this.space.style.height = `${count * height}px`
		for (const node of this.rows.values()) node.remove()
		this.rows.clear()
		this.draw()
	}

	/** Keeps the visible rows in place after `more` rows were put before the first. */
	prepended(more, count) {
		const top = this.element.scrollTop
		if (this.at >= 0) this.at += more
		this.set(count)
		this.element.scrollTop = top + more * this.height
		this.draw()
	}

	later() {
		if (this.waiting) return
		this.waiting = requestAnimationFrame(() => {this.waiting = 0; this.draw();})
	}

	draw() {
		const {scrollTop, clientHeight} = this.element
		const first = Math.max(0, Math.floor(scrollTop / this.height) - SPARE)
		const end = Math.min(this.count, Math.ceil((scrollTop + clientHeight) / this.height) + SPARE)
		for (const [index, node] of this.rows) {
			if (index < first || index >= end) {node.remove(); this.rows.delete(index);}
		}
		for (let index = first; index < end; index += 1) {
			if (!this.rows.has(index)) this.place(index)
		}
		this.mark()
		if (!this.count || !clientHeight) return
		if (first === 0) this.near?.('start')
		if (end === this.count) this.near?.('end')
	}

	place(index) {
		const node = this.row(index)
		node.id = `${this.id}-${index}`
		node.dataset.index = index
		node.classList.add('row')
		node.setAttribute('role', this.roles[1])
		node.setAttribute('aria-setsize', this.count)
		node.setAttribute('aria-posinset', index + 1)
		node.style.height = `${this.height}px`
		node.style.transform = `translateY(${index * this.height}px)`
		this.rows.set(index, node)
		this.space.append(node)
	}

	mark() {
		for (const [index, node] of this.rows) node.setAttribute('aria-selected', String(index === this.at))
		if (this.rows.has(this.at)) this.element.setAttribute('aria-activedescendant', `${this.id}-${this.at}`)
		else this.element.removeAttribute('aria-activedescendant')
	}

	choose(index, scroll = true) {
		this.at = index
		if (scroll) this.reveal(index)
		this.mark()
	}

	reveal(index) {
		const {element, height} = this
		if (index < 0) return
		const top = index * height
		if (top < element.scrollTop) element.scrollTop = top
		else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight
		this.draw()
	}

	move(step) {
		if (!this.count) return
		const next = Math.min(this.count - 1, Math.max(0, this.at < 0 ? (step > 0 ? 0 : this.count - 1) : this.at + step))
		this.choose(next)
		this.select?.(next)
	}

	key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.element) return
		const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 1)
		const step = {
			ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
		}[event.key]
		if (this.keys?.(event)) {/* handled by the owner */}
		else if (step !== undefined) this.move(step)
		else if (event.key === 'Enter' && this.at >= 0) this.open?.(this.at, event)
		else return
		event.preventDefault()
		event.stopPropagation()
	}

	clicked(event) {
		const node = event.target.closest('.row')
		if (!node || String(getSelection()) !== '') return
		this.choose(Number(node.dataset.index), false)
		this.open?.(this.at, event)
	}

	get isAtTop() {return this.element.scrollTop < 4;}

	get isAtEnd() {return this.element.scrollTop + this.element.clientHeight >= this.element.scrollHeight - 4;}
}
