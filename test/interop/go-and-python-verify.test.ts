import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { encodePem } from '../../src/lib/pem.ts'
import { needProgram, run } from '../support/program.ts'
import { type Artefacts, collectArtefacts, type Installation, type LeafArtefact } from './artefacts.ts'
import { authorityOfToday, signBlindly } from './faulty-artefacts.ts'
import { namesIn, PURPOSE_OIDS } from './leaf-facts.ts'
import { needPython } from './python.ts'

/** What the verifiers are asked; paths of PEM files. */
interface Question {
  readonly root: string
  readonly intermediates: readonly string[]
  readonly leaf: string
  readonly crl?: string
  readonly purpose: keyof typeof PURPOSE_OIDS
  readonly name?: string
}

interface Case {
  readonly what: string
  readonly question: Question
  readonly expected: RegExp
}

type Verifier = (questions: readonly Question[]) => Promise<readonly string[]>

let collecting: Promise<Artefacts> | undefined
const collect = (): Promise<Artefacts> => {
  collecting ??= collectArtefacts()
  return collecting
}
after(async () => (await collecting)?.remove())

test("Go's verifier agrees on every leaf: its chain, names, purposes and revocation", async (t) => {
  const program = needProgram(t, 'verify-chains')
  if (program === undefined) return
  const artefacts = await collect()
  const cases = [...casesOf(artefacts), ...(await casesOutside(artefacts, /not permitted by any constraint/))]
  await expectAgreement(cases, (questions) => ask(program, [], questions))
})

test("pyca/cryptography's verifier agrees on every leaf: its chain, names, purposes and revocation", async (t) => {
  const python = await needPython(t, 'cryptography')
  if (python === undefined) return
  const artefacts = await collect()
  // It takes no Ed25519 keys of CAs, because the Baseline Requirements do not.
  const isTaken = (leaf: LeafArtefact): boolean =>
    new X509Certificate(leaf.issuer.der).publicKey.asymmetricKeyType !== 'ed25519'
  const cases = [...casesOf(artefacts, isTaken), ...(await casesOutside(artefacts, /name constraint|permitted/i))]
  await expectAgreement(cases, (questions) => ask(python, [join(import.meta.dirname, 'verify-chains.py')], questions))
})

async function ask(program: string, args: readonly string[], questions: readonly Question[]): Promise<string[]> {
  const ran = await run(program, args, { input: JSON.stringify(questions) })
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout) as string[]
}

async function expectAgreement(cases: readonly Case[], verifier: Verifier): Promise<void> {
  const answers = await verifier(cases.map(({ question }) => question))
  assert.equal(answers.length, cases.length)
  const differences = cases.flatMap(({ what, expected }, index) =>
    expected.test(answers[index] ?? '') ? [] : [`${what}: ${answers[index]}, but expected ${expected}`],
  )
  assert.deepEqual(differences, [])
}

function casesOf(artefacts: Artefacts, isTaken: (leaf: LeafArtefact) => boolean = () => true): Case[] {
  return [artefacts.firstStart, artefacts.configured].flatMap((installation) =>
    installation.leaves.filter(isTaken).flatMap((leaf) => casesOfLeaf(leaf, installation)),
  )
}

/** Every name for what the leaf is for, another name, the other purpose, and the last CRL. */
function casesOfLeaf(leaf: LeafArtefact, { root, issuing, crls }: Installation): Case[] {
  const certificate = new X509Certificate(leaf.der)
  const names = namesIn(certificate).map(({ value }) => value.replace('*', 'any'))
  const all = { root: root.path, intermediates: issuing.map(({ path }) => path), leaf: leaf.path }
  const crl = crls.findLast(({ issuer }) => issuer === leaf.issuer)?.path ?? assert.fail(`${leaf.label} has no CRL`)
  const [name] = names
  assert.ok(name)
  return (['serverAuth', 'clientAuth'] as const).flatMap((purpose): Case[] => {
    const what = `${leaf.label} for ${purpose}`
    const isFor = certificate.keyUsage?.includes(PURPOSE_OIDS[purpose]) === true
    if (!isFor) return [{ what, question: { ...all, purpose, name }, expected: /^not valid: / }]
    const expected = leaf.revoked === undefined ? /^valid$/ : new RegExp(`^revoked ${leaf.revoked}$`)
    const withCrl: Case = { what: `${what}, with the CRL`, question: { ...all, crl, purpose, name }, expected }
    if (purpose === 'clientAuth') return [withCrl]
    return [
      withCrl,
      ...names.map((name) => ({
        what: `${what} as ${name}`,
        question: { ...all, purpose, name },
        expected: /^valid$/,
      })),
      {
        what: `${what} as another`,
        question: { ...all, purpose, name: 'other.example.test' },
        expected: /^not valid: /,
      },
    ]
  })
}

/** KF-C19: a name outside of the constraints, signed behind the back of all our rules, and one within to compare. */
async function casesOutside({ folder }: Artefacts, refusal: RegExp): Promise<Case[]> {
  const authority = await authorityOfToday()
  const keep = async (name: string, text: string): Promise<string> => {
    const path = join(folder, `${name}.pem`)
    await writeFile(path, text)
    return path
  }
  const root = await keep('blind-root', authority.root.certificatePem)
  const intermediates = [await keep('blind-issuing', authority.issuingCa.certificatePem)]
  const question = async (dns: string): Promise<Question> => {
    const der = await signBlindly(authority, { dns, sanCritical: true })
    const leaf = await keep(`blind-${dns}`, encodePem('CERTIFICATE', der))
    return { root, intermediates, leaf, purpose: 'serverAuth', name: dns }
  }
  return [
    { what: 'within the constraints', question: await question('www.corp.test'), expected: /^valid$/ },
    { what: 'outside of the constraints', question: await question('www.corp.example'), expected: refusal },
  ]
}
