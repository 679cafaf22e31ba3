/**
 * Keys whose private half stands in a published document or in widely copied source code, by the SHA-256 of their
 * SubjectPublicKeyInfo. People copy them into configurations; who asks for a certificate of one is not alone with it.
 */
export const PUBLISHED_KEYS: readonly { readonly spkiSha256: string; readonly source: string }[] = [
  {
    spkiSha256: '8fb6bad671cfe698393c453357da61b56d757ab8c0f3fb9c87f2849e63131878',
    source: 'RFC 9500 §2.1 testRSA2048',
  },
  {
    spkiSha256: 'b2b04340cfaee616ec9c2c62d261b208e54bb197498df52e8cadede23ac0ba5e',
    source: 'RFC 9500 §2.3 testECCP256',
  },
  {
    spkiSha256: '2bd1bb0c44a897c30a7aa0991cde38d8062fe441de50da0f46825344f602e827',
    source: 'RFC 7515 appendix A.3 (P-256)',
  },
  {
    spkiSha256: '51b944cdfa544d4c3273aa6bf350625a7dd53bbb6a71723274f538b19a207760',
    source: 'RFC 7517 appendix A.2 (P-256)',
  },
  {
    spkiSha256: '06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9',
    source: 'RFC 8032 §7.1 test 1, RFC 8037 appendix A.1 (Ed25519)',
  },
  {
    spkiSha256: 'a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f',
    source: 'RFC 8410 §10.3 (Ed25519)',
  },
  {
    spkiSha256: '389f9ede520dbc33d2aebc489246ad89e221d1ec15f693c348c58b08219367aa',
    source: 'Go standard library, net/http/internal/testcert (RSA)',
  },
  {
    spkiSha256: '226acd9b52f5731987d46521bbe02fa88045f9eb0c4a262690022d23cbb5eef2',
    source: 'Go standard library, crypto/tls example certificate (P-256)',
  },
]
