import { renderDirectory } from '../directory.ts'
import type { AcmeDirectory, AcmeResponse, Endpoint } from '../endpoint.ts'
import { requireEmptyPayload } from '../payload.ts'

/** The directory by plain GET. */
export function readDirectory(of: AcmeDirectory): AcmeResponse {
  return { status: 200, body: renderDirectory(of) }
}

/** The directory by POST-as-GET, which RFC 8555 §6.3 demands as well. */
export const directory: Endpoint = async (request) => {
  requireEmptyPayload(request.payload, 'The directory')
  return readDirectory(request.directory)
}
