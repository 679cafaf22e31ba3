/**
 * The issuers that certificates are of, as the derived table `by_issuer`: steps from one to the next through the key
 * (issuer_id, serial). They are few, and so no index has serials alone.
 */
export const BY_ISSUER = `
  WITH RECURSIVE by_issuer (id) AS (
    SELECT MIN(issuer_id) FROM certificates
    UNION ALL
    SELECT (SELECT MIN(issuer_id) FROM certificates WHERE issuer_id > by_issuer.id) FROM by_issuer
    WHERE by_issuer.id IS NOT NULL
  )`
