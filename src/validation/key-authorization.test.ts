import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dnsDigest, keyAuthorization, keyAuthorizationDigest } from './key-authorization.ts'

const TOKEN = 'LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0'
const THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'

test('KF-A20 key authorization and both digests are the published vectors', () => {
  const text = keyAuthorization(TOKEN, THUMBPRINT)
  assert.equal(text, `${TOKEN}.${THUMBPRINT}`)
  assert.equal(dnsDigest(text), '_cC5rvB9vM8qzT3MTBcTeVpQwtbNypBXyQnE4fhM9QQ')
  assert.equal(
    keyAuthorizationDigest(text).toString('hex'),
    'fdc0b9aef07dbccf2acd3dcc4c1713795a50c2d6cdca9057c909c4e1f84cf504',
  )
})
