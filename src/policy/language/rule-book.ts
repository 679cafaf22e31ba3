import { parseCidr } from '../../lib/cidr.ts'
import { ipAddressBytes } from '../../lib/ip-address.ts'
import type { RequestedName } from '../decision.ts'
import { AddressIndex } from './address-index.ts'
import { dnsParts, dnsPattern, emailParts, emailPattern, uriParts, uriPattern } from './name-parts.ts'
import type { Rule } from './rule.ts'
import { compileRule } from './rule.ts'
import type { RuleSource } from './schema.ts'
import { SequenceIndex } from './sequence-index.ts'
import type { SequencePattern } from './sequence-pattern.ts'

/** The rules of one pattern, by the first token of whom they are for. */
interface Bucket {
  readonly byToken: Map<string, Rule[]>
  readonly forAll: Rule[]
}

const SEQUENCES = {
  dns: { pattern: dnsPattern, parts: (value: string) => dnsParts(value) },
  uri: { pattern: uriPattern, parts: uriParts },
  email: { pattern: emailPattern, parts: emailParts },
} as const

/**
 * All rules of one effect, found by name and requester: the question costs what the rules cost that speak of this name
 * and this requester, not what all of them do.
 */
export class RuleBook {
  readonly #sequences = {
    dns: new SequenceIndex<Bucket>(),
    uri: new SequenceIndex<Bucket>(),
    email: new SequenceIndex<Bucket>(),
  }
  readonly #addresses = new AddressIndex<Bucket>()
  readonly #buckets = new Map<string, Bucket>()
  /** For rules that name no names. */
  readonly #everything: Bucket = { byToken: new Map(), forAll: [] }

  /** @throws {Error} naming the rule and the pattern that cannot be read */
  add(rule: Rule): void {
    const { names } = rule.source
    if (names === undefined) {
      put(this.#everything, rule)
      return
    }
    try {
      for (const type of ['dns', 'uri', 'email'] as const) {
        for (const text of new Set(names[type])) {
          const pattern: SequencePattern = SEQUENCES[type].pattern(text)
          put(
            this.#bucket(`${type} ${text}`, (bucket) => this.#sequences[type].add(pattern, bucket)),
            rule,
          )
        }
      }
      for (const text of new Set(names.ip)) {
        const block = parseCidr(text)
        put(
          this.#bucket(`ip ${block.text}`, (bucket) => this.#addresses.add(block, bucket)),
          rule,
        )
      }
    } catch (cause) {
      throw new Error(`rule ${rule.name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }

  /**
   * The rules that hold this name and may be for a requester with these tokens; without tokens, for anybody. When
   * `touching`, also those that hold a part of what a wildcard stands for.
   *
   * @param most so many at most; absent: all
   */
  find(
    name: RequestedName,
    tokens: ReadonlySet<string> | undefined,
    touching: boolean,
    most = Number.POSITIVE_INFINITY,
  ): ReadonlySet<Rule> {
    const found = new Set<Rule>()
    const add = (rules: readonly Rule[] | undefined): void => {
      for (const rule of rules ?? []) {
        if (found.size >= most) return
        found.add(rule)
      }
    }
    const take = ({ forAll, byToken }: Bucket): void => {
      add(forAll)
      if (byToken.size === 0) return
      if (tokens !== undefined) for (const token of tokens) add(byToken.get(token))
      else {
        for (const rules of byToken.values()) {
          if (found.size >= most) return
          add(rules)
        }
      }
    }
    take(this.#everything)
    switch (name.type) {
      case 'dns':
      case 'uri':
      case 'email': {
        const parts = SEQUENCES[name.type].parts(name.value)
        if (parts !== undefined) this.#sequences[name.type].find(parts, take, touching)
        break
      }
      case 'ip': {
        const bytes = ipAddressBytes(name.value)
        if (bytes !== undefined) this.#addresses.find(bytes, take)
        break
      }
      case 'other':
        break
      default:
        name satisfies never
    }
    return found
  }

  #bucket(key: string, index: (bucket: Bucket) => void): Bucket {
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = { byToken: new Map(), forAll: [] }
      this.#buckets.set(key, bucket)
      index(bucket)
    }
    return bucket
  }
}

function put(bucket: Bucket, rule: Rule): void {
  const first = rule.selector[0]
  if (first === undefined) {
    bucket.forAll.push(rule)
    return
  }
  for (const token of first) {
    const rules = bucket.byToken.get(token)
    if (rules === undefined) bucket.byToken.set(token, [rule])
    else rules.push(rule)
  }
}

/** All rules of a file, ready to be asked. */
export interface CompiledRules {
  readonly allow: RuleBook
  readonly deny: RuleBook
  /** In the order of the file. */
  readonly rules: readonly Rule[]
}

/**
 * Compiles rules one by one: a caller that must not hold up others takes a few at a time.
 *
 * @throws {Error} naming the rule that makes no sense, or the name that two have
 */
export function* compileEach(sources: readonly RuleSource[]): Generator<void, CompiledRules> {
  const books = { allow: new RuleBook(), deny: new RuleBook() }
  const names = new Set<string>()
  const rules: Rule[] = []
  for (const source of sources) {
    if (names.has(source.name)) throw new Error(`two rules are called ${source.name}; give each a name of its own`)
    names.add(source.name)
    const rule = compileRule(source)
    books[rule.effect].add(rule)
    rules.push(rule)
    yield
  }
  return { ...books, rules }
}

/** @throws {Error} as `compileEach` */
export function compileRules(sources: readonly RuleSource[]): CompiledRules {
  const work = compileEach(sources)
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}
