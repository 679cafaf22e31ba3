import type { Lint } from '../lint.ts'
import { authorityInfoAccess } from './authority-info-access.ts'
import { authorityKeyId } from './authority-key-id.ts'
import { basicConstraints } from './basic-constraints.ts'
import { certificatePolicies } from './certificate-policies.ts'
import { crlDistributionPoint } from './crl-distribution-point.ts'
import { extendedKeyUsage } from './extended-key-usage.ts'
import { issuerNameBytes } from './issuer-name-bytes.ts'
import { keyUsage } from './key-usage.ts'
import { leafExtensions } from './leaf-extensions.ts'
import { manyNames } from './many-names.ts'
import { mustStapleWithoutOcsp } from './must-staple-without-ocsp.ts'
import { noRevAvail } from './no-rev-avail.ts'
import { publicKey } from './public-key.ts'
import { sanCritical } from './san-critical.ts'
import { sanDnsNames } from './san-dns-names.ts'
import { sanDuplicates } from './san-duplicates.ts'
import { sanEmails } from './san-emails.ts'
import { sanPresent } from './san-present.ts'
import { sanTypes } from './san-types.ts'
import { sanUris } from './san-uris.ts'
import { serialShape } from './serial-shape.ts'
import { signatureAlgorithm } from './signature-algorithm.ts'
import { subjectIsSan } from './subject-is-san.ts'
import { subjectKeyId } from './subject-key-id.ts'
import { svidNames } from './svid-names.ts'
import { timeEncoding } from './time-encoding.ts'
import { tlsFeature } from './tls-feature.ts'
import { validityBackdating } from './validity-backdating.ts'
import { validityLength } from './validity-length.ts'
import { validityNesting } from './validity-nesting.ts'
import { validityOver47Days } from './validity-over-47-days.ts'
import { validityOver100Days } from './validity-over-100-days.ts'
import { validityOver200Days } from './validity-over-200-days.ts'

/**
 * Every rule that a leaf must pass before the issuing key is used. Two of the usual list are missing because the
 * parser refuses them before any rule is asked: repeated extensions (RFC 5280 §4.2) and encodings that are not DER.
 */
export const LINTS: readonly Lint[] = [
  serialShape,
  signatureAlgorithm,
  issuerNameBytes,
  validityLength,
  validityNesting,
  validityBackdating,
  timeEncoding,
  subjectIsSan,
  sanPresent,
  sanCritical,
  sanTypes,
  sanDuplicates,
  sanDnsNames,
  sanUris,
  sanEmails,
  svidNames,
  basicConstraints,
  keyUsage,
  extendedKeyUsage,
  leafExtensions,
  authorityKeyId,
  subjectKeyId,
  crlDistributionPoint,
  authorityInfoAccess,
  certificatePolicies,
  noRevAvail,
  tlsFeature,
  publicKey,
  mustStapleWithoutOcsp,
  validityOver200Days,
  validityOver100Days,
  validityOver47Days,
  manyNames,
]
