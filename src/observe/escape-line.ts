/**
 * What JSON leaves bare and a terminal or a line-based reader might obey: DEL and the C1 controls, the line and
 * paragraph separators, and the marks that turn the reading direction (KF-F20). JSON itself escapes C0 and lone
 * surrogates.
 */
const DANGEROUS = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** The same without state, for asking: most lines have nothing of it, and to look costs far less than to replace. */
const ANY_DANGEROUS = new RegExp(DANGEROUS.source)

/** Escapes them in a finished JSON line; they can stand only inside of its strings, so the line means the same. */
export function escapeLine(line: string): string {
  if (!ANY_DANGEROUS.test(line)) return line
  return line.replace(DANGEROUS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
