import type { PolicyRequest, Proof, Reason, RequestedName } from '../policy/decision.ts'
import { eventLines } from './event-text.ts'
import type { Story, ToldAuthorization, ToldCertificate, ToldDecision } from './story.ts'

/** The story for a person to read, line by line: the answer first, then how it came about. */
export function storyText(story: Story): string[] {
  const { order, account, externalKey } = story
  const sections: (readonly string[])[] = [
    [`${story.asked.id}: ${headline(story)}`],
    order === undefined
      ? []
      : section(`Order ${order.id}: ${order.status}`, [
          ['names', order.names.join(', ')],
          ['profile', order.profile],
          ['asked for', span(order.notBefore, order.notAfter)],
          ['replaces', order.replaces],
          ['directory', order.directory],
          ['created', `${iso(order.createdAt)}, good until ${iso(order.expiresAt)}`],
          ['error', order.error === undefined ? undefined : `${order.error.type}: ${order.error.detail}`],
        ]),
    account === undefined
      ? []
      : section(`Account ${account.id}`, [
          ['directory', account.directory],
          ['contact', account.contact.join(', ')],
          ['created', iso(account.createdAt)],
          ['ended', at(account.deactivatedAt ?? account.revokedAt)],
          [
            'made with',
            externalKey === undefined ? account.eabKeyId : `${externalKey.id} ${JSON.stringify(externalKey.label)}`,
          ],
          ['key ends', at(externalKey?.revokedAt ?? externalKey?.expiresAt)],
        ]),
    ...story.decisions.map((decision) => decisionLines(decision)),
    story.authorizations.length === 0 ? [] : ['Proofs', ...story.authorizations.flatMap(authorizationLines)],
    ...story.certificates.map(certificateLines),
    story.events.length === 0 ? [] : ['Audit trail', ...story.events.flatMap(eventLines)],
  ]
  return sections.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}

/** What became of it, in one line. */
function headline({ certificates, order, decisions }: Story): string {
  const certificate = certificates.findLast(({ issuedAt }) => issuedAt !== undefined) ?? certificates.at(-1)
  if (certificate !== undefined) return `certificate ${certificate.serial} ${stateOf(certificate)}`
  const last = decisions.at(-1)
  if (last?.decision.outcome === 'deny') return `refused: ${rulesOf(last.decision.reasons)}`
  return order === undefined ? 'no decision of policy is kept of it' : `the order is ${order.status}`
}

function stateOf({ revokedAt, revocationReason, issuedAt, abandonedAt, notAfter }: ToldCertificate): string {
  if (revokedAt !== undefined) return `was revoked ${iso(revokedAt)} (reason ${revocationReason})`
  if (issuedAt !== undefined) return `was issued ${iso(issuedAt)}, good until ${iso(notAfter)}`
  return abandonedAt === undefined ? 'is being signed' : `was given up ${iso(abandonedAt)} and never signed`
}

/**
 * Public for `policy try`, which shows a decision that nobody stored in the same way.
 *
 * @param tried how messages name the policy that was asked; absent: it is that of the record
 */
export function decisionLines({ request, decision, reference, policy }: ToldDecision, tried?: string): string[] {
  const { outcome, reasons, version } = decision
  const key = request.requester.kind === 'account' ? request.requester.externalKey : undefined
  const word = outcome === 'allow' ? 'Allowed' : 'Refused'
  return [
    `${word} ${request.stage === 'order' ? 'as an order' : 'for the bytes of the certificate'} at ${iso(request.at)}`,
    ...fields([
      ['reference', reference],
      ['policy', tried === undefined ? policyText(version, policy) : `${tried}, version ${version}`],
      ['for', requesterText(request)],
      [
        'attributes',
        key &&
          Object.entries(key.attributes)
            .map(([name, value]) => `${name}=${value}`)
            .join(', '),
      ],
      ['groups', key?.groups.join(', ')],
      ['only rules', key?.scope?.join(', ')],
      ['names', request.names.map(nameText).join(', ')],
      ['profile', request.profile],
      ['key', request.key && `${request.key.algorithm} of ${request.key.bits} bits, SHA-256 ${request.key.spkiSha256}`],
      ['lifetime', request.lifetimeSeconds === undefined ? undefined : `${request.lifetimeSeconds} s`],
      ['usages', request.extendedKeyUsages?.join(', ')],
      ...(request.proofs ?? []).map((proof): Field => ['proof', proofText(proof)]),
      ...reasons.map((reason): Field => [outcome === 'allow' ? 'allowed by' : 'refused by', reasonText(reason)]),
      ...(decision.outcome === 'deny' ? (decision.nearMisses ?? []) : []).map(
        ({ rule, name, misses }): Field => [
          'nearly',
          `rule ${rule} for ${name}, but: ${misses.join('; ') || 'nothing'}`,
        ],
      ),
    ]),
  ]
}

function policyText(version: string | undefined, policy: ToldDecision['policy']): string {
  if (version === undefined) return 'of the configuration'
  if (policy === undefined) return `version ${version}, whose text is not kept here`
  return `version ${version}, by ${policy.author}, in force since ${iso(policy.loadedAt)}`
}

function requesterText({ requester }: PolicyRequest): string {
  if (requester.kind === 'server') return 'the server itself'
  const { accountId, directory, externalKey } = requester
  return `account ${accountId} of directory ${directory}${externalKey === undefined ? '' : `, made with ${externalKey.id}`}`
}

function proofText({ name, method, address, ...proof }: Proof): string {
  const when = (proof as { readonly at?: unknown }).at
  const from = address === undefined ? '' : ` from ${address}`
  return `${nameText(name)} by ${method}${from}${when instanceof Date ? ` at ${iso(when)}` : ''}`
}

function reasonText({ rule, code, detail, name }: Reason): string {
  const about = name === undefined ? '' : ` for ${nameText(name)}`
  return code === 'allowed' ? `rule ${rule}${about}` : `rule ${rule}${about} (${code}): ${detail}`
}

function rulesOf(reasons: readonly Reason[]): string {
  return [...new Set(reasons.map(({ rule }) => `rule ${rule}`))].join(', ')
}

function authorizationLines({ id, name, status, challenges }: ToldAuthorization): string[] {
  const tried = challenges.filter(({ respondedAt, validatedAt, failedAt }) => respondedAt ?? validatedAt ?? failedAt)
  return [
    `  ${name}: ${status} (${id})`,
    ...tried.map(({ type, validatedAt, failedAt, error }) => {
      if (validatedAt !== undefined) return `    ${type} proved at ${iso(validatedAt)}`
      const when = failedAt === undefined ? 'not ended yet' : `failed at ${iso(failedAt)}`
      return `    ${type} ${when}${error === undefined ? '' : `: ${error.type}: ${error.detail}`}`
    }),
  ]
}

function certificateLines(certificate: ToldCertificate): string[] {
  const { serial, issuerId, names, profile, spkiSha256, notBefore, notAfter } = certificate
  return section(`Certificate ${serial}: ${stateOf(certificate)}`, [
    ['issuer', issuerId],
    ['names', names.join(', ')],
    ['profile', profile],
    ['key', `SHA-256 ${spkiSha256}`],
    ['validity', `${iso(notBefore)} to ${iso(notAfter)}`],
  ])
}

type Field = readonly [label: string, value: string | undefined]

const LABEL_WIDTH = 12

function section(title: string, of: readonly Field[]): string[] {
  return [title, ...fields(of)]
}

/** What is absent or empty has no line. */
function fields(of: readonly Field[]): string[] {
  return of.flatMap(([label, value]) => (value ? [`  ${label.padEnd(LABEL_WIDTH)}${value}`] : []))
}

function nameText({ type, value }: RequestedName): string {
  return `${type}:${value}`
}

function span(from: Date | undefined, to: Date | undefined): string | undefined {
  return from === undefined && to === undefined ? undefined : `${at(from) ?? 'now'} to ${at(to) ?? 'the usual end'}`
}

function at(instant: Date | undefined): string | undefined {
  return instant && iso(instant)
}

function iso(instant: Date): string {
  return instant.toISOString()
}
