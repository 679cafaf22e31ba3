"""Verifies leaves with pyca/cryptography, which shares no code with OpenSSL or Chancery in building and checking paths.

Standard input is a JSON array of {root, intermediates, leaf, crl?, purpose, name?}, files being PEM. Standard output is
a JSON array of one sentence each: "valid", "revoked CODE" or why not.
"""

import ipaddress
import json
import sys

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError


# RFC 5280 section 5.3.1
CODES = {
    x509.ReasonFlags.unspecified: 0,
    x509.ReasonFlags.key_compromise: 1,
    x509.ReasonFlags.affiliation_changed: 3,
    x509.ReasonFlags.superseded: 4,
    x509.ReasonFlags.cessation_of_operation: 5,
    x509.ReasonFlags.privilege_withdrawn: 9,
}


def read(path, load):
    with open(path, "rb") as file:
        return load(file.read())


def certificate(path):
    return read(path, x509.load_pem_x509_certificate)


def subject(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def judge(case):
    leaf = certificate(case["leaf"])
    builder = PolicyBuilder().store(Store([certificate(case["root"])]))
    if case["purpose"] == "serverAuth":
        verifier = builder.build_server_verifier(subject(case["name"]))
    else:
        verifier = builder.build_client_verifier()
    try:
        chain = verifier.verify(leaf, [certificate(path) for path in case["intermediates"]])
    except VerificationError as error:
        return f"not valid: {error}"
    chain = chain if isinstance(chain, list) else chain.chain
    if "crl" not in case:
        return "valid"
    crl = read(case["crl"], x509.load_pem_x509_crl)
    if not crl.is_signature_valid(chain[1].public_key()) or crl.issuer != leaf.issuer:
        return "the CRL is not of the issuer"
    if crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value.full_name != (
        leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name
    ):
        return "the CRL is from another address"
    entry = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
    if entry is None:
        return "valid"
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = x509.ReasonFlags.unspecified
    return f"revoked {CODES[reason]}"


print(json.dumps([judge(case) for case in json.load(sys.stdin)]))
