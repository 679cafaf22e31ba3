import type { AuditEvent } from '../store/records.ts'

/** What an audit event noted, nested members by their path; deeper than this it is left as JSON. */
const MAX_DEPTH = 6

/** An audit event for a person to read: when and what in a line, then each thing that was noted in one of its own. */
export function eventLines({ at, event, requestId, serial, data }: AuditEvent): string[] {
  const about = [requestId, serial].filter((id) => id !== undefined).join(' ')
  const facts = Object.entries(data).flatMap(([label, value]) => factsOf(label, value, 1))
  const width = Math.max(0, ...facts.map(([label]) => label.length))
  return [
    `  ${at.toISOString()}  ${event}${about === '' ? '' : `  ${about}`}`,
    ...facts.map(([label, text]) => `    ${label.padEnd(width)}  ${text}`),
  ]
}

type Fact = readonly [label: string, text: string]

/** What is absent or empty has no line. */
function factsOf(label: string, value: unknown, depth: number): readonly Fact[] {
  if (value === undefined || value === null || value === '') return []
  if (typeof value !== 'object') return [[label, String(value)]]
  const whole = identifierText(value)
  if (whole !== undefined) return [[label, whole]]
  if (depth > MAX_DEPTH) return [[label, JSON.stringify(value)]]
  if (!Array.isArray(value))
    return Object.entries(value).flatMap(([name, inner]) => factsOf(`${label}.${name}`, inner, depth + 1))
  const items: readonly unknown[] = value
  if (items.every((item) => typeof item !== 'object' || identifierText(item) !== undefined)) {
    const text = items.map((item) => identifierText(item) ?? String(item)).join(', ')
    return text === '' ? [] : [[label, text]]
  }
  return items.map((item, index) => [`${label}.${index + 1}`, itemText(item, depth + 1)])
}

/** One of several things, in a line. */
function itemText(item: unknown, depth: number): string {
  if (typeof item !== 'object' || item === null) return String(item)
  return Object.entries(item)
    .flatMap(([name, value]) => factsOf(name, value, depth + 1))
    .map(([name, text]) => (text.includes('; ') ? `${name} (${text})` : `${name} ${text}`))
    .join('; ')
}

/** A name, as the rest of the story writes it. */
function identifierText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type, value: name, ...others } = value as Readonly<Record<string, unknown>>
  if (typeof type !== 'string' || typeof name !== 'string' || Object.keys(others).length > 0) return undefined
  return `${type}:${name}`
}
