// SPDX-License-Identifier: Apache-2.0
// Keeps the page live: takes the parts that changed from server-sent events and puts them in their places.
// What the reader is at stays: focus, scroll position, opened tables. A screen reader is told of news, not of ticks.
const state = document.getElementById('state')
const pause = document.getElementById('pause')
const news = document.getElementById('news')
const WATCHED = ['Timeouts', 'Denied operations', 'Refused']
const AGAIN_MS = 5000
const policy = globalThis.trustedTypes?.createPolicy('sbx', { createHTML: (text) => text }) ?? { createHTML: (text) => text }
let source
let waiting

function say(text, tone) {
  if (state.textContent !== text) state.textContent = text
  state.className = tone
}

function placeOf(name) {
  if (name === 'written') return document.querySelector('header time')
  if (name === 'cards') return document.querySelector('dl.cards')
  return document.querySelector(`section[aria-labelledby="${CSS.escape(name)}"]`)
}

/** Where an element is within its part: children counted from the top. */
function pathTo(element, root) {
  const path = []
  for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at))
  return path
}
const follow = (path, root) => path.reduce((at, index) => at?.children[index], root)

function put(name, html) {
  const old = placeOf(name)
  const template = document.createElement('template')
  template.innerHTML = policy.createHTML(html)
  const fresh = template.content.firstElementChild
  if (!fresh) return
  if (!old) {
    // A part that was not there when the page was written: before the health of the layers, which is last.
    document.querySelector('main').insertBefore(fresh, placeOf('health'))
    return
  }
  const focus = old.contains(document.activeElement) ? pathTo(document.activeElement, old) : undefined
  const scrolled = [...old.querySelectorAll('.scroll, .chart')].map((box) => [pathTo(box, old), box.scrollTop, box.scrollLeft])
  for (const open of old.querySelectorAll('details[open]')) follow(pathTo(open, old), fresh)?.setAttribute('open', '')
  old.replaceWith(fresh)
  for (const [path, top, left] of scrolled) {
    const box = follow(path, fresh)
    if (box) Object.assign(box, { scrollTop: top, scrollLeft: left })
  }
  if (focus) follow(focus, fresh)?.focus({ preventScroll: true })
}

const counts = () => new Map([...document.querySelectorAll('dl.cards .card')]
  .map((card) => [card.querySelector('dt').textContent, Number(card.querySelector('dd').textContent)]))

function take(parts) {
  const before = counts()
  for (const [name, html] of Object.entries(parts)) put(name, html)
  const after = counts()
  const rises = WATCHED.filter((name) => after.get(name) > before.get(name)).map((name) => `${name}: ${after.get(name)}`)
  if (rises.length) news.textContent = rises.join(', ')
}

function connect() {
  clearTimeout(waiting)
  source = new EventSource('dashboard/events')
  source.addEventListener('parts', (event) => {
    say('Live', 'good')
    take(JSON.parse(event.data))
  })
  source.addEventListener('trouble', (event) => say(JSON.parse(event.data).error, 'bad'))
  source.addEventListener('error', () => {
    say('Connection lost, trying again', 'bad')
    if (source.readyState !== EventSource.CLOSED) return
    waiting = setTimeout(connect, AGAIN_MS)
  })
}

pause.addEventListener('click', () => {
  const isPaused = pause.getAttribute('aria-pressed') !== 'true'
  pause.setAttribute('aria-pressed', String(isPaused))
  clearTimeout(waiting)
  source.close()
  if (isPaused) say('Paused', 'fair')
  else connect()
})
connect()
