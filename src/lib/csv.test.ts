import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { parseCsv, renderCsv } from './csv.ts'

const cellsOf = (text: string): unknown => {
  const parsed = parseCsv(text)
  return 'rows' in parsed ? parsed.rows.map(({ cells }) => cells) : parsed
}

test('CSV is read as RFC 4180 has it, with either end of line and with or without one at the end', () => {
  const table: [string, string[][]][] = [
    ['', []],
    ['a', [['a']]],
    [
      'a,b\r\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'a,b\nc,\n',
      [
        ['a', 'b'],
        ['c', ''],
      ],
    ],
    ['a,', [['a', '']]],
    [',', [['', '']]],
    ['"a,b","say ""hi""","two\r\nlines"\r\n', [['a,b', 'say "hi"', 'two\r\nlines']]],
    ['""\n"",x', [['', 'x']]],
    ['a\n\n\r\nb', [['a'], ['b']]],
    ['\uFEFFa', [['a']]],
    ['a\rb', [['a\rb']]],
  ]
  for (const [text, rows] of table) assert.deepEqual(cellsOf(text), rows, JSON.stringify(text))
})

test('a row knows its line, whatever lines its cells and the rows before it have', () => {
  const parsed = parseCsv('a\n"b\nb"\n\nc')
  assert.ok('rows' in parsed)
  assert.deepEqual(
    parsed.rows.map(({ line }) => line),
    [1, 2, 5],
  )
})

test('what is no CSV is said to be none, with its line', () => {
  assert.deepEqual(parseCsv('a\n"b'), { line: 2, fault: 'a quoted cell has no end' })
  assert.deepEqual(parseCsv('a\nb\n"c"d'), { line: 3, fault: 'something follows the end of a quoted cell' })
  assert.match(JSON.stringify(parseCsv('a"b')), /a quote stands within a cell/)
})

test('no cell that is written begins like a formula, and it is read back as it was', () => {
  const cells = ['=1+1', '+1', '-1', '@x', '\t=x', '\r', "'=1", "''", "'a", 'plain', ' led', 'trailed ']
  const text = renderCsv([cells])
  for (const cell of cells) assert.ok(cell !== '=1+1' || text.startsWith("'=1+1"))
  assert.doesNotMatch(text, /(^|,)"?[=+\-@\t\r]/)
  assert.deepEqual(cellsOf(text), [cells])
})

test('whatever is written is read back, and whatever is read has an answer', () => {
  const random = new SeededRandom('csv')
  const alphabet = ['a', ',', '"', '\n', '\r', '\r\n', "'", '=', '-', ' ', 'é', '\t', '']
  const word = () => {
    let text = ''
    for (let left = random.bytes(1).readUInt8() % 6; left > 0; left--)
      text += alphabet[random.bytes(1).readUInt8() % 13]
    return text
  }
  for (let i = 0; i < 3000; i++) {
    const rows = Array.from({ length: 1 + (i % 3) }, () => ['x', ...Array.from({ length: i % 4 }, word)])
    assert.deepEqual(cellsOf(renderCsv(rows)), rows)
    assert.doesNotThrow(() => parseCsv(word() + word() + word()))
  }
})
