/** One row of a CSV file and the line that it begins on, from 1. */
export interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** What a spreadsheet takes for a formula when a cell begins with it, and the quote that keeps it from doing so. */
const GUARDED = /^[=+\-@\t\r']/

/**
 * Reads CSV (RFC 4180): commas, quotes, lines that end in CRLF or LF; empty lines are left out. A quote in front of what a
 * spreadsheet would take for a formula is taken off, as `renderCsv` puts it there. Any text has an answer, in time linear in its length.
 *
 * @returns the rows, or what is wrong and in which line
 */
export function parseCsv(text: string): { rows: CsvRow[] } | { line: number; fault: string } {
  const rows: CsvRow[] = []
  let line = 1
  let start = 1
  let cells: string[] = []
  let at = text.startsWith('\uFEFF') ? 1 : 0
  while (at < text.length) {
    let cell: string
    if (text[at] === '"') {
      const end = endOfQuoted(text, at + 1)
      if (end === undefined) return { line: start, fault: 'a quoted cell has no end' }
      const quoted = text.slice(at + 1, end)
      cell = quoted.replaceAll('""', '"')
      for (const character of quoted) if (character === '\n') line++
      at = end + 1
      if (at < text.length && !isEndOfCell(text, at))
        return { line, fault: 'something follows the end of a quoted cell' }
    } else {
      const from = at
      while (at < text.length && !isEndOfCell(text, at)) {
        if (text[at] === '"')
          return { line, fault: 'a quote stands within a cell; put the cell in quotes, and the quote twice' }
        at++
      }
      cell = text.slice(from, at)
    }
    cells.push(unguarded(cell))
    if (text[at] === ',') {
      at++
      if (at < text.length) continue
      cells.push('')
    }
    at += text[at] === '\r' ? 2 : 1
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: start, cells })
    cells = []
    start = ++line
  }
  return { rows }
}

/**
 * Writes CSV that every reader of RFC 4180 understands. A cell that a spreadsheet would take for a formula gets a quote
 * in front, so that no value runs as one where it is opened.
 */
export function renderCsv(rows: readonly (readonly string[])[]): string {
  return rows.map((cells) => `${cells.map(renderCell).join(',')}\r\n`).join('')
}

function renderCell(value: string): string {
  const cell = GUARDED.test(value) ? `'${value}` : value
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

function unguarded(cell: string): string {
  return cell.startsWith("'") && GUARDED.test(cell.slice(1)) ? cell.slice(1) : cell
}

/** Where the closing quote stands; two in a row are one of the cell. */
function endOfQuoted(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] !== '"') continue
    if (text[at + 1] !== '"') return at
    at++
  }
  return undefined
}

function isEndOfCell(text: string, at: number): boolean {
  const character = text[at]
  return character === ',' || character === '\n' || (character === '\r' && text[at + 1] === '\n')
}
