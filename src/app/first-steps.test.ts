import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../config/read.ts'
import { buildDirectories } from './directories.ts'
import { chooseFirstTarget, firstCommands } from './first-steps.ts'
import { homeAt } from './home.ts'

async function steps(addresses: string[], set: string[] = [], home = '/srv/chancery') {
  const config = await readConfig({ home, set })
  const directory = (await buildDirectories(config))[0]
  assert.ok(directory)
  const target = await chooseFirstTarget({ config, policy: directory.policy, at: new Date(), addresses })
  const lines = firstCommands({
    config,
    home: homeAt(home),
    target,
    directoryUrl: directory.urls.directory,
    needsRoot: true,
  })
  return { target, text: lines.join('\n') }
}

test('a machine with a private address is told to certify it, which needs no switch', async () => {
  const { target, text } = await steps(['192.0.2.7', '10.1.2.3'])
  assert.deepEqual(target, { identifier: { type: 'ip', value: '10.1.2.3' } })
  assert.match(
    text,
    /sudo env REQUESTS_CA_BUNDLE=\/srv\/chancery\/root\.pem certbot .*--http-01-port 80.*--ip-address 10\.1\.2\.3/s,
  )
  assert.match(
    text,
    /sudo env LEGO_CA_CERTIFICATES=\/srv\/chancery\/root\.pem lego .*.*--http\.port :80 --domains 10\.1\.2\.3 run/s,
  )
  assert.match(
    text,
    /sudo acme\.sh --issue --standalone --httpport 80 .*--ca-bundle \/srv\/chancery\/root\.pem -d 10\.1\.2\.3$/ms,
  )
})

test('a machine without one is told the one switch, and a name that works with it', async () => {
  for (const addresses of [[], ['203.0.113.9'], ['169.254.1.1']]) {
    const { target, text } = await steps(addresses)
    assert.deepEqual(target, {
      identifier: { type: 'dns', value: 'demo.localhost' },
      needs: '--set validation.egress.allow=127.0.0.0/8',
    })
    assert.match(text, /npm start -- --set validation\.egress\.allow=127\.0\.0\.0\/8\n/)
    assert.match(text, /certbot .*.*-d demo\.localhost/s)
  }
})

test('where loopback is open already the local name is used, on the port that is set and without sudo where none is needed', async () => {
  const { target, text } = await steps(
    ['10.1.2.3'],
    ['validation.egress.allow=127.0.0.0/8', 'validation.http01.port=5002'],
  )
  assert.deepEqual(target, { identifier: { type: 'dns', value: 'demo.localhost' } })
  assert.match(text, /--http-01-port 5002/)
  assert.equal(text.includes('sudo'), false)
})

test('an address that policy does not allow, or that is denied as a target, is not offered', async () => {
  const { target } = await steps(
    ['10.1.2.3', '192.168.5.5'],
    ['policies.default.allow.ip=192.168.0.0/16', 'policies.default.allow.dns=**.localhost'],
  )
  assert.equal(target.identifier.value, '192.168.5.5')
  const denied = await steps(['10.1.2.3'], ['validation.egress.deny=10.0.0.0/8'])
  assert.equal(denied.target.identifier.value, 'demo.localhost')
})

test('a folder with a space or quote in its name is quoted for the shell', async () => {
  const { text } = await steps(['10.1.2.3'], [], "/srv/it's here")
  assert.ok(text.includes(`REQUESTS_CA_BUNDLE='/srv/it'\\''s here/root.pem'`), text)
})

test('a directory that wants an external account says so first', async () => {
  const { text } = await steps(['10.1.2.3'], ['directories.default.externalAccount=required'])
  assert.match(text, /chancery eab create/)
})
