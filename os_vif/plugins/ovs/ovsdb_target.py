# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Address, timeout and TLS files of ovsdb-server, from the options of ``[os_vif_ovs]``.

Each error is an :class:`os_vif.exception.InvalidField` that names the option.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, Any

from os_vif import opts, vif_fields
from os_vif.host.ovsdb import remotes, tls
from os_vif.host.ovsdb.tls import Tls
from os_vif.steps.plan import OvsdbTarget

if TYPE_CHECKING:
    from os_vif import exception
    from os_vif.host.ovsdb.remotes import Opener

#: Options, with the names of Neutron: private key, certificate, certificate of the authority.
_TLS_OPTIONS = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")
#: A host name (RFC 1123) or an IP address.
_SERVER_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")


def read_target(config: Any, privsep_module: str | None) -> OvsdbTarget:
    """Return address, timeout and TLS files of ovsdb-server.

    :param privsep_module: module of the privileged daemon, which opens the socket with
        ``ovsdb_interface = vsctl``.
    :raises os_vif.exception.InvalidField: for an unusable option.
    """
    connection = config.ovsdb_connection or ""
    by_daemon = config.ovsdb_interface == "vsctl"
    if by_daemon and (not connection or isinstance(connection, opts.EmptyText)):
        # ovs-vsctl without --db connects to the default socket.
        connection = f"unix:{remotes.DEFAULT_SOCKET}"
    if (fault := remotes.fault(connection)) is not None:
        found = f"{connection}, {fault}" if connection.strip() else "unset"
        raise _invalid("ovsdb_connection", found, remotes.EXPECTED)
    return OvsdbTarget(
        connection,
        max(0, config.ovs_vsctl_timeout),
        _read_tls(config) if remotes.is_secured(connection) else None,
        wait=config.wait_for_vswitchd,
        opener=_daemon_opener(privsep_module) if by_daemon and privsep_module else None,
    )


def _daemon_opener(privsep_module: str) -> Opener:
    """Return the function that opens a socket through the privileged daemon of a module."""
    from os_vif.privsep import DaemonOpener

    return DaemonOpener(privsep_module)


def _read_tls(config: Any) -> Tls:
    """Return the TLS files of the options, or the files that python-ovs has for the process."""
    files = {option: getattr(config, option) for option in _TLS_OPTIONS}
    if not any(files.values()):
        if (settings := tls.process_tls_settings()) is None:
            expected = "files for ssl: in ovsdb_connection"
            raise _invalid(", ".join(_TLS_OPTIONS), "unset", expected)
        return dataclasses.replace(settings, **_expected_server(config))
    for option, path in files.items():
        _require_readable(option, path)
    return Tls(*files.values(), **_expected_server(config))


def _require_readable(option: str, path: str | None) -> None:
    """Raise an InvalidField unless the file of an option is readable and not encrypted."""
    expected = "a file that can be read, for ssl: in ovsdb_connection"
    if not path:
        raise _invalid(option, "unset", expected)
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise _invalid(option, f"{path}: {error.strerror}", expected) from error
    if option == _TLS_OPTIONS[0] and tls.is_encrypted(content):
        found = f"{path}: an encrypted key"
        raise _invalid(option, found, "a private key without a passphrase")


def _expected_server(config: Any) -> dict[str, Any]:
    """Return the arguments of Tls for the name in the server's certificate."""
    name = (config.ssl_server_name or "").strip()
    if name and not _SERVER_NAME.fullmatch(name):
        raise _invalid("ssl_server_name", repr(name), "a DNS name or an IP address")
    return {
        "check_hostname": config.ssl_check_hostname or bool(name),
        "server_name": name.removeprefix("[").removesuffix("]"),
    }


def _invalid(option: str, found: str, expected: str) -> exception.InvalidField:
    """Return the error of an option of ``[os_vif_ovs]``."""
    return vif_fields.invalid(f"[os_vif_ovs]{option}", found, expected)
