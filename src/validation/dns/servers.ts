import { getServers } from 'node:dns'
import { normalizeDnsName } from '../../lib/dns-name.ts'
import { formatIpAddress } from '../../lib/ip-address.ts'
import { parseEndpoint } from '../socket-address.ts'
import type { DnsServer } from './transport.ts'

const DNS_PORT = 53

/** Which resolvers answer for a name: those of the longest zone that holds it (split horizon), else the general ones. */
export interface ServerTable {
  /** `zone` is absent when the general resolvers are meant. The list may be empty. */
  find(name: string): { readonly zone?: string; readonly servers: readonly DnsServer[] }
}

/**
 * @param options.resolvers `ip`, `ip:port` or `[ip6]:port`; empty for those of the system
 * @param options.zones resolvers by zone, for it and all below it
 * @param options.systemServers the system's resolvers as text; default: asked of the runtime at each start
 * @throws {Error} naming the entry that cannot be read
 */
export function createServerTable(options: {
  readonly resolvers: readonly string[]
  readonly zones: Readonly<Record<string, readonly string[]>>
  readonly systemServers?: () => readonly string[]
}): ServerTable {
  const general =
    options.resolvers.length > 0
      ? options.resolvers.map((text) => readServer('validation.dns.resolvers', text))
      : systemServers(options.systemServers ?? getServers)
  const zones = new Map<string, readonly DnsServer[]>()
  for (const [zone, resolvers] of Object.entries(options.zones)) {
    const key = `validation.dns.zones.${zone}`
    const name = normalizeDnsName(zone)
    if (!name.ok) throw new Error(`${key}: ${name.reason}`)
    if (resolvers.length === 0) throw new Error(`${key}: name at least one resolver`)
    zones.set(
      name.name,
      resolvers.map((text) => readServer(key, text)),
    )
  }
  return {
    find(name) {
      for (let zone = name; zone !== ''; zone = parent(zone)) {
        const servers = zones.get(zone)
        if (servers !== undefined) return { zone, servers }
      }
      return { servers: general }
    },
  }
}

function parent(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

function readServer(key: string, text: string): DnsServer {
  const endpoint = parseEndpoint(text)
  if (endpoint === undefined) {
    throw new Error(
      `${key}: ${JSON.stringify(text.slice(0, 60))} is not an address such as 10.0.0.53:53 or [fd00::53]:53`,
    )
  }
  return { address: formatIpAddress(endpoint.bytes), port: endpoint.port ?? DNS_PORT }
}

/** An entry that we cannot read, such as one with a zone id, is left out; if none is left, every lookup says so. */
function systemServers(list: () => readonly string[]): DnsServer[] {
  return list().flatMap((text) => {
    const endpoint = parseEndpoint(text)
    return endpoint === undefined ? [] : [{ address: formatIpAddress(endpoint.bytes), port: endpoint.port ?? DNS_PORT }]
  })
}
