import { endsConnection, markSkipped } from './errors.ts'
import type { Translated } from './statements.ts'

export type Value = string | number | Uint8Array | null | readonly (string | number)[]

/** A statement and its values. */
export interface Bound extends Translated {
  readonly values: readonly Value[]
}

/** What a statement gave back. */
export interface Answer {
  readonly rows: readonly unknown[]
  readonly changes: number
  /** `COMMIT`, `ROLLBACK`, `INSERT` … */
  readonly command: string
}

/** The connection that `pg` gives to a query object, as far as this one uses it; `pg` does not declare it. */
export interface WireConnection {
  readonly stream: { cork(): void; uncork(): void; destroy(): void }
  /** What the server has prepared, by name, and what it was asked to prepare and did not confirm yet. */
  readonly parsedStatements: Readonly<Record<string, string>>
  readonly submittedNamedStatements: Record<string, string>
  parse(message: { text: string; name: string; types: undefined }): void
  bind(message: { portal: string; statement: string; values: readonly Value[]; valueMapper: typeof prepareValue }): void
  describe(message: { type: 'P'; name: string }): void
  execute(message: { portal: string; rows: number | undefined }): void
  sync(): void
  sendCopyFail(message: string): void
}

/** How the text of a column is read, by the OID of its type. */
export type ParserOf = (typeOid: number) => (text: string) => unknown

interface Column {
  readonly name: string
  readonly parse: (text: string) => unknown
}

/**
 * The columns of what is prepared on a connection. The server lets the type of a prepared statement's result not change
 * (SQLSTATE 0A000, after which the connection is not used again), so it need not describe them at each use.
 */
const described = new WeakMap<WireConnection, Map<string, readonly Column[]>>()

/**
 * Statements that travel together, behind one barrier, in the extended protocol (PostgreSQL docs §54.2.3): the answer is that
 * of the last; when one before it fails, the server skips the rest, and `wasSkipped` tells so of the error. `pg` runs
 * whatever has these methods, as cursors of it do.
 */
export class WireQuery {
  /** `pg` takes this statement as prepared when the server says that it prepared one. */
  name: string | undefined
  text = ''
  readonly #statements: readonly Bound[]
  readonly #own: Bound
  readonly #parserOf: ParserOf
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  #connection: WireConnection | undefined
  /** Which statement is answered now. */
  #turn = 0
  #columns: readonly Column[] | undefined
  readonly #rows: unknown[] = []
  #changes = 0
  #command = ''
  /** What went wrong with a row; the others are read to their end. */
  #fault: unknown

  constructor(
    prelude: readonly Bound[],
    own: Bound,
    options: { parserOf: ParserOf; resolve: (answer: Answer) => void; reject: (error: unknown) => void },
  ) {
    this.#statements = [...prelude, own]
    this.#own = own
    this.#parserOf = options.parserOf
    this.#resolve = options.resolve
    this.#reject = options.reject
  }

  submit(connection: WireConnection): null {
    this.#connection = connection
    const own = this.#own
    if (own.name !== undefined) this.#columns = described.get(connection)?.get(own.name)
    connection.stream.cork()
    try {
      for (const statement of this.#statements) {
        bind(connection, statement)
        if (statement === own && this.#columns === undefined) connection.describe({ type: 'P', name: '' })
        connection.execute({ portal: '', rows: undefined })
      }
      connection.sync()
    } catch (error) {
      // Half of it may be on its way, and nobody would wait for the right answers any more.
      connection.stream.destroy()
      throw error
    } finally {
      connection.stream.uncork()
    }
    this.#expect(0)
    return null
  }

  handleRowDescription({ fields }: { readonly fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.#remember(fields.map(({ name, dataTypeID }) => ({ name, parse: this.#parserOf(dataTypeID) })))
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (!this.#isOwnTurn || this.#fault !== undefined) return
    try {
      this.#rows.push(rowOf(this.#columns ?? [], fields))
    } catch (error) {
      this.#fault = error
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    if (!this.#isOwnTurn) {
      this.#expect(this.#turn + 1)
      return
    }
    if (this.#columns === undefined) this.#remember([])
    const space = text.indexOf(' ')
    this.#command = space === -1 ? text : text.slice(0, space)
    // `INSERT 0 2`, `UPDATE 2`, `CREATE TABLE`
    const count = Number(text.slice(text.lastIndexOf(' ') + 1))
    this.#changes = Number.isInteger(count) ? count : 0
  }

  handleReadyForQuery(): void {
    if (this.#fault === undefined) this.#resolve({ rows: this.#rows, changes: this.#changes, command: this.#command })
    else this.#reject(this.#fault)
  }

  handleError(error: Error, { submittedNamedStatements }: WireConnection): void {
    // A connection that ends says nothing of what was sent on it.
    if (!this.#isOwnTurn && !endsConnection(error)) markSkipped(error)
    // The server prepared none of those that it skipped.
    for (const { name } of this.#statements) if (name !== undefined) delete submittedNamedStatements[name]
    this.#reject(this.#fault ?? error)
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: WireConnection): void {
    connection.sendCopyFail('nothing is copied here')
  }

  handleCopyData(): void {}

  get #isOwnTurn(): boolean {
    return this.#turn === this.#statements.length - 1
  }

  #expect(turn: number): void {
    this.#turn = turn
    const { text, name } = this.#statements[turn] ?? this.#own
    this.text = text
    this.name = name
  }

  #remember(columns: readonly Column[]): void {
    this.#columns = columns
    const { name } = this.#own
    const connection = this.#connection
    if (name === undefined || connection === undefined) return
    const known = described.get(connection) ?? new Map<string, readonly Column[]>()
    described.set(connection, known.set(name, columns))
  }
}

/** One that the server knows by name is not sent in full again. */
function bind(connection: WireConnection, { text, name = '', values }: Bound): void {
  const { parsedStatements, submittedNamedStatements } = connection
  if (parsedStatements[name] === undefined && submittedNamedStatements[name] === undefined) {
    connection.parse({ text, name, types: undefined })
    if (name !== '') submittedNamedStatements[name] = text
  }
  connection.bind({ portal: '', statement: name, values, valueMapper: prepareValue })
}

function prepareValue(value: Value): string | Buffer | null {
  if (value === null) return null
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return typeof value === 'object' ? arrayText(value) : String(value)
}

/** An array literal (PostgreSQL docs §8.15.6). */
function arrayText(values: readonly (string | number)[]): string {
  const quoted = values.map((value) => (typeof value === 'number' ? value : `"${value.replace(/["\\]/g, '\\$&')}"`))
  return `{${quoted.join(',')}}`
}

function rowOf(columns: readonly Column[], fields: readonly (string | null)[]): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  let index = 0
  for (const { name, parse } of columns) {
    const text = fields[index++] ?? null
    row[name] = text === null ? null : parse(text)
  }
  return row
}
