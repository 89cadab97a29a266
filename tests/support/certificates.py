# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Certificates for tests, made by openssl(1), a requirement of Open vSwitch."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Sequence

from os_vif.host.ovsdb.tls import Tls


class Authority:
    """A certificate authority for tests.

    :param directory: the directory for the files of the authority.
    """

    def __init__(self, directory: pathlib.Path, name: str) -> None:
        self._directory, self._name = directory, name
        self.certificate = directory / f"{name}.pem"
        self._openssl(
            "req", "-x509", *self._new(name), "-out", str(self.certificate), "-days", "9"
        )

    def give(self, name: str, *alternatives: str) -> Tls:
        """Return a key, the certificate of the key, and the certificate of the authority.

        :param alternatives: names of the subject, such as ``DNS:example.org`` or ``IP:127.0.0.1``.
        """
        place = self._directory
        request, certificate = place / f"{name}.csr", place / f"{name}.crt"
        self._openssl("req", *self._new(name), "-out", str(request))
        self._openssl(
            *("x509", "-req", "-in", str(request), "-out", str(certificate), "-days", "9"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key(self._name))),
            *("-set_serial", str(len(name) + 1)),
            *(("-extfile", str(self._extension(name, alternatives))) if alternatives else ()),
        )
        return Tls(str(self._key(name)), str(certificate), str(self.certificate))

    def _extension(self, name: str, alternatives: Sequence[str]) -> pathlib.Path:
        path = self._directory / f"{name}.ext"
        path.write_text(f"subjectAltName = {', '.join(alternatives)}\n")
        return path

    def _key(self, name: str) -> pathlib.Path:
        return self._directory / f"{name}.key"

    def _new(self, name: str) -> tuple[str, ...]:
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*kind, "-keyout", str(self._key(name)), "-subj", f"/CN={name}")

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
