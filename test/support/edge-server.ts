import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { WrappedKeys } from '../../src/acme/eab-key.ts'
import { eabKeyContext } from '../../src/acme/eab-key.ts'
import type { AcmeDirectory, AcmeServices } from '../../src/acme/endpoint.ts'
import type { AcmeListenerOptions } from '../../src/acme/listener.ts'
import { createAcmeListener } from '../../src/acme/listener.ts'
import { createNonceService } from '../../src/acme/nonce-service.ts'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { Config } from '../../src/config/schema.ts'
import { configSchema } from '../../src/config/schema.ts'
import type { EabKeyId } from '../../src/lib/ids.ts'
import { newId } from '../../src/lib/ids.ts'
import { systemRandom } from '../../src/lib/random.ts'
import type { EabKeyRecord } from '../../src/store/records.ts'
import type { AcmeTestClientOptions } from './acme-test-client.ts'
import { AcmeTestClient } from './acme-test-client.ts'
import { openAcmeWorld } from './acme-world.ts'
import { RawConnection } from './raw-connection.ts'
import { TEST_TLS } from './self-signed.ts'

export const PUBLIC_URL = 'https://ca.test'

export interface EdgeServerOptions {
  readonly publicUrl?: string
  readonly formerPublicUrls?: readonly string[]
  readonly limits?: Partial<Config['limits']>
  readonly settings?: Partial<AcmeServices['settings']>
  /** Settings of the directory `default`. */
  readonly directory?: Partial<AcmeDirectory['config']>
  /** Further directories by name. */
  readonly directories?: Readonly<Record<string, Partial<AcmeDirectory['config']>>>
  readonly services?: (services: AcmeServices) => Partial<AcmeServices>
  readonly chaosBadNoncePercent?: number
  readonly extraRoutes?: AcmeListenerOptions['extraRoutes']
}

/** The ACME listener on a port of its own, over real TLS, with everything real behind it but the network. */
export async function openEdgeServer(options: EdgeServerOptions = {}) {
  const publicUrl = options.publicUrl ?? PUBLIC_URL
  const wrappedKeys = testWrappedKeys()
  const nonceKey = randomBytes(32)
  const world = await openAcmeWorld({
    ...(options.settings && { settings: options.settings }),
    ...(options.limits && { limits: options.limits }),
    services: (base) => {
      const own = { ...base, wrappedKeys, ...options.services?.({ ...base, wrappedKeys }) }
      const nonces = createNonceService({
        store: own.store,
        clock: own.clock,
        random: own.random,
        key: nonceKey,
        chaosBadNoncePercent: options.chaosBadNoncePercent ?? 0,
        metrics: own.metrics,
      })
      return { ...own, nonces }
    },
  })
  const configs = { default: options.directory ?? {}, ...options.directories }
  const directories = Object.entries(configs).map(
    ([name, config]): AcmeDirectory => ({
      ...world.directory,
      name,
      config: { ...world.directory.config, ...config },
      urls: directoryUrls(publicUrl, name),
    }),
  )
  const makeListener = (changed: Partial<AcmeListenerOptions> = {}) =>
    createAcmeListener({
      directories,
      services: world.services,
      publicUrl,
      formerPublicUrls: options.formerPublicUrls ?? [],
      limits: { ...configSchema.parse({}).limits, ...options.limits },
      tls: TEST_TLS,
      ...(options.extraRoutes && { extraRoutes: options.extraRoutes }),
      ...changed,
    })
  const listener = makeListener()
  const { port } = await listener.listen('127.0.0.1', 0)
  const closing: (() => void)[] = []
  return {
    ...world,
    publicUrl,
    directories,
    listener,
    makeListener,
    port,
    nonceKey,
    wrappedKeys,

    /** A client of this server, with a key of its own. */
    client(changed: Partial<AcmeTestClientOptions> & { directory?: string } = {}): AcmeTestClient {
      const client = new AcmeTestClient({
        directoryUrl: directoryUrls(publicUrl, changed.directory ?? 'default').directory,
        ca: TEST_TLS.cert,
        connectTo: { host: '127.0.0.1', port },
        ...changed,
      })
      closing.push(() => client.close())
      return client
    },

    async raw(): Promise<RawConnection> {
      const connection = await RawConnection.open(port)
      closing.push(() => connection.close())
      return connection
    },

    /** A stored external account key. */
    async eabKey({
      macKey = randomBytes(32),
      ...facts
    }: Partial<EabKeyRecord> & { macKey?: Buffer } = {}): Promise<{ id: EabKeyId; macKey: Buffer }> {
      const id = newId(systemRandom, 'eab-key', world.clock.now())
      const now = world.clock.now()
      await world.store.eabKeys.create(
        {
          directory: 'default',
          label: 'test',
          createdAt: now,
          expiresAt: new Date(now.getTime() + 86_400_000),
          ...facts,
          id,
          wrappedMacKey: wrappedKeys.wrap(macKey, eabKeyContext(id)),
        },
        { at: now, event: 'test', data: {} },
      )
      return { id, macKey }
    },

    async close(): Promise<void> {
      for (const end of closing) end()
      await listener.close()
      await world.cleanup()
    },
  }
}

export type EdgeServer = Awaited<ReturnType<typeof openEdgeServer>>

/** AES-256-GCM under a key of this test run, as the storage key does it. */
export function testWrappedKeys(): WrappedKeys {
  const key = randomBytes(32)
  return {
    wrap(plain, context) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context))
      return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    unwrap(wrapped, context) {
      const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, 12)).setAAD(Buffer.from(context))
      decipher.setAuthTag(wrapped.subarray(-16))
      return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()])
    },
  }
}
