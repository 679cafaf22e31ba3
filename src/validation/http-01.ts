import { ValidationFailure } from './failure.ts'
import { type FetchDeps, fetchHop, type HopAnswer } from './http-fetch.ts'
import { sameBytes } from './key-authorization.ts'
import type { Probe } from './probe.ts'
import { followRedirect, type Hop, hopKey, MAX_REDIRECTS } from './redirect.ts'
import { type Host, hostText } from './target.ts'

export type Http01Deps = FetchDeps

/** How much more than the expected body is read, so that an over-long one is seen (KF-A15). */
const BODY_SLACK = 128

/**
 * Proves control of a host by http-01 (RFC 8555 §8.3): the resource at the well-known path is exactly the key
 * authorization, but for white space at its end.
 *
 * @throws {ValidationFailure} with the reason; the signal's reason when the probe is called off
 */
export async function proveHttp01(
  challenge: { readonly host: Host; readonly token: string; readonly keyAuthorization: string },
  deps: Http01Deps,
  probe: Probe,
): Promise<void> {
  const expected = Buffer.from(challenge.keyAuthorization, 'ascii')
  let hop: Hop = {
    scheme: 'http',
    host: challenge.host,
    port: deps.ownPort,
    path: `/.well-known/acme-challenge/${challenge.token}`,
  }
  const asked = new Set<string>()
  for (;;) {
    asked.add(hopKey(hop))
    const answer = await fetchHop(hop, expected.length + BODY_SLACK, deps, probe)
    if (answer.kind !== 'redirect') return checkAnswer(answer, expected, hop)
    const next = followRedirect(answer.location, hop, deps.ownPort)
    if (asked.size > MAX_REDIRECTS) throw loops(challenge.host, `more than ${MAX_REDIRECTS} times`)
    if (asked.has(hopKey(next))) throw loops(challenge.host, 'to a URL that was asked before')
    hop = next
  }
}

function loops(host: Host, how: string): ValidationFailure {
  return new ValidationFailure('unauthorized', `${hostText(host)} redirected ${how}`)
}

function checkAnswer(answer: Exclude<HopAnswer, { kind: 'redirect' }>, expected: Buffer, hop: Hop): void {
  const where = `http-01 resource of ${hostText(hop.host)}, port ${hop.port}`
  if (answer.kind === 'status') {
    throw new ValidationFailure(
      'unauthorized',
      `The ${where}, was answered with status ${answer.status}; it must be 200`,
    )
  }
  const trimmed = trimEnd(answer.body)
  if (!answer.tooLong && sameBytes(trimmed, expected)) return
  const hint = answer.looksLikeHtml ? ' It looks like an HTML page.' : ''
  throw new ValidationFailure('incorrectResponse', `The ${where}, ${describe(answer, trimmed, expected)}.${hint}`)
}

/** Sizes alone: what was fetched is nobody's business but the host's (KF-A14). */
function describe(answer: { tooLong: boolean; body: Buffer }, trimmed: Buffer, expected: Buffer): string {
  if (answer.tooLong) return `has more than ${answer.body.length} octets; the key authorization has ${expected.length}`
  if (trimmed.length !== expected.length) {
    return `has ${trimmed.length} octets; the key authorization has ${expected.length}`
  }
  return 'has the size of the key authorization, but another content; was it made for another account or token'
}

/** RFC 8555 §8.3: white space at the end of the body is ignored, and nowhere else (CQ-V08). */
function trimEnd(body: Buffer): Buffer {
  let end = body.length
  while (end > 0 && isWhiteSpace(body[end - 1])) end--
  return body.subarray(0, end)
}

function isWhiteSpace(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09 || octet === 0x0a || octet === 0x0b || octet === 0x0c || octet === 0x0d
}
