import { DerReader } from '../../x509/asn1/reader.ts'
import { TAG } from '../../x509/asn1/tags.ts'
import type { Lint } from '../lint.ts'

/** Tag and text of notBefore and notAfter: the fifth field of a version 3 TBSCertificate. */
function readTimes(tbsDer: Buffer): { tag: number; text: string }[] {
  const tbs = new DerReader(tbsDer).sequence()
  for (let field = 0; field < 4; field++) tbs.element()
  const validity = tbs.sequence()
  const times: { tag: number; text: string }[] = []
  while (!validity.done) {
    const tag = validity.nextTag ?? 0
    times.push({ tag, text: validity.content(tag).toString('latin1') })
  }
  return times
}

/** UTCTime through 2049 and GeneralizedTime after, whole seconds, `Z`; read here from the bytes, beside the parser. */
export const timeEncoding: Lint = {
  name: 'time-encoding',
  source: 'RFC 5280 §4.1.2.5',
  severity: 'error',
  check({ tbsDer }) {
    for (const { tag, text } of readTimes(tbsDer)) {
      const isUtcTime = tag === TAG.utcTime
      if (!isUtcTime && tag !== TAG.generalizedTime) return 'a time is neither UTCTime nor GeneralizedTime'
      if (!(isUtcTime ? /^[0-9]{12}Z$/ : /^[0-9]{14}Z$/).test(text))
        return `the time ${JSON.stringify(text)} is not in whole seconds with Z`
      if (!isUtcTime && Number(text.slice(0, 4)) < 2050) return 'a date before 2050 is written as GeneralizedTime'
      if (isUtcTime && Number(text.slice(0, 2)) >= 50) return 'a date before 2000 or after 2049 is written as UTCTime'
    }
    return undefined
  },
}
