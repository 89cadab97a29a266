# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Sockets to ovsdb-server: the active connection methods of ovsdb(7), from the standard library.

A socket has a timeout for each call and is cooperative where eventlet has patched the module
``socket``. Descriptors above 1023 work: no call uses select(2).

A forked child closes the sockets of its parent: ovsdb-server releases the locks of a connection
only when the last copy of the descriptor is closed.

Sources: ovsdb(7), "Connection Methods"; unix(7); ip(7).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import pathlib
import socket
import weakref
from typing import TYPE_CHECKING

from os_vif.host.ovsdb import remotes
from os_vif.host.ovsdb.tls import error_text
from os_vif.host.sockets import above_standard_streams

if TYPE_CHECKING:
    import ssl

    from os_vif.host.ovsdb.deadline import Deadline
    from os_vif.host.ovsdb.remotes import Opener
    from os_vif.host.ovsdb.tls import Tls

#: Seconds between two attempts to connect to a server with a full queue of connections.
_PAUSE = 0.05
#: Bytes of a path that the kernel accepts in an address: unix(7), ``sun_path`` without the NUL.
_MAX_PATH = 107
#: DSCP CS6, internetwork control, as the programs of Open vSwitch set on connections to a database.
_TRAFFIC_CLASS = 0xC0
#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL, and advice.
_MISMATCHES = (62, 64)
_NAME_HINT = (
    "[os_vif_ovs]ssl_check_hostname is on; ssl_server_name is the name to expect in place of the "
    "address"
)

#: All sockets of the process.
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _close_in_child() -> None:
    """Close a forked child's copies of the sockets."""
    for sock in list(_sockets):
        sock.close()
    _sockets.clear()


os.register_at_fork(after_in_child=_close_in_child)


def connect(
    remote: str, tls: Tls | None, deadline: Deadline, opener: Opener | None = None
) -> socket.socket:
    """Return a connected socket; for ``ssl:``, after the TLS handshake.

    :param remote: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``.
    :param opener: connects to the path of a socket that this process may not open.
    :raises TimeoutError: if the deadline passes.
    :raises OSError: if the connection cannot be opened.
    """
    method, _, address = remote.partition(":")
    match method:
        case "unix":
            return _connect_to_path(address, deadline, opener)
        case "tcp":
            return _connect_to_address(remote, deadline)
        case "ssl":
            if tls is None:
                raise OSError("no private key, certificate and CA certificate are set for ssl:")
            # The files are read before the server is contacted.
            context = tls.context()
            sock = _connect_to_address(remote, deadline)
            return _negotiate_tls(sock, context, tls.expected_name(remotes.host(remote)), deadline)
        case _:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))


def no_data_errors(remote: str) -> tuple[type[OSError], ...]:
    """Return the errors of a non-blocking ``recv()`` without data, on a connection to *remote*."""
    if not remote.startswith("ssl:"):
        return (BlockingIOError,)
    import ssl

    return (BlockingIOError, ssl.SSLWantReadError)


def rundir() -> str:
    """Return the directory of relative ``unix:`` paths, as for the programs of Open vSwitch."""
    return os.environ.get("OVS_RUNDIR") or str(pathlib.PurePath(remotes.DEFAULT_SOCKET).parent)


def _tracked(sock: socket.socket) -> socket.socket:
    """Register a socket for the close after a fork; return the socket."""
    moved = above_standard_streams(sock)
    _sockets.add(moved)
    return moved


def _connect_to_path(path: str, deadline: Deadline, opener: Opener | None) -> socket.socket:
    """Return a socket connected to a unix socket.

    :param path: absolute, or relative to :func:`rundir`.
    """
    sock = _tracked(socket.socket(socket.AF_UNIX))
    try:
        _connect_unix(sock, str(pathlib.PurePath(rundir(), path)), deadline)
    except PermissionError as error:
        sock.close()
        if opener is None:
            hint = f"{error.strerror}: {remotes.PERMISSION_HINT}"
            raise PermissionError(error.errno, hint) from error
        return _tracked(opener(path, deadline))
    except FileNotFoundError as error:
        sock.close()
        if path.startswith("/"):
            raise
        reason = f"{error.strerror}; a relative path begins in {rundir()} (variable OVS_RUNDIR)"
        raise FileNotFoundError(error.errno, reason) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_unix(sock: socket.socket, path: str, deadline: Deadline) -> None:
    """Connect to a path of any length."""
    if len(os.fsencode(path)) <= _MAX_PATH:
        _connect_when_accepted(sock, path, deadline)
        return
    # The kernel follows the link of the directory's descriptor.
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{descriptor}/{name}"
        if len(os.fsencode(short)) > _MAX_PATH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        _connect_when_accepted(sock, short, deadline)
    finally:
        os.close(descriptor)


def _connect_when_accepted(sock: socket.socket, path: str, deadline: Deadline) -> None:
    """Connect to a unix socket; retry while the server's queue of connections is full."""
    # Only a non-blocking socket reports a full queue: unix(7), EAGAIN.
    sock.settimeout(0)
    while True:
        try:
            sock.connect(path)
        except BlockingIOError:
            deadline.pause(_PAUSE)
        else:
            return


def _connect_to_address(remote: str, deadline: Deadline) -> socket.socket:
    """Return a socket connected to the address of a ``tcp:`` or ``ssl:`` server.

    Host names are refused: a look-up in DNS may block for longer than the deadline.
    """
    if (reason := remotes.fault(remote)) is not None:
        raise OSError(errno.EINVAL, f"{remote!r}, {reason}")
    host, port = remotes.host(remote), remotes.port(remote)
    is_ipv6 = ipaddress.ip_address(host).version == 6  # noqa: PLR2004 - the version of the protocol
    sock = _tracked(socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET))
    try:
        if is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS)
        sock.settimeout(deadline.seconds_left())
        sock.connect((host, port))
        # A request is one segment, which must not wait for the answer to the previous request.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _negotiate_tls(
    plain: socket.socket, context: ssl.SSLContext, name: str | None, deadline: Deadline
) -> socket.socket:
    """Return the TLS socket of a connection, after the handshake.

    :param name: the name expected in the server's certificate; None without a check.
    """
    import ssl

    sock = plain
    try:
        plain.settimeout(deadline.seconds_left())
        # A handshake at connect would start before the socket is registered for forks.
        sock = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=name)
        _sockets.add(sock)
        sock.settimeout(deadline.seconds_left())
        sock.do_handshake()
    except BaseException as error:
        sock.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = f" ({_NAME_HINT})" if error.verify_code in _MISMATCHES else ""
            raise OSError(f"{error_text(error)}{hint}") from error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise OSError(error_text(error)) from error
        raise
    return sock
