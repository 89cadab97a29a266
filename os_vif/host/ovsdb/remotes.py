# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses of servers in the option ``ovsdb_connection``, and the settings of a connection.

Source: ovsdb(7), "Connection Methods". Only the active methods are accepted. A host name is
refused: a look-up in DNS may block for longer than the deadline.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from os_vif.host.ovsdb.deadline import Deadline
    from os_vif.host.ovsdb.tls import Tls

    #: Connects to the path of a unix socket that the calling process may not open.
    Opener = Callable[[str, Deadline], socket.socket]

#: The default socket of ovsdb-server and of ovs-vsctl(8).
DEFAULT_SOCKET = "/run/openvswitch/db.sock"
#: Advice for a user without the permission to open the socket.
PERMISSION_HINT = (
    "this user may not open the socket; [os_vif_ovs]ovsdb_interface = vsctl has the privileged daemon "
    "open it"
)
#: The separator of two addresses. A comma inside a path is no separator.
_COMMA = re.compile(r"\s*,\s*(?=(?:unix|tcp|ssl):)")
_PORTS = 1 << 16
#: The expected value of an option with addresses, for an error.
EXPECTED = (
    "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, or several with commas, where HOST is an IP "
    "address (no host name) and PORT is 1 to 65535"
)


class Target(Protocol):
    """The address of a database; see :class:`os_vif.steps.plan.OvsdbTarget`."""

    @property
    def connection(self) -> str:
        """Addresses of the servers, separated by commas."""

    @property
    def timeout(self) -> float:
        """Seconds for all calls; 0 waits for ever."""

    @property
    def tls(self) -> Tls | None:
        """TLS settings for ``ssl:``."""

    @property
    def opener(self) -> Opener | None:
        """Connects to the path of a socket that this process may not open."""


def remotes(connection: str) -> list[str]:
    """Return the addresses in a connection string, without white space around each address."""
    return _COMMA.split(connection.strip())


def unix_paths(connection: str) -> list[str]:
    """Return the paths of the ``unix:`` addresses in a connection string."""
    return [
        remote.removeprefix("unix:")
        for remote in remotes(connection)
        if remote.startswith("unix:")
    ]


def is_secured(connection: str) -> bool:
    """Return whether a connection string has an ``ssl:`` address."""
    return any(remote.startswith("ssl:") for remote in remotes(connection))


def fault(connection: str) -> str | None:
    """Return why the first unusable address in a connection string is unusable, or None."""
    for remote in remotes(connection):
        if (reason := _fault(remote)) is not None:
            return reason if remote == connection.strip() else f"{remote!r}, {reason}"
    return None


def _fault(remote: str) -> str | None:
    method, colon, address = remote.partition(":")
    if not colon or method not in ("unix", "tcp", "ssl"):
        return "which begins with none of unix:, tcp: and ssl:"
    if not address:
        return f"which has no {'PATH' if method == 'unix' else 'HOST'}"
    return None if method == "unix" else _fault_of_address(address)


def _fault_of_address(address: str) -> str | None:
    name, port = _split(address)
    if not _is_address(name) and not (port is not None and _is_address(address)):
        return f"whose HOST {name!r} is no IP address"
    if port is None or not _is_address(name):
        return "which has no PORT"
    digits = port.lstrip("0")
    is_number = port.isascii() and port.isdecimal()
    if not is_number or len(digits) > len(str(_PORTS)) or not 0 < int(digits or 0) < _PORTS:
        return f"whose PORT {port!r} is not from 1 to 65535"
    return None


def _split(address: str) -> tuple[str, str | None]:
    """Return host and port of an address; None for a missing port."""
    name, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return address, None
    return name, port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(_bare(name))
    except ValueError:
        return False
    return True


def _bare(name: str) -> str:
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1]
    return name


def host(remote: str) -> str:
    """Return the IP address of a ``tcp:`` or ``ssl:`` server."""
    return _bare(_split(remote.partition(":")[2])[0])


def port(remote: str) -> int:
    """Return the TCP port of a ``tcp:`` or ``ssl:`` server."""
    return int(_split(remote.partition(":")[2])[1] or 0)
