import { domainToASCII, domainToUnicode } from 'node:url'

/**
 * Decodes one lower-case `xn--` label to its U-label, or answers undefined when it is not an A-label.
 *
 * An A-label must decode, hold only code points that IDNA2008 permits (RFC 5892 §2, §3), and encode back to the
 * very same text (RFC 5890 §2.3.2.1); so one name has one spelling. Decoding, Bidi and joiner rules are those of
 * the runtime's UTS #46 processing; the code point rules below are narrower than it (they exclude emoji).
 */
export function decodeALabel(label: string): string | undefined {
  if (label.length > 63 || !label.startsWith('xn--')) return undefined
  const decoded = domainToUnicode(label)
  if (decoded === label || decoded === '' || decoded.includes('.')) return undefined
  if (decoded !== decoded.normalize('NFC') || /^\p{M}/u.test(decoded)) return undefined // RFC 5891 §4.2.3.2
  const points = Array.from(decoded)
  if (points.every((point) => point < '\u0080')) return undefined
  if (!points.every((point, index) => isPermitted(points, point, index))) return undefined
  return domainToASCII(decoded) === label ? decoded : undefined
}

/**
 * Letters and marks by category that are disallowed all the same: by name (RFC 5892 §2.6), as marks of symbols and of
 * music (§2.7), and as pieces of Hangul syllables (§2.9).
 */
const DISALLOWED =
  /^(?:[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]|[\u20d0-\u20ff]|[\u{1d100}-\u{1d24f}]|[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff])$/u
/** RFC 5892 §2.1 LetterDigits without upper case, and §2.6 those allowed by name. */
const LETTER_OR_DIGIT = /^[\p{Ll}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\u06fd\u06fe\u0f0b\u3007-]$/u

/** RFC 5892 appendix A.3-A.9: code points that are allowed only among certain neighbours. */
const CONTEXT: ReadonlyMap<string, (points: readonly string[], index: number) => boolean> = new Map([
  ['\u00b7', (points, index) => points[index - 1] === 'l' && points[index + 1] === 'l'],
  ['\u0375', (points, index) => /^\p{Script=Greek}$/u.test(points[index + 1] ?? '')],
  ['\u05f3', (points, index) => /^\p{Script=Hebrew}$/u.test(points[index - 1] ?? '')],
  ['\u05f4', (points, index) => /^\p{Script=Hebrew}$/u.test(points[index - 1] ?? '')],
  ['\u30fb', (points) => points.some((p) => /^[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]$/u.test(p))],
])

function isPermitted(points: readonly string[], point: string, index: number): boolean {
  const context = CONTEXT.get(point)
  if (context !== undefined) return context(points, index)
  if (point === '\u200c' || point === '\u200d') return true // joiner rules are checked while decoding
  if (point >= '\u0660' && point <= '\u0669') return !points.some((p) => p >= '\u06f0' && p <= '\u06f9')
  if (point >= '\u06f0' && point <= '\u06f9') return !points.some((p) => p >= '\u0660' && p <= '\u0669')
  return LETTER_OR_DIGIT.test(point) && !DISALLOWED.test(point)
}
