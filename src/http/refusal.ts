/** A request that is refused for its HTTP, before any meaning of it was looked at. `message` is for the requester. */
export class HttpRefusal extends Error {
  readonly status: 400 | 404 | 405 | 408 | 413 | 415 | 417 | 431
  /** Methods for the `Allow` header of a 405. */
  readonly allow: readonly string[] | undefined
  constructor(status: HttpRefusal['status'], detail: string, options: { allow?: readonly string[] } = {}) {
    super(detail)
    this.status = status
    this.allow = options.allow
  }
}

/** The requester went away before its request was whole; there is nobody left to answer. */
export class ClientGone extends Error {
  constructor() {
    super('the client closed the connection before its request was complete')
  }
}
