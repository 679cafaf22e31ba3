/**
 * What is wrong with an address that goes into certificates, or undefined. It cannot be corrected once issued
 * (KF-C22), and it is fetched while a chain is being built, so https would chase its own tail (RFC 5280 §8).
 */
export function httpUrlProblem(text: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(text)) return 'is not printable ASCII without spaces'
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'is not an absolute URL'
  }
  if (url.protocol !== 'http:' || !text.startsWith('http://')) return 'is not a plain http URL'
  if (url.username !== '' || url.password !== '') return 'holds a user name or password'
  if (url.hash !== '' || text.includes('#')) return 'has a fragment'
  return undefined
}
