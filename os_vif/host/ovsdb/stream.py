# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Messages to and from one ovsdb-server, each within a deadline.

python-ovs opens the stream, and nothing else of it is used. Its TLS settings are those of the
whole process. Its loop waits by select(2), which takes no descriptor above 1023, and spins while a
TLS handshake waits; it loses a character that comes in two parts; and its parser is half of the
time of a plug. A socket with a timeout has none of this, and is green where eventlet has patched.

Sources: RFC 7047, 4; ovsdb(7), "Connection Methods".
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import re
import selectors
import time
import weakref
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb import answers, remotes
from os_vif.host.ovsdb.remotes import PERMISSION_HINT
from os_vif.host.sockets import above_standard_streams

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from os_vif.host.ovsdb.schema import Schema

    Opener = Callable[[str, "Deadline"], socket.socket]

#: Seconds between two looks at a server whose queue of connections is full.
_PAUSE = 0.05
#: Bytes that are read at once.
_CHUNK = 65536
#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL, and what helps.
_MISMATCHES = (62, 64)
_NAME_HINT = (
    "[os_vif_ovs]ssl_check_hostname is on; ssl_server_name is the name to expect in place of the "
    "address"
)
#: What matters to find the end of a message.
_MARKS = re.compile(rb'[{}\[\]"\\]')


class Deadline:
    """A time that all calls of a plan share.

    :param seconds: from now on; 0 is never.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds if seconds else math.inf

    def left(self) -> float | None:
        """Seconds, or None for ever.

        :raises TimeoutError: if there are none.
        """
        if math.isinf(self._end):
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.seconds:g} seconds")
        return left

    def extend(self, seconds: float) -> None:
        """What somebody else has used does not count."""
        self._end += seconds

    def pause(self, seconds: float) -> None:
        """:raises TimeoutError: if it has passed, then or before."""
        left = self.left()
        time.sleep(seconds if left is None else min(seconds, left))
        self.left()

    def within(self, seconds: float) -> Deadline:
        """One that is no later than this, nor than so many seconds from now."""
        left = self.left()
        return Deadline(seconds if left is None else min(seconds, left))


@dataclasses.dataclass(frozen=True)
class Tls:
    """The files of a client of ``ssl:``, all in PEM."""

    private_key: str
    certificate: str
    #: Of the authority that the server's certificate has to be from.
    ca_certificate: str
    #: Whether the server's certificate has to be for its address or ``server_name``, too. The rest
    #: of Open vSwitch does not check that.
    check_hostname: bool = False
    #: The name that the certificate is for; empty is the IP address that is connected to.
    server_name: str = ""

    def expected_name(self, remote: str) -> str | None:
        """Return the name or address that a server's certificate has to be for, or None."""
        if not self.check_hostname:
            return None
        return self.server_name or remotes.host(remote)

    def context(self) -> ssl.SSLContext:
        """:raises OSError: if a file cannot be used; it is named."""
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.check_hostname
        # RFC 6125, 6.4.4: a name counts as subjectAltName only.
        context.hostname_checks_common_name = False
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca_certificate)
        except OSError as error:
            raise OSError(f"{self.ca_certificate}: {_reason(error)}") from error
        try:
            context.load_cert_chain(self.certificate, self.private_key, _no_password)
        except OSError as error:
            files = f"{self.certificate} with {self.private_key}"
            raise OSError(f"{files}: {_reason(error)}") from error
        return context


def _no_password() -> str:
    """Refuse to ask for the passphrase of a key; without this, OpenSSL asks at the terminal."""
    raise OSError("the private key is encrypted; expected one without a passphrase")


def is_encrypted(key: bytes) -> bool:
    """Return whether a private key in PEM has a passphrase."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in key or b"Proc-Type: 4,ENCRYPTED" in key


def of_process() -> Tls | None:
    """What another user of python-ovs in this process has set for all of it, if anything."""
    from ovs.stream import Stream

    files = (
        Stream._SSL_private_key_file,  # noqa: SLF001 - there is no other way to ask
        Stream._SSL_certificate_file,  # noqa: SLF001
        Stream._SSL_ca_cert_file,  # noqa: SLF001
    )
    return Tls(*files) if all(files) else None


class _Scanner:
    """Finds the end of a message that comes in parts, without reading a part twice."""

    def __init__(self) -> None:
        self.depth = 0
        self._quoted, self._escaped, self._seen = False, -1, 0

    def end(self, received: bytearray) -> int | None:
        """Return where the message ends; None if it does not yet.

        :raises OSError: if it is nested too deeply.
        """
        for mark in _MARKS.finditer(received, self._seen):
            at = mark.start()
            if at == self._escaped:
                continue
            match mark[0]:
                case b"\\":
                    self._escaped = at + 1
                case b'"':
                    self._quoted = not self._quoted
                case brace if not self._quoted:
                    self.depth += 1 if brace in b"{[" else -1
                    if self.depth > answers.MAX_DEPTH:
                        reason = "what answers is no OVSDB: it is nested too deeply"
                        raise OSError(errno.EPROTO, reason)
                    if self.depth <= 0:
                        return at + 1
        self._seen = len(received)
        return None


#: All streams of the process.
_open: weakref.WeakSet[Channel] = weakref.WeakSet()


def _in_child() -> None:
    """Close a forked child's copies: the server drops locks when the last copy is closed."""
    for channel in list(_open):
        channel.close()
    _open.clear()


os.register_at_fork(after_in_child=_in_child)


class Channel:
    """A stream of JSON-RPC messages. Not for several threads at once.

    :param remote: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``.
    :param opener: connects to the path of a socket that this process may not open.
    :raises TimeoutError: if it cannot be opened in time.
    :raises OSError: if it cannot be opened.
    """

    def __init__(
        self, remote: str, tls: Tls | None, deadline: Deadline, opener: Opener | None = None
    ) -> None:
        #: What its owners have seen, for those that come after them.
        self.memory: dict[Any, Any] = {}
        #: The schema of its database, once that was asked for.
        self.schema: Schema | None = None
        self._received = bytearray()
        #: What goes out with the next message.
        self._queued = b""
        #: What is raised where nothing has come yet.
        self._nothing: tuple[type[OSError], ...] = (BlockingIOError,)
        secured = remote.startswith("ssl:")
        if secured and tls is None:
            raise OSError("no private key, certificate and CA certificate are set for ssl:")
        context = None
        if secured and tls is not None:
            import ssl

            context = tls.context()
        name = remote.replace("ssl:", "tcp:", 1) if secured else remote
        try:
            opened = _connected(name, deadline)
        except PermissionError as error:
            if not name.startswith("unix:"):
                raise
            if opener is None:
                raise PermissionError(
                    error.errno, f"{error.strerror}: {PERMISSION_HINT}"
                ) from error
            opened = opener(name.removeprefix("unix:"), deadline)
        self._socket = above_standard_streams(opened)
        _open.add(self)
        if context is None:
            return
        try:
            self._socket.settimeout(deadline.left())
            # python-ovs shakes hands at each try to read; here it is done once, and told apart.
            self._socket = context.wrap_socket(
                self._socket,
                do_handshake_on_connect=False,
                server_hostname=tls.expected_name(remote) if tls is not None else None,
            )
            self._nothing = (BlockingIOError, ssl.SSLWantReadError)
            self._socket.settimeout(deadline.left())
            self._socket.do_handshake()
        except BaseException as error:
            self.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                hint = f" ({_NAME_HINT})" if error.verify_code in _MISMATCHES else ""
                raise OSError(f"{_reason(error)}{hint}") from error
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise OSError(_reason(error)) from error
            raise

    def close(self) -> None:
        self._socket.close()

    def is_open(self) -> bool:
        """Whether the other side has not closed it; it does not wait."""
        try:
            self._socket.settimeout(0)
            while data := self._socket.recv(_CHUNK):
                self._received += data
                if len(self._received) > _CHUNK:
                    # Nothing was asked: a probe and the answers to unlock are short.
                    return False
        except self._nothing:
            return True
        except OSError:
            pass
        return False

    def queue(self, message: dict[str, Any]) -> None:
        """Have it sent together with the next one."""
        self._queued += json.dumps(message).encode()

    def send(self, message: dict[str, Any], deadline: Deadline) -> None:
        """:raises OSError: if it cannot be sent, or not in time."""
        self.queue(message)
        self.flush(deadline)

    def flush(self, deadline: Deadline) -> None:
        """Send what is queued."""
        data, self._queued = self._queued, b""
        while data:
            self._socket.settimeout(deadline.left())
            data = data[self._socket.send(data) :]

    def wait(self, deadline: Deadline) -> bool:
        """Return whether a part of a message has come in time.

        :raises OSError: if the stream has ended.
        """
        try:
            if not self._received:
                self._read(deadline)
        except TimeoutError:
            return False
        return True

    def receive(self, deadline: Deadline) -> dict[str, Any]:
        """The next message.

        :raises TimeoutError: if it does not come in time.
        :raises OSError: if the stream has ended, or what comes is no message.
        """
        scanner = _Scanner()
        first = True
        while True:
            if len(self._received) > answers.MAX_MESSAGE:
                raise OSError(errno.EPROTO, "what answers is no OVSDB: a message is too long")
            # Most messages come whole; a longer one is not read again with each of its parts.
            if (first or len(self._received) < _CHUNK) and (whole := self._whole()) is not None:
                return whole
            first = False
            end = scanner.end(self._received)
            if end is not None:
                return self._take(end)
            if not scanner.depth and self._received.strip():
                raise OSError(errno.EPROTO, "what answers is no OVSDB: no JSON")
            self._read(deadline)

    def _read(self, deadline: Deadline) -> None:
        self._socket.settimeout(deadline.left())
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
        self._received += data

    def _whole(self) -> dict[str, Any] | None:
        """The first message, if all that has come is whole, as mostly: no brace is counted then."""
        if not self._received.endswith(b"}"):
            return None
        try:
            text = self._received.decode().lstrip()
            message, end = answers.DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict):
            return None
        self._received = bytearray(text[end:].encode())
        return message

    def _take(self, end: int) -> dict[str, Any]:
        data = bytes(self._received[:end])
        del self._received[:end]
        return answers.parse(data)


def _connected(name: str, deadline: Deadline) -> Any:
    """A socket that python-ovs has opened."""
    from ovs.stream import Stream

    while True:
        try:
            error, stream = Stream.open(name)
        except (ValueError, IndexError) as failure:
            # What python-ovs says of an address that cannot be one.
            raise OSError(str(failure) or type(failure).__name__) from failure
        if error != errno.EAGAIN:
            break
        # The queue of a server that stands still is full; so far it is only of unix sockets.
        deadline.pause(_PAUSE)
    if error:
        raise OSError(error, _open_reason(name, error))
    try:
        with selectors.DefaultSelector() as selector:
            while (error := stream.connect()) == errno.EAGAIN:
                selector.register(stream.socket, selectors.EVENT_WRITE)
                selector.select(deadline.left())
                selector.unregister(stream.socket)
    except BaseException:
        stream.close()
        raise
    if error:
        stream.close()
        raise OSError(error, _open_reason(name, error))
    # The stream would close it when nobody holds it any more.
    opened: socket.socket = stream.socket
    stream.socket = None
    return opened


def _open_reason(name: str, error: int) -> str:
    reason = os.strerror(error)
    if error == errno.ENOENT and name.startswith("unix:") and not name.startswith("unix:/"):
        import ovs.dirs

        return f"{reason}; a relative path begins in {ovs.dirs.RUNDIR}, python-ovs's directory"
    return reason


def _reason(error: OSError) -> str:
    # The number of an error of TLS is none of the system's, and its text is in its arguments.
    return error.strerror or str(error) or type(error).__name__
