import type { Exchange } from '../http/exchange.ts'
import type { RequestId } from '../lib/ids.ts'
import type { ClientAddress } from '../limits/client-address.ts'
import type { Logger } from '../observe/log.ts'
import type { AcmeDirectory, AuthenticatedRequest } from './endpoint.ts'
import type { Authenticated } from './jws/authenticate.ts'

/** An authenticated request; what not every endpoint looks at is made on demand. */
export class AcmeRequest implements AuthenticatedRequest {
  readonly requestId: RequestId
  readonly directory: AcmeDirectory
  readonly url: string
  readonly payload: AuthenticatedRequest['payload']
  readonly signer: AuthenticatedRequest['signer']
  readonly from: ClientAddress
  readonly #exchange: Exchange
  readonly #rootLog: Logger
  #log: Logger | undefined

  constructor(
    parts: Authenticated & {
      requestId: RequestId
      directory: AcmeDirectory
      from: ClientAddress
      exchange: Exchange
      log: Logger
    },
  ) {
    this.requestId = parts.requestId
    this.directory = parts.directory
    this.url = parts.url
    this.payload = parts.payload
    this.signer = parts.signer
    this.from = parts.from
    this.#exchange = parts.exchange
    this.#rootLog = parts.log
  }

  get params(): Readonly<Record<string, string>> {
    return this.#exchange.params
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#exchange.query)
  }

  get accept(): string | undefined {
    return this.#exchange.request.headers.accept
  }

  get log(): Logger {
    this.#log ??= this.#rootLog.child({
      requestId: this.requestId,
      directory: this.directory.name,
      accountId: this.signer.kind === 'account' ? this.signer.account.id : undefined,
    })
    return this.#log
  }
}
