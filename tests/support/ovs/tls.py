# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A switch with a database reached by TLS."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from os_vif.host.ovsdb.tls import Tls
from testbed import ovs

OPTIONS = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def tls_switch(place, files: Tls, address: str = "127.0.0.1") -> Iterator[str]:
    """Run a switch with a certificate, and provide the TLS address of the database."""
    if missing := ovs.missing():
        pytest.skip(missing)
    port = free_port()
    options = (
        f"--private-key={files.private_key}",
        f"--certificate={files.certificate}",
        f"--ca-cert={files.ca_certificate}",
        f"--remote=pssl:{port}:{address}",
    )
    with ovs.Switch(place, server=options) as switch:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        yield f"ssl:{address}:{port}"
