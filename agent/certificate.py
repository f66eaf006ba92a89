"""An X.509 certificate in words, for whoever must find out why it is not trusted."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

NAMES_TOLD = 5
TEXT_LIMIT = 120
UNTRUSTED = "put the certificate of its authority, or of that of a proxy that looks into TLS, into ca_file"
ADVICE = {
    9: "is the clock of this box right?",
    10: "is the clock of this box right?",
    62: "it must be named as its certificate names it",
    64: "it must be named as its certificate names it",
}
"""What to do, by OpenSSL's X509_V_ERR_…: not yet valid, expired, other host, other address."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person looks for in a certificate.

    Attributes:
        names: the hosts and addresses that it is for.
        fingerprint: SHA-256 of the whole, as browsers and `openssl x509 -fingerprint` write it.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str

    def __str__(self) -> str:
        """Tell all of it in one line."""
        names = ", ".join(self.names[:NAMES_TOLD]) or "no host"
        more = f" and {len(self.names) - NAMES_TOLD} more" if len(self.names) > NAMES_TOLD else ""
        return (
            f"{self.subject}, issued by {self.issuer}, for {names}{more}, "
            f"valid {self.not_before:%Y-%m-%d %H:%M} to {self.not_after:%Y-%m-%d %H:%M} UTC, SHA-256 {self.fingerprint}"
        )


def parse_certificate(der: bytes) -> Certificate | None:
    """Read a certificate; None where it is none, or is too strange."""
    try:
        read = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=_plain(read.subject.rfc4514_string()) or "a nameless subject",
            issuer=_plain(read.issuer.rfc4514_string()) or "a nameless issuer",
            names=_names(read),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
            fingerprint=hashlib.sha256(der).hexdigest().upper(),
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType):
        return None


def told(error: ssl.SSLCertVerificationError, der: bytes | None) -> str:
    """Say why a certificate was refused, what was presented, and what to do; `der` is None where that is not known."""
    certificate = parse_certificate(der) if der else None
    presented = f"; presented was {certificate}" if certificate else ""
    return f"its certificate is refused: {error.verify_message}{presented}; {ADVICE.get(error.verify_code, UNTRUSTED)}"


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    return tuple(map(_plain, (*hosts, *map(str, found.get_values_for_type(x509.IPAddress)))))


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:TEXT_LIMIT]
