# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The messages between the shared privileged daemon and its callers.

A message is a list in msgpack, after the length in 4 bytes of big-endian order. A connection begins
with a ``hello`` of the caller and a ``hello`` of the daemon. A caller then sends a call at a time::

    ["call", module, function, network namespace, [argument, ...]]

The daemon answers a call with ``started`` before the first change, and with ``answer`` at the end.
A call without ``started`` has made no change. ``refused`` replaces ``started``, or the ``hello`` of
the daemon.
"""

from __future__ import annotations

import functools
import importlib.metadata
import struct
from collections.abc import Iterator
from typing import Any, TypedDict

import msgpack

#: The version of the protocol. Caller and daemon must have the same version.
PROTOCOL = 1
#: Maximal size in bytes of a message to the daemon, and of an answer.
MAX_CALL, MAX_ANSWER = 4 * 2**20, 64 * 2**20
#: The kinds of messages: the first item of each list.
HELLO, CALL, STARTED, ANSWER, REFUSED = "hello", "call", "started", "answer", "refused"
#: The reasons of a refusal. After ``RETRY`` the caller connects again, until its deadline.
RETRY, DENIED, NAMESPACE, BUSY, MALFORMED, VERSION = (
    "retry",
    "denied",
    "namespace",
    "busy",
    "malformed",
    "version",
)
_LENGTH = struct.Struct(">I")


class Status(TypedDict):
    """The description of a daemon, in ``hello``."""

    pid: int
    #: The network namespace of the daemon, as ``os_vif.host.netlink.rtnetlink`` identifies it.
    netns: str
    #: The names of the effective capabilities, such as ``CAP_NET_ADMIN``.
    capabilities: list[str]
    #: Import paths of the modules that callers may name.
    modules: list[str]


class MalformedMessageError(Exception):
    """A message that the other side cannot have sent. The connection must be closed."""


@functools.cache
def version() -> str:
    """Return the release of os-vif."""
    return importlib.metadata.version("os-vif")


def encode(message: list[Any]) -> bytes:
    """Encode a message, with the length."""
    body: bytes = msgpack.packb(message, use_bin_type=True, unicode_errors="surrogateescape")
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Splits received bytes into messages.

    :param limit: the maximal size of a message in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def messages(self) -> Iterator[list[Any]]:
        """Yield each complete message.

        :raises MalformedMessageError: for bytes that are no message, or for a message above the
            limit.
        """
        while (message := self.next_message()) is not None:
            yield message

    def next_message(self) -> list[Any] | None:
        """Return the next message, or None if the message is incomplete.

        :raises MalformedMessageError: as :meth:`messages`.
        """
        buffer = self._buffer
        if len(buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(buffer)
        if size > self._limit:
            raise MalformedMessageError(
                f"found a message of {size} bytes; expected at most {self._limit} bytes"
            )
        end = _LENGTH.size + size
        if len(buffer) < end:
            return None
        body = bytes(memoryview(buffer)[_LENGTH.size : end])
        del buffer[:end]
        return _decode(body)


def _decode(body: bytes) -> list[Any]:
    try:
        message = msgpack.unpackb(
            body,
            use_list=False,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogateescape",
            ext_hook=_refuse_extension,
        )
    except Exception as error:  # msgpack raises errors of many classes
        raise MalformedMessageError(f"found no msgpack data: {type(error).__name__}") from error
    if not isinstance(message, tuple) or not message or not isinstance(message[0], str):
        raise MalformedMessageError("found msgpack data of another type; expected a list")
    return list(message)


def _refuse_extension(code: int, _: bytes) -> Any:
    raise MalformedMessageError(f"found an extension type {code}")


def describe_versions(caller: tuple[int, str], daemon: tuple[int, str]) -> str:
    """Return the refusal of a caller or a daemon with another version of the protocol.

    :param caller: the protocol and the release of the caller.
    :param daemon: the protocol and the release of the daemon.
    """
    older = "caller" if caller[0] < daemon[0] else "daemon"
    what = (
        "restart the program that calls, with the release of the daemon"
        if older == "caller"
        else "restart os-vif-privileged with the release of the caller"
    )
    return (
        f"the {older} is too old: the caller is os-vif {caller[1]} (protocol {caller[0]}), the "
        f"shared privileged daemon os-vif {daemon[1]} (protocol {daemon[0]}); expected the same "
        f"protocol: {what}"
    )
