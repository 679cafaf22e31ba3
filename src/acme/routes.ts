import type { AcmeDirectory, AcmeResponse, AcmeServices, Endpoint } from './endpoint.ts'
import { account } from './endpoints/account.ts'
import { authorization } from './endpoints/authorization.ts'
import { certificate } from './endpoints/certificate.ts'
import { readCertificate } from './endpoints/certificate-by-get.ts'
import { challenge } from './endpoints/challenge.ts'
import { directory, readDirectory } from './endpoints/directory.ts'
import { finalize } from './endpoints/finalize.ts'
import { keyChange } from './endpoints/key-change.ts'
import { newAccount } from './endpoints/new-account.ts'
import { newAuthz } from './endpoints/new-authz.ts'
import { newNonce, readNonce } from './endpoints/new-nonce.ts'
import { newOrder } from './endpoints/new-order.ts'
import { order } from './endpoints/order.ts'
import { orders } from './endpoints/orders.ts'
import { readRenewalInfo, renewalInfo } from './endpoints/renewal-info.ts'
import { revokeCert } from './endpoints/revoke-cert.ts'
import type { SignerKind } from './jws/authenticate.ts'
import { directoryUrls } from './urls.ts'

/** One resource of a directory: where it is, who may sign for it, and what answers. */
export interface AcmeRoute {
  /** Label of logs and metrics. */
  readonly name: string
  /** Router template of the path; `:id` and the like become `params`. */
  readonly path: string
  /** Who signs a POST. */
  readonly signer: SignerKind
  readonly post: Endpoint
  /** Present where a POST begins something new; past capacity that waits, and is refused, first. */
  readonly begins?: true
  /** Plain GET and HEAD, for the few resources that have it (RFC 8555 §6.3). */
  readonly get?: PlainRead
}

export type PlainRead = (request: {
  readonly directory: AcmeDirectory
  readonly services: AcmeServices
  readonly method: 'GET' | 'HEAD'
  readonly params: Readonly<Record<string, string>>
  readonly accept: string | undefined
}) => AcmeResponse | Promise<AcmeResponse>

/** Every resource of the directory of this name, as paths on our own listener. */
export function acmeRoutes(
  name: string,
  settings: Pick<AcmeServices['settings'], 'allowCertificateGet'>,
): readonly AcmeRoute[] {
  const at = directoryUrls('', name)
  const certificateGet = settings.allowCertificateGet ? { get: readCertificate } : {}
  return [
    directoryRoute(at.directory),
    { name: 'new-nonce', path: at.newNonce, signer: 'account', post: newNonce, get: ({ method }) => readNonce(method) },
    { name: 'new-account', path: at.newAccount, signer: 'key', post: newAccount, begins: true },
    { name: 'account', path: at.account(':id'), signer: 'account', post: account },
    { name: 'orders', path: at.orders(':id'), signer: 'account', post: orders },
    { name: 'key-change', path: at.keyChange, signer: 'account', post: keyChange },
    { name: 'new-order', path: at.newOrder, signer: 'account', post: newOrder, begins: true },
    { name: 'order', path: at.order(':id'), signer: 'account', post: order },
    { name: 'finalize', path: at.finalize(':id'), signer: 'account', post: finalize },
    { name: 'new-authz', path: at.newAuthz, signer: 'account', post: newAuthz, begins: true },
    { name: 'authorization', path: at.authorization(':id'), signer: 'account', post: authorization },
    { name: 'challenge', path: at.challenge(':id'), signer: 'account', post: challenge },
    { name: 'certificate', path: at.certificate(':serial'), signer: 'account', post: certificate, ...certificateGet },
    {
      name: 'certificate',
      path: `${at.certificate(':serial')}/:alternate`,
      signer: 'account',
      post: certificate,
      ...certificateGet,
    },
    {
      name: 'renewal-info',
      path: `${at.renewalInfo}/:id`,
      signer: 'account',
      post: renewalInfo,
      get: readRenewalInfo,
    },
    { name: 'revoke-cert', path: at.revokeCert, signer: 'either', post: revokeCert },
  ]
}

/** The directory that is meant when none is named, at the paths that clients guess (CQ-D04). */
export function defaultDirectoryRoutes(): readonly AcmeRoute[] {
  return [directoryRoute('/acme/directory'), directoryRoute('/directory')]
}

function directoryRoute(path: string): AcmeRoute {
  return { name: 'directory', path, signer: 'account', post: directory, get: ({ directory: of }) => readDirectory(of) }
}
