"""What TLS trusts and shows; nothing is taken from the environment: no authorities, and no log of session keys."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

from agent.errors import ConfigError

HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def trusting(ca_file: Path | None, *, otherwise: Path | None = None) -> ssl.SSLContext:
    """Trust the authorities of a file, else the system's, else, where it has none, those of `otherwise`, or nobody.

    It is not as strict with authorities as RFC 5280 is: those of companies often lack an extension.

    Raises:
        ConfigError: the file can't be read, or has no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        elif not _load_system(context) and otherwise is not None:
            context.load_verify_locations(otherwise)
    except OSError as error:
        raise ConfigError(f"{ca_file or otherwise}: {_no_certificate(error)}") from error
    return context


def lenient() -> ssl.SSLContext:
    """Trust whoever answers: some printers only have RSA key exchange and short keys, which Python leaves out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


def show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have a context show a certificate where one is asked for.

    Raises:
        ConfigError: one of the files can't be read, isn't PEM, or the key is encrypted or another certificate's.
    """
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _EncryptedKeyError as error:
        advice = f"take its passphrase off: openssl pkey -in {key} -out NEW, with umask 077"
        raise ConfigError(
            f"{key}: is encrypted, and nobody is there at start to give a passphrase; {advice}"
        ) from error
    except ssl.SSLError as error:
        reason = "does not belong to the certificate" if "MISMATCH" in str(error.reason) else _no_certificate(error)
        raise ConfigError(f"{certificate} and {key}: {reason}") from error
    except OSError as error:
        name = next((path for path in (certificate, key) if not os.access(path, os.R_OK)), certificate)
        raise ConfigError(f"{name}: {error.strerror or error}") from error


class _EncryptedKeyError(Exception):
    """Raised where OpenSSL asks for a passphrase."""


def _refuse_passphrase() -> str:
    raise _EncryptedKeyError


def _load_system(context: ssl.SSLContext) -> bool:
    """Trust whom OpenSSL was built to trust; whether there was anybody.

    Of a folder of authorities by hash nothing is read before a certificate is to be checked; to read the file, which
    has the same, takes every client a hundred milliseconds.
    """
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    if folder.is_dir() and any(HASHED.fullmatch(path.name) for path in folder.iterdir()):
        context.load_verify_locations(capath=folder)
        return True
    if file.is_file():
        context.load_verify_locations(file)
        return True
    return False


def _no_certificate(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "no certificate in PEM is in it"
    return error.strerror or str(error)
