import type { AcmeResponse, Endpoint } from '../endpoint.ts'
import { requireEmptyPayload } from '../payload.ts'

/** Every answer carries a nonce; this one carries nothing else. 204 to GET, 200 to HEAD (RFC 8555 §7.2, CQ-T06). */
export function readNonce(method: 'GET' | 'HEAD'): AcmeResponse {
  return { status: method === 'HEAD' ? 200 : 204 }
}

/** A nonce by POST-as-GET (RFC 8555 §6.3). */
export const newNonce: Endpoint = async (request) => {
  requireEmptyPayload(request.payload, 'newNonce')
  return readNonce('GET')
}
