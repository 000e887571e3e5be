// SPDX-License-Identifier: Apache-2.0
// The functions that a program gets: names as clients derive them, parameters from the schemas.
import { bad } from './errors.js'
import { isObject } from './exec.js'

const TOOLS_MAX = 1000
const NAME_MAX = 256
const PYTHON_WORDS = new Set(('False None True and as assert async await break class continue def del elif else except finally for from '
  + 'global if import in is lambda nonlocal not or pass raise return try while with yield').split(' '))
const BASH_WORDS = new Set(('if then else elif fi case esac for select while until do done in function time coproc return exit break '
  + 'continue shift export readonly local declare typeset unset alias unalias source echo printf read cd pwd kill trap wait eval exec '
  + 'jobs bg fg set let test true false').split(' '))

/** The function name of a tool. Clients compute the same, so nothing here may be improved. */
export function identifier(name, lang) {
  const spaced = lang === 'bash' ? name.replace(/[-\s.]/g, '_') : name.replace(/[-\s]/g, '_')
  let id = spaced.replace(/[^A-Za-z0-9_]/g, '')
  if (/^\d/.test(id)) id = `_${id}`
  const reserved = lang === 'bash' ? BASH_WORDS : PYTHON_WORDS
  return reserved.has(id) ? `${id}_tool` : id
}

/** Checked descriptions for the program's side, keyed by nothing that a schema could shape. */
export function toolList(tools, lang) {
  if (!Array.isArray(tools)) throw bad('tools must be an array')
  if (tools.length > TOOLS_MAX) throw bad('Too many tools')
  const seen = new Map()
  for (const tool of tools) {
    if (!isObject(tool) || typeof tool.name !== 'string' || tool.name === '' || tool.name.length > NAME_MAX || tool.name.includes('\n')) {
      throw bad('Every tool needs a name')
    }
    const ident = identifier(tool.name, lang)
    if (ident === '') continue
    const other = seen.get(ident)
    if (other && other.name !== tool.name) throw bad(`Two tools would be called ${ident}`)
    seen.set(ident, { name: tool.name, ident, description: describe(tool), ...parameters(tool.parameters) })
  }
  return [...seen.values()]
}

const describe = ({ description }) => (typeof description === 'string' ? description.slice(0, 10_000) : '')

function parameters(schema) {
  const properties = isObject(schema) && isObject(schema.properties) ? Object.keys(schema.properties).slice(0, 200) : []
  const wanted = isObject(schema) && Array.isArray(schema.required) ? schema.required.filter((name) => properties.includes(name)) : []
  const required = [...new Set(wanted)]
  const params = [...required, ...properties.filter((name) => !required.includes(name))]
  // A parameter that is no Python name can be given by the name that it becomes.
  const alias = Object.fromEntries(params.map((name) => [identifier(name, 'py'), name]).filter(([id, name]) => id !== '' && id !== name && !params.includes(id)))
  return { params, required, alias }
}
