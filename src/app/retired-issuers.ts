import { readdir } from 'node:fs/promises'
import { ISSUER_NAME } from '../config/checks.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { checkIssuer } from '../issuance/check-issuer.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Logger } from '../observe/log.ts'
import { exists, type Home } from './home.ts'
import { loadIssuerFromHome } from './issuers.ts'

/**
 * The issuing CAs of the state folder that no profile names any more. They get no new orders, but what they issued is
 * still out there: their CRLs must go on, their certificates be delivered and revoked, and orders that were placed
 * under them be finished (KF-C05, KF-D11).
 *
 * One that cannot be used stops nothing; the log says why.
 *
 * @param inUse those that profiles name, loaded before
 */
export async function loadRetiredIssuers(
  home: Home,
  config: ResolvedConfig,
  inUse: ReadonlyMap<string, Issuer>,
  deps: { readonly passphrase: string | undefined; readonly now: Date; readonly log: Logger },
): Promise<ReadonlyMap<string, Issuer>> {
  const retired = new Map<string, Issuer>()
  for (const name of await namesInFolder(home)) {
    if (inUse.has(name)) continue
    try {
      const issuer = await loadIssuerFromHome(home, config, name, deps.passphrase)
      const problems = await checkIssuer(issuer, deps.now)
      const twin = [...inUse.values(), ...retired.values()].find(({ id }) => id === issuer.id)
      if (twin !== undefined) problems.push(`it has the key of the issuing CA ${twin.name}`)
      if (problems.length > 0) throw new Error(problems.join('; '))
      retired.set(name, issuer)
      deps.log.info('issuer.retired', { issuer: name, issuerId: issuer.id })
    } catch (error) {
      deps.log.warn('issuer.retired_unusable', {
        issuer: name,
        error,
        advice: 'nothing that it issued can be delivered or shown as revoked; if it still matters, put its files right',
      })
    }
  }
  return retired
}

/** Those with a chain and a key; one that waits for its certificate has no chain, and alternates have a dot in the name. */
export async function namesInFolder(home: Home): Promise<string[]> {
  const names: string[] = []
  for (const file of (await readdir(home.issuersFolder).catch(() => [] as string[])).sort()) {
    const name = file.endsWith('.pem') ? file.slice(0, -4) : ''
    if (ISSUER_NAME.test(name) && (await exists(home.issuerKey(name)))) names.push(name)
  }
  return names
}
