#!/usr/bin/env node
// The hook that dns-01 clients call to publish and remove TXT records: tells the test's fake DNS over its control port.
// certbot:    CERTBOT_DOMAIN and CERTBOT_VALIDATION in the environment; CERTBOT_AUTH_OUTPUT is set on clean-up
// lego exec:  present|cleanup NAME. VALUE
// dehydrated: deploy_challenge|clean_challenge DOMAIN TOKEN VALUE (other operations are ignored)
// uacme:      begin|done|failed TYPE IDENTIFIER TOKEN VALUE
import { request } from 'node:http'

function change() {
  const [operation, a, b, c, d] = process.argv.slice(2)
  const env = process.env
  if (env.CERTBOT_DOMAIN !== undefined) {
    const action = env.CERTBOT_AUTH_OUTPUT === undefined ? 'add' : 'remove'
    return { action, name: `_acme-challenge.${env.CERTBOT_DOMAIN}`, value: env.CERTBOT_VALIDATION }
  }
  if (operation === 'present' || operation === 'cleanup') {
    return { action: operation === 'present' ? 'add' : 'remove', name: a.replace(/\.$/, ''), value: b }
  }
  if (operation === 'deploy_challenge' || operation === 'clean_challenge') {
    return { action: operation === 'deploy_challenge' ? 'add' : 'remove', name: `_acme-challenge.${a}`, value: c }
  }
  if (['begin', 'done', 'failed'].includes(operation)) {
    if (a !== 'dns-01') process.exit(1)
    return { action: operation === 'begin' ? 'add' : 'remove', name: `_acme-challenge.${b}`, value: d }
  }
  process.exit(0)
}

const sent = request(process.env.CHANCERY_TEST_DNS_CONTROL, { method: 'POST' }, (response) => {
  response.resume()
  process.exitCode = response.statusCode === 200 ? 0 : 1
})
sent.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
sent.end(JSON.stringify(change()))
