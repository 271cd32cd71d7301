"""Why no secure connection came about, and whether another try could mend that."""

from __future__ import annotations

import aiohttp

from bulkmove.transport.answers import Failure, Verdict

# What OpenSSL says of an answer that is none of TLS, in its several versions.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
# X509_V_ERR_… of OpenSSL, which are the same in all its versions.
_CERTIFICATES = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its chain ends in a self-signed one",
    20: "who issued it is not known here",
    21: "its chain is not whole",
    62: "it is made out to another name",
    64: "it is made out to another address",
}
_UNKNOWN_ISSUERS = (18, 19, 20, 21)


def tls_failure(error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError) -> Failure:
    """What happened before anything was sent. Of the exception only OpenSSL's own words are shown."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _of_certificate(error.certificate_error)
    reason = getattr(error.os_error, "reason", None)
    if reason in _NO_TLS:
        text = "it answers, but not with TLS: is http:// meant, or another port?"
        return Failure(Verdict.NOT_APPLIED, text, is_lasting=True)
    return Failure(Verdict.NOT_APPLIED, f"no TLS connection came about ({reason or type(error).__name__})")


def _of_certificate(error: Exception) -> Failure:
    code = getattr(error, "verify_code", 0)
    known = _CERTIFICATES.get(code)
    told = f"its certificate is not trusted{': ' + known if known else ''}"
    if code in _UNKNOWN_ISSUERS:
        told += " (the host's ca_file can name whom to trust)"
    return Failure(Verdict.NOT_APPLIED, told, is_lasting=True)
