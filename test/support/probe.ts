import { type Config, configSchema } from '../../src/config/schema.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { ipAddressBytes } from '../../src/lib/ip-address.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createResolver, type Resolver } from '../../src/validation/dns/resolver.ts'
import { createServerTable } from '../../src/validation/dns/servers.ts'
import { createEgressPolicy, type OwnListener } from '../../src/validation/egress.ts'
import { createOutbound, type Dial, type Outbound } from '../../src/validation/outbound.ts'
import { newEvidence, type Probe } from '../../src/validation/probe.ts'
import type { Host } from '../../src/validation/target.ts'

/** What validation tests need around the thing they test: real parts, small timeouts. */

export const TOKEN = 'LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0'
export const THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'
export const KEY_AUTHORIZATION = `${TOKEN}.${THUMBPRINT}`

export function aProbe(signal: AbortSignal = new AbortController().signal): Probe {
  return { signal, evidence: newEvidence() }
}

/** The validation part of a configuration, defaults filled in as at a real start. */
export function validationConfig(settings: unknown = {}): Config['validation'] {
  return configSchema.parse({ validation: settings }).validation
}

export function aResolver(
  resolvers: readonly string[],
  options: { zones?: Record<string, readonly string[]>; timeoutMs?: number; clock?: Clock } = {},
): Resolver {
  return createResolver({
    servers: createServerTable({ resolvers, zones: options.zones ?? {} }),
    clock: options.clock ?? systemClock,
    random: systemRandom,
    timeoutMs: options.timeoutMs ?? 2_000,
  })
}

/** A door that lets loopback through unless told otherwise, for the targets of tests are there. */
export function anOutbound(
  resolver: Resolver,
  options: {
    allow?: readonly string[]
    deny?: readonly string[]
    ownListeners?: readonly OwnListener[]
    connectTimeoutMs?: number
    maxPerAddress?: number
    clock?: Clock
    dial?: Dial
  } = {},
): Outbound {
  return createOutbound({
    resolver,
    egress: createEgressPolicy({
      allow: options.allow ?? ['127.0.0.0/8', '::1/128'],
      deny: options.deny ?? [],
      ownListeners: () => options.ownListeners ?? [],
    }),
    clock: options.clock ?? systemClock,
    connectTimeoutMs: options.connectTimeoutMs ?? 2_000,
    dial: options.dial,
    ...(options.maxPerAddress === undefined ? {} : { maxPerAddress: options.maxPerAddress }),
  })
}

export function dnsHost(name: string): Host {
  return { type: 'dns', name }
}

export function ipHost(address: string): Host {
  const bytes = ipAddressBytes(address)
  if (bytes === undefined) throw new Error(`not an address: ${address}`)
  return { type: 'ip', address, bytes }
}

/** Waits for what another task brings about; a few seconds at most. */
export async function until(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
