import assert from 'node:assert/strict'
import { join } from 'node:path'
import { run } from '../support/program.ts'
import type { Artefact } from './artefacts.ts'

/** What a linter says against an artefact. */
export interface Finding {
  readonly artefact: Artefact
  readonly code: string
  /** The linter's own words, with the offending value where it gives one. */
  readonly detail: string
}

/** A finding that is no fault in a private CA, where, and why. */
export interface Exemption {
  readonly code: string
  readonly where: (finding: Finding) => boolean
  readonly reason: string
}

/** Leaves the rules of the RFCs, and the community's collection of known mistakes. */
export const ZLINT_RFC_RULES = ['-excludeSources', 'CABF_BR,CABF_EV,CABF_SMIME_BR,ETSI_ESI,Mozilla,Apple']

export async function judgeByZlint(
  program: string,
  all: readonly Artefact[],
  options: readonly string[],
): Promise<readonly Finding[]> {
  const ran = await run(program, [...options, ...all.map(({ path }) => path)])
  assert.equal(ran.code, 0, ran.stderr)
  // One JSON object a line, in the order of the files.
  const lines = ran.stdout.trim().split('\n')
  assert.equal(lines.length, all.length, ran.stderr)
  return all.flatMap((artefact, index) => {
    const results = JSON.parse(lines[index] ?? '') as Record<string, { result: string; details?: string }>
    assert.ok(
      Object.values(results).some(({ result }) => result !== 'NA'),
      `zlint has no rule for ${artefact.label}`,
    )
    return Object.entries(results)
      .filter(([, { result }]) => !['pass', 'NA', 'NE', 'info'].includes(result))
      .map(([code, { result, details }]) => ({ artefact, code, detail: `${result} ${details ?? ''}`.trim() }))
  })
}

interface PkilintReport {
  readonly results: readonly {
    readonly node_path: string
    readonly finding_descriptions: readonly { severity: string; code: string; message: string | null }[]
  }[]
}

/** One run of one of pkilint's programs. */
interface PkilintRun {
  readonly artefact: Artefact
  readonly command: readonly string[]
}

const REPORT = ['-s', 'WARNING', '-f', 'JSON']

/** The Baseline Requirements' rules for CRLs hold those of RFC 5280, and apply here as they are. */
export const lintAlone = (artefact: Artefact): PkilintRun => ({
  artefact,
  command:
    artefact.kind === 'crl'
      ? ['lint_crl', 'lint', ...REPORT, '-t', 'CRL', '-p', 'BR', artefact.path]
      : ['lint_pkix_cert', 'lint', ...REPORT, artefact.path],
})

export const lintPair = (issuer: Artefact, artefact: Artefact): PkilintRun => ({
  artefact,
  command: ['lint_pkix_signer_signee_cert_chain', 'lint', ...REPORT, issuer.path, artefact.path],
})

export async function judgeByPkilint(python: string, runs: readonly PkilintRun[]): Promise<readonly Finding[]> {
  const input = runs.map(({ command }) => `${JSON.stringify(command)}\n`).join('')
  const ran = await run(python, [join(import.meta.dirname, 'pkilint-many.py')], { input })
  assert.equal(ran.code, 0, ran.stderr)
  const lines = ran.stdout.trim().split('\n')
  assert.equal(lines.length, runs.length, ran.stderr)
  return runs.flatMap(({ artefact }, index) => {
    const [code, printed] = JSON.parse(lines[index] ?? '') as [number, string]
    const { results } = JSON.parse(printed) as PkilintReport
    const findings = results.flatMap(({ node_path, finding_descriptions }) =>
      finding_descriptions.map(({ code, message }) => ({ artefact, code, detail: `${node_path}: ${message}` })),
    )
    // It counts its findings in its exit code; another number means that something was not understood.
    assert.equal(code, findings.length, printed)
    return findings
  })
}

/** Each finding has an exemption, and each exemption is needed: one that is not any more is taken out. */
export function expectOnlyExempt(findings: readonly Finding[], exemptions: readonly Exemption[]): void {
  const used = new Set<Exemption>()
  const faults: string[] = []
  for (const finding of findings) {
    const exemption = exemptions.find(({ code, where }) => code === finding.code && where(finding))
    if (exemption === undefined) faults.push(describe(finding))
    else used.add(exemption)
  }
  assert.deepEqual(faults, [])
  const unused = exemptions.filter((exemption) => !used.has(exemption)).map(({ code, reason }) => `${code}: ${reason}`)
  assert.deepEqual(unused, [], 'exemptions without a finding')
}

export const describe = ({ artefact, code, detail }: Finding): string => `${artefact.label}: ${code} (${detail})`
