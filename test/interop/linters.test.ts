import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findProgram, needProgram } from '../support/program.ts'
import { type Artefact, type Artefacts, collectArtefacts } from './artefacts.ts'
import { writeFaultyArtefacts } from './faulty-artefacts.ts'
import {
  describe,
  type Exemption,
  expectOnlyExempt,
  type Finding,
  judgeByPkilint,
  judgeByZlint,
  lintAlone,
  lintPair,
  ZLINT_RFC_RULES,
} from './linters.ts'
import { hasPython, needPython } from './python.ts'

const isLeaf = ({ artefact }: Finding): boolean => artefact.kind === 'leaf'
const isCa = ({ artefact }: Finding): boolean => artefact.kind === 'root' || artefact.kind === 'issuing'
const isIssuing = ({ artefact }: Finding): boolean => artefact.kind === 'issuing'
const about = (pattern: RegExp) => (finding: Finding) => pattern.test(finding.artefact.label)

/** zlint's rules of the Baseline Requirements and of Mozilla are for CAs that browsers trust by themselves. */
const ZLINT_EXEMPTIONS: readonly Exemption[] = [
  {
    code: 'e_dnsname_not_valid_tld',
    where: isLeaf,
    reason: 'names under .test, .internal and localhost, which no public CA may certify and a private one is for',
  },
  {
    code: 'e_ext_san_contains_reserved_ip',
    where: isLeaf,
    reason: 'private addresses are what a private CA certifies',
  },
  {
    code: 'e_ext_nc_intersects_reserved_ip',
    where: isIssuing,
    reason: 'the constraints permit private addresses, and no others',
  },
  {
    code: 'e_ca_country_name_missing',
    where: isCa,
    reason: 'BR 7.1.2.1: identifies a legally audited operator; nobody but the owner trusts this CA',
  },
  { code: 'e_ca_organization_name_missing', where: isCa, reason: 'as for the country' },
  {
    code: 'e_sub_ca_certificate_policies_missing',
    where: isIssuing,
    reason: 'policy OIDs assert conformance with the Baseline Requirements, which would be untrue',
  },
  { code: 'e_sub_cert_certificate_policies_missing', where: isLeaf, reason: 'as for the issuing CA' },
  { code: 'e_sub_cert_cert_policy_empty', where: isLeaf, reason: 'as for the issuing CA' },
  {
    code: 'e_sub_ca_crl_distribution_points_missing',
    where: isIssuing,
    reason: 'the root is offline and publishes no CRL; RFC 5280 §4.2.1.13 only recommends the pointer',
  },
  {
    code: 'e_sub_cert_aia_does_not_contain_ocsp_url',
    where: isLeaf,
    reason: 'there is no OCSP responder; the Baseline Requirements made it optional in 2024',
  },
  {
    code: 'w_sub_cert_aia_contains_internal_names',
    where: isLeaf,
    reason: 'the address of the issuing CA is inside of the network that trusts it',
  },
  {
    code: 'w_subject_common_name_included',
    where: about(/common name and both purposes|RSA issuing CA/),
    reason: 'the profile asks for a commonName, for clients that still read it',
  },
  {
    code: 'e_algorithm_identifier_improper_encoding',
    where: about(/Ed25519$/i),
    reason: 'BR 7.1.3.1.1 knows no Ed25519; RFC 8410 does',
  },
  {
    code: 'e_mp_ecdsa_pub_key_encoding_correct',
    where: about(/p-?521$/i),
    reason: 'Mozilla admits no P-521; RFC 5480 and the Baseline Requirements do',
  },
  { code: 'e_mp_ecdsa_signature_encoding_correct', where: about(/P-521 issuing CA$/), reason: 'as for the P-521 key' },
]

const PKILINT_EXEMPTIONS: readonly Exemption[] = [
  {
    code: 'pkix.invalid_domain_name_syntax',
    where: (finding) => isLeaf(finding) && /"\*\.[a-z0-9.-]+"$/.test(finding.detail),
    reason: 'a wildcard: RFC 5280 §4.2.1.6 leaves it to the application, RFC 9525 §6.3 defines it',
  },
  {
    code: 'pkix.invalid_domain_name_syntax',
    where: (finding) => isIssuing(finding) && /nameConstraints.* "(internal|test|localhost)"$/.test(finding.detail),
    reason: 'one label is a domain name (RFC 1034 §3.5) and a good base of a subtree; pkilint wants a dot',
  },
  {
    code: 'pkix.invalid_domain_name_syntax',
    where: (finding) => isLeaf(finding) && finding.detail.endsWith(' "localhost"'),
    reason: 'one label is a domain name (RFC 1034 §3.5); pkilint wants a dot',
  },
  {
    code: 'pkix.invalid_uri_syntax',
    where: (finding) => about(/^first start/)(finding) && /"http:\/\/localhost:\d+\//.test(finding.detail),
    reason:
      'a first start is for one machine and publishes at localhost, until publicHttpUrl is set; pkilint wants a dot',
  },
]

let collected: Artefacts | undefined
before(async () => {
  if (findProgram('zlint') !== undefined || (await hasPython('pkilint'))) collected = await collectArtefacts()
})
after(() => collected?.remove())

const artefacts = (): Artefacts => collected ?? assert.fail('nothing was collected')

test('KF-C17 zlint finds nothing at all by the rules of the RFCs', async (t) => {
  const zlint = needProgram(t, 'zlint')
  if (zlint === undefined) return
  const findings = await judgeByZlint(zlint, artefacts().all, ZLINT_RFC_RULES)
  assert.deepEqual(findings.map(describe), [])
})

test('KF-C17 zlint finds nothing by all of its rules but what is explained here', async (t) => {
  const zlint = needProgram(t, 'zlint')
  if (zlint === undefined) return
  expectOnlyExempt(await judgeByZlint(zlint, artefacts().all, []), ZLINT_EXEMPTIONS)
})

test('KF-C17 pkilint finds nothing in certificates and CRLs but what is explained here', async (t) => {
  const python = await needPython(t, 'pkilint')
  if (python === undefined) return
  const findings = await judgeByPkilint(python, artefacts().all.map(lintAlone))
  expectOnlyExempt(findings, PKILINT_EXEMPTIONS)
})

test('KF-C18 pkilint sees that names, key identifiers and signatures fit from one certificate to the next', async (t) => {
  const python = await needPython(t, 'pkilint')
  if (python === undefined) return
  const signed = artefacts().all.filter(({ kind }) => kind === 'issuing' || kind === 'leaf')
  const findings = await judgeByPkilint(
    python,
    signed.map((artefact) => lintPair(artefact.issuer ?? assert.fail(artefact.label), artefact)),
  )
  assert.deepEqual(findings.map(describe), [])
})

test('zlint does find faults where there are some, so that its silence says something', async (t) => {
  const zlint = needProgram(t, 'zlint')
  if (zlint === undefined) return
  const { certificate, crl } = await writeFaultyArtefacts(artefacts().folder)
  const findings = await judgeByZlint(zlint, [certificate, crl], ZLINT_RFC_RULES)
  const codes = findings.map(({ code }) => code)
  assert.ok(codes.includes('e_ext_san_not_critical_without_subject'), codes.join())
  assert.ok(codes.includes('e_crl_has_next_update'), codes.join())
})

test('pkilint does find faults where there are some', async (t) => {
  const python = await needPython(t, 'pkilint')
  if (python === undefined) return
  const { firstStart, configured, folder } = artefacts()
  const { certificate, crl } = await writeFaultyArtefacts(folder)
  const stranger = configured.issuing[0] ?? assert.fail()
  const leaf = firstStart.leaves[0] ?? assert.fail()
  const findings = await judgeByPkilint(python, [lintAlone(certificate), lintAlone(crl), lintPair(stranger, leaf)])
  const found = (artefact: Artefact): string =>
    findings
      .filter((one) => one.artefact === artefact)
      .map(describe)
      .join()
  assert.match(found(certificate), /pkix.san_extension_not_critical_empty_subject/)
  assert.match(found(crl), /pkix.validity_period_end_value_missing/)
  assert.match(found(leaf), /pkix.signature_verification_failed/)
})
