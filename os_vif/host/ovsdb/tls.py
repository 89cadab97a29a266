# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""TLS settings of a client of ovsdb-server (``ssl:`` of ovsdb(7))."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclasses.dataclass(frozen=True)
class Tls:
    """The PEM files of a client, and the checks of the server's certificate."""

    private_key: str
    certificate: str
    #: Certificate of the authority that must have signed the server's certificate.
    ca_certificate: str
    #: Compare the server's certificate with the address or ``server_name``. The programs of Open
    #: vSwitch do not compare names.
    check_hostname: bool = False
    #: Expected name in the server's certificate; empty means the IP address of the connection.
    server_name: str = ""

    def expected_name(self, host: str) -> str | None:
        """Return the name or address expected in a server's certificate; None without a check.

        :param host: the IP address of the server.
        """
        return self.server_name or host if self.check_hostname else None

    def context(self) -> ssl.SSLContext:
        """Return a TLS context with the client's files.

        :raises OSError: if a file cannot be used; the text names the file.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.check_hostname
        # RFC 6125, 6.4.4: only subjectAltName counts as a name.
        context.hostname_checks_common_name = False
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca_certificate)
        except OSError as error:
            raise OSError(f"{self.ca_certificate}: {error_text(error)}") from error
        try:
            context.load_cert_chain(self.certificate, self.private_key, _refuse_passphrase)
        except OSError as error:
            files = f"{self.certificate} with {self.private_key}"
            raise OSError(f"{files}: {error_text(error)}") from error
        return context


def _refuse_passphrase() -> str:
    """Raise an error for an encrypted key. Without this callback, OpenSSL asks at the terminal."""
    raise OSError("the private key is encrypted; expected one without a passphrase")


def is_encrypted(key: bytes) -> bool:
    """Return whether a private key in PEM format has a passphrase."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in key or b"Proc-Type: 4,ENCRYPTED" in key


def process_tls_settings() -> Tls | None:
    """Return the TLS files set process-wide through python-ovs, or None.

    A program that uses python-ovs calls ``ovs.stream.Stream.ssl_set_private_key_file()`` and two
    sibling functions. python-ovs is not imported here: only a program that has imported python-ovs
    can have set files. python-ovs has no functions that return the files.
    """
    stream = getattr(sys.modules.get("ovs.stream"), "Stream", None)
    files = (
        getattr(stream, "_SSL_private_key_file", None),
        getattr(stream, "_SSL_certificate_file", None),
        getattr(stream, "_SSL_ca_cert_file", None),
    )
    private_key, certificate, ca_certificate = files
    if not (private_key and certificate and ca_certificate):
        return None
    return Tls(private_key, certificate, ca_certificate)


def error_text(error: OSError) -> str:
    """Return the text of an error of a socket or of TLS.

    The number of a TLS error is not an errno, and the text is in the arguments.
    """
    return error.strerror or str(error) or type(error).__name__
