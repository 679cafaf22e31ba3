// Drives the npm package acme-client through one story against DIRECTORY; prints what it did as JSON.
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import acme from 'acme-client'

const { DIRECTORY, HTTP_PORT, OUT, CHANCERY_TEST_DNS_CONTROL } = process.env
const tokens = new Map()
const responder = createServer((incoming, outgoing) => outgoing.end(tokens.get(incoming.url.split('/').pop()) ?? ''))
await new Promise((resolve) => responder.listen(Number(HTTP_PORT), '127.0.0.1', resolve))

const txt = (action, name, value) =>
  new Promise((resolve, reject) => {
    const sent = request(CHANCERY_TEST_DNS_CONTROL, { method: 'POST' }, (response) =>
      response.resume().on('end', resolve),
    )
    sent.on('error', reject)
    sent.end(JSON.stringify({ action, name, value }))
  })

const client = new acme.Client({
  directoryUrl: DIRECTORY,
  accountKey: await acme.crypto.createPrivateEcdsaKey('P-384'),
})

async function issue(names, priority) {
  const [, csr] = await acme.crypto.createCsr({ altNames: names })
  const pem = await client.auto({
    csr,
    email: 'ops@corp.test',
    termsOfServiceAgreed: true,
    challengePriority: [priority],
    skipChallengeVerification: true,
    challengeCreateFn: async (authorization, challenge, keyAuthorization) => {
      if (challenge.type === 'http-01') tokens.set(challenge.token, keyAuthorization)
      else await txt('add', `_acme-challenge.${authorization.identifier.value}`, keyAuthorization)
    },
    challengeRemoveFn: async (authorization, challenge, keyAuthorization) => {
      if (challenge.type === 'http-01') tokens.delete(challenge.token)
      else await txt('remove', `_acme-challenge.${authorization.identifier.value}`, keyAuthorization)
    },
  })
  await writeFile(`${OUT}/last.pem`, pem)
  return pem
}

const serial = (pem) => acme.crypto.readCertificateInfo(pem).serialNumber ?? pem
const told = { serials: [] }
try {
  switch (process.argv[2]) {
    case 'issue':
      await issue(['npm.test'], 'http-01')
      break
    case 'wildcard':
      await issue(['*.npm.test', 'npm.test'], 'dns-01')
      break
    case 'whole-life': {
      told.serials.push(serial(await issue(['npm.test'], 'http-01')), serial(await issue(['npm.test'], 'http-01')))
      await client.updateAccountKey(await acme.crypto.createPrivateEcdsaKey('P-256'))
      const last = await issue(['npm.test'], 'http-01')
      told.serials.push(serial(last))
      await client.revokeCertificate(last, { reason: 5 })
      const again = await client.revokeCertificate(last).then(
        () => 'accepted',
        (error) => error.message,
      )
      if (!/was revoked at/.test(again)) throw new Error(`a second revocation: ${again}`)
      break
    }
    default:
      throw new Error(`no story ${process.argv[2]}`)
  }
  process.stdout.write(JSON.stringify(told))
} finally {
  responder.close()
  responder.closeAllConnections()
}
