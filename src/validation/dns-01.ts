import { DeadlinePassed } from './deadline.ts'
import { DnsError } from './dns/dns-error.ts'
import type { Lookup, Resolver } from './dns/resolver.ts'
import { ValidationFailure } from './failure.ts'
import { dnsDigest, sameBytes } from './key-authorization.ts'
import type { Probe } from './probe.ts'

const MAX_NAME = 253

/** What dns-01 asks and expects (RFC 8555 §8.4); the one place that makes either (KF-A20). */
export function dns01Question(name: string, keyAuthorization: string): { queryName: string; expected: string } {
  return { queryName: `_acme-challenge.${name}`, expected: dnsDigest(keyAuthorization) }
}

/**
 * Proves control of a domain by dns-01: any one TXT record at the challenge name is the digest, octet for octet
 * (KF-A18, CQ-O06). Aliases are followed by the resolver.
 *
 * @param challenge.name the domain, without `*.` for a wildcard
 * @throws {ValidationFailure} with the reason, naming what was asked; the signal's reason when the probe is called off
 */
export async function proveDns01(
  challenge: { readonly name: string; readonly keyAuthorization: string },
  resolver: Resolver,
  probe: Probe,
): Promise<void> {
  const { queryName, expected } = dns01Question(challenge.name, challenge.keyAuthorization)
  if (queryName.length > MAX_NAME) {
    throw new ValidationFailure('dns', `${challenge.name} is too long for a TXT record at ${queryName}`, {
      hopeless: true,
    })
  }
  const found = await lookUp(queryName, resolver, probe)
  if (found.outcome === 'no-such-name') {
    throw new ValidationFailure('dns', `The name ${queryName} does not exist in DNS as this server sees it`)
  }
  if (found.outcome === 'no-data') {
    throw new ValidationFailure('dns', `The name ${queryName} has no TXT record in DNS as this server sees it`)
  }
  const wanted = Buffer.from(expected, 'ascii')
  let matches = 0
  for (const record of found.records) if (sameBytes(record.text, wanted)) matches++
  if (matches > 0) return
  const count = found.records.length === 1 ? 'The TXT record' : `None of the ${found.records.length} TXT records`
  const verb = found.records.length === 1 ? 'is not' : 'is'
  throw new ValidationFailure(
    'incorrectResponse',
    `${count} at ${queryName} ${verb} the digest of the key authorization`,
  )
}

async function lookUp(queryName: string, resolver: Resolver, probe: Probe): Promise<Lookup<'TXT'>> {
  try {
    return await resolver.lookup(queryName, 'TXT', probe)
  } catch (error) {
    const isLate = error instanceof DeadlinePassed
    if (!isLate && !(error instanceof DnsError)) throw error
    const reason = isLate ? 'no resolver answered in time' : error.message
    throw new ValidationFailure('dns', `TXT records at ${queryName} could not be looked up: ${reason}`, {
      cause: error,
    })
  }
}
