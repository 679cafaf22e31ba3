/**
 * Requests and what becomes of them. Each value that is out of policy comes in every way there is: as an identifier of the
 * order, in the SAN of the CSR, as its common name, out of an attribute of the account, and out of a profile.
 */

export const TABLE_RULES = `
version: 1
rules:
  - name: hosts
    names: { dns: [ok.table.test, '*.table.test', '**.deep.table.test'], ip: [10.20.0.0/16, 'fd20::/32'] }
  - name: wild
    names: { dns: ['*.wild.table.test'], wildcards: true }
    challenges: { wildcard: dns-01 }
  - name: team
    for: { attributes: { team: [red, blue] }, groups: [mesh] }
    names:
      dns: ['*.team.table.test']
      uri: ['spiffe://corp.test/ns/*/sa/web', 'spiffe://corp.test/jobs/**']
      email: ['*@mail.test']
  - name: desk
    for: { directories: [desk] }
    names: { dns: ['*.desk.test'] }
    keys: [P-384]
    profiles: [short]
  - name: dated
    names: { dns: ['*.dated.test'] }
    expires: 2020-01-01T00:00:00Z
  - name: no-admin
    effect: deny
    names: { dns: [admin.table.test, '**.admin.table.test'], ip: [10.20.99.0/24], uri: ['spiffe://corp.test/jobs/root/**'] }
  - name: no-robots
    effect: deny
    for: { groups: [robots] }
`

export type NameType = 'dns' | 'ip' | 'uri' | 'email' | 'other'
export type Way = 'order' | 'csr' | 'cn' | 'attribute' | 'profile'

export interface Row {
  readonly way: Way
  readonly type: NameType
  readonly value: string
  /** What the account is known by; absent: nothing. */
  readonly as?: 'team' | 'robot' | 'red-without-group'
  readonly expect: 'allow' | 'deny'
}

/** Nobody may have these, whoever asks. */
const OUT: Readonly<Record<NameType, readonly string[]>> = {
  dns: [
    'example.com',
    'table.test',
    'a.b.table.test',
    'x.deep2.table.test',
    'evil-table.test',
    'x.eviltable.test',
    'ok.table.test.evil.test',
    'ok.table.test.com',
    '*.table.test',
    '*.deep.table.test',
    'admin.table.test',
    'x.admin.table.test',
    'x.y.admin.table.test',
    'x.y.wild.table.test',
    '*.x.wild.table.test',
    'x.dated.test',
    'x.desk.test',
    'test',
    'localhost',
    'x.team.table.test',
  ],
  ip: [
    '10.21.0.1',
    '10.19.255.255',
    '11.20.0.1',
    '10.20.99.1',
    '10.20.99.255',
    '127.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    'fd21::1',
    'fd1f:ffff::1',
    '::1',
    '2001:db8::1',
  ],
  uri: [
    'https://ok.table.test',
    'spiffe://evil.test/ns/a/sa/web',
    'spiffe://corp.test/ns/a/sa/db',
    'spiffe://corp.test/ns/a/b/sa/web',
    'spiffe://corp.test/ns//sa/web',
    'spiffe://corp.test/jobs',
    'spiffe://corp.test/jobs/root/a',
    'spiffe://corp.test/jobs/../ns/a/sa/web',
    'spiffe://corp.test/ns/a/sa/web?x=1',
    'spiffe://corp.test/ns/a/sa/web#x',
    'spiffe://corp.test:443/ns/a/sa/web',
    'spiffe://u@corp.test/ns/a/sa/web',
    'spiffe://corp.test/ns/%61/sa/web',
    'spiffe://CORP.test/ns/a/sa/web',
    'SPIFFE://corp.test/ns/a/sa/web',
    'urn:corp:a',
  ],
  email: [
    'ann@evil.test',
    'ann@x.mail.test',
    'ann@mail.test.evil.test',
    'ann@evil-mail.test',
    '@mail.test',
    'ann@@mail.test',
    'a b@mail.test',
    'ann@MAIL.test',
    '"a@b"@mail.test',
    'ann@mail.test,eve@evil.test',
  ],
  other: ['[160] 06032a0304', '[136] 2a0304', '[164] 3000'],
}

/** The team may have these, and nobody else. */
const OF_TEAM: readonly (readonly [NameType, string])[] = [
  ['dns', 'web.team.table.test'],
  ['uri', 'spiffe://corp.test/ns/prod/sa/web'],
  ['uri', 'spiffe://corp.test/jobs/a'],
  ['uri', 'spiffe://corp.test/jobs/a/b/c'],
  ['email', 'ann@mail.test'],
]

/** Values of an attribute that a mapping puts into a name, and what then is asked for (KF-C10). */
const WIDENED: readonly (readonly [NameType, string])[] = [
  ['dns', '*.team.table.test'],
  ['dns', '?.team.table.test'],
  ['dns', 'a,b.team.table.test'],
  ['dns', 'a/b.team.table.test'],
  ['dns', 'a.b.team.table.test'],
  ['dns', '.team.table.test'],
  ['dns', 'a\n.team.table.test'],
  ['dns', 'A.team.table.test'],
  ['dns', 'a b.team.table.test'],
  ['dns', '%2a.team.table.test'],
  ['uri', 'spiffe://corp.test/ns/*/sa/web'],
  ['uri', 'spiffe://corp.test/ns/**/sa/web'],
  ['uri', 'spiffe://corp.test/ns/a,b\n/sa/web'],
  ['uri', 'spiffe://corp.test/ns/a/b/sa/web'],
  ['uri', 'spiffe://corp.test/ns/../sa/web'],
  ['uri', 'spiffe://corp.test/ns/a?/sa/web'],
  ['email', '*@mail.test'],
  ['email', 'a,b@mail.test'],
  ['email', 'a\n@mail.test'],
]

const TYPES = ['dns', 'ip', 'uri', 'email', 'other'] as const

export const ROWS: readonly Row[] = [
  ...TYPES.flatMap((type) =>
    OUT[type].flatMap((value): Row[] => [
      // There is no identifier type for what is none of these.
      ...(type === 'other' ? [] : [{ way: 'order', type, value, expect: 'deny' } as const]),
      { way: 'csr', type, value, expect: 'deny' },
      ...(type === 'other' || value.includes(' ') || !value.includes('.')
        ? []
        : [{ way: 'cn', type, value, expect: 'deny' } as const]),
      { way: 'attribute', type, value, expect: 'deny' },
      { way: 'profile', type, value, expect: 'deny' },
    ]),
  ),
  ...OF_TEAM.flatMap(([type, value]): Row[] => [
    { way: 'attribute', type, value, as: 'team', expect: 'allow' },
    { way: 'attribute', type, value, as: 'red-without-group', expect: 'deny' },
    { way: 'attribute', type, value, expect: 'deny' },
    { way: 'attribute', type, value, as: 'robot', expect: 'deny' },
    { way: 'profile', type, value, expect: 'deny' },
    { way: 'csr', type, value, expect: 'deny' },
  ]),
  ...WIDENED.map(([type, value]): Row => ({ way: 'attribute', type, value, as: 'team', expect: 'deny' })),
  ...(
    [
      ['dns', 'ok.table.test'],
      ['dns', 'x.table.test'],
      ['dns', 'a.deep.table.test'],
      ['dns', 'a.b.deep.table.test'],
      ['dns', 'x.wild.table.test'],
      ['dns', '*.wild.table.test'],
      ['ip', '10.20.0.0'],
      ['ip', '10.20.98.255'],
      ['ip', '10.20.100.0'],
      ['ip', 'fd20::1'],
    ] as const
  ).map(([type, value]): Row => ({ way: 'order', type, value, expect: 'allow' })),
]
