import type { Exchange } from '../http/exchange.ts'
import type { LogFields } from '../observe/log.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import type { AcmeError } from './problem.ts'

const MAX_USER_AGENT = 200
const MAX_PATH = 200

/** How one request ended: exactly one of `response` and `problem`. */
export interface RequestEntry {
  readonly exchange: Exchange
  /** Where it came from, which behind a listed proxy is not the peer of the connection. */
  readonly remoteAddress: string
  readonly endpoint: string
  readonly directory: string
  readonly requestId: string
  /** Absent when it was never authenticated. */
  readonly request: AuthenticatedRequest | undefined
  readonly response?: AcmeResponse
  readonly problem?: AcmeError
}

/**
 * One line and one count for each request: our own failures as errors, refusals and changes as information, reads
 * that worked for debugging only. Bodies are never logged; what is from outside is cut to length (KF-F20).
 */
export function logRequest(entry: RequestEntry, { log, metrics }: Pick<AcmeServices, 'log' | 'metrics'>): void {
  const { problem, endpoint } = entry
  const status = problem?.status ?? entry.response?.status ?? 0
  metrics.count('chancery_acme_requests_total', { endpoint, status: String(status) })
  if (problem !== undefined) {
    metrics.count('chancery_acme_problems_total', { type: problem.type })
    const fields = { ...fieldsOf(entry, status), problem: problem.type, detail: problem.message, ...causeOf(problem) }
    if (status >= 500 && !problem.options.isBusy) log.error('acme.request', fields)
    else log.info('acme.request', fields)
    return
  }
  const isChange = entry.request !== undefined && entry.request.payload !== ''
  if (isChange) log.info('acme.request', fieldsOf(entry, status))
  else log.debug('acme.request', () => fieldsOf(entry, status))
}

function fieldsOf(
  { exchange, remoteAddress, endpoint, directory, requestId, request, response }: RequestEntry,
  status: number,
): LogFields {
  const signer = request?.signer
  const orderId = orderOf(endpoint, exchange, response)
  const accountId =
    signer?.kind === 'account'
      ? signer.account.id
      : endpoint === 'new-account'
        ? lastSegment(response?.location)
        : undefined
  return {
    requestId,
    directory,
    endpoint,
    status,
    method: exchange.method,
    accountId,
    orderId,
    // Tells nothing where the router knew the path.
    path: endpoint === 'none' ? exchange.path.slice(0, MAX_PATH) : undefined,
    remoteAddress,
    userAgent: exchange.request.headers['user-agent']?.slice(0, MAX_USER_AGENT),
  }
}

function orderOf(endpoint: string, exchange: Exchange, response: AcmeResponse | undefined): string | undefined {
  if (endpoint === 'order' || endpoint === 'finalize') return exchange.params['id']?.slice(0, MAX_PATH)
  return endpoint === 'new-order' ? lastSegment(response?.location) : undefined
}

function lastSegment(url: string | undefined): string | undefined {
  return url?.slice(url.lastIndexOf('/') + 1)
}

function causeOf(problem: AcmeError): { error?: unknown } {
  return problem.cause === undefined ? {} : { error: problem.cause }
}
