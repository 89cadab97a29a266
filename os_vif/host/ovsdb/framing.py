# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Framing of JSON-RPC messages in a stream of bytes, without a socket.

RFC 7047, 4: messages are JSON objects, one after the other, with optional white space between
them. The end of a message is known only from the JSON text.
"""

from __future__ import annotations

import errno
import hashlib
import re
from typing import Any

from os_vif.host.ovsdb import replies

#: A buffer above this size is not parsed again for each part that arrives.
_SHORT = 65536
#: The bytes of attempts to decode a message, as a multiple of the size of the buffer.
_ATTEMPTS = 3
#: The size of a digest in bytes.
_DIGEST = 16
#: The bytes that decide where a JSON text ends.
_MARKS = re.compile(rb'[{}\[\]"\\]')


class _EndScanner:
    """Finds the end of a JSON text that arrives in parts. Each byte is scanned once."""

    def __init__(self) -> None:
        self.depth = 0
        self._is_quoted, self._escaped_at, self._scanned = False, -1, 0

    def find_end(self, buffer: bytearray) -> int | None:
        """Return the end of the JSON text at the start of a buffer; None if incomplete.

        :raises OSError: ``EPROTO`` if the text is nested too deeply.
        """
        for mark in _MARKS.finditer(buffer, self._scanned):
            at = mark.start()
            if at == self._escaped_at:
                continue
            match mark[0]:
                case b"\\":
                    self._escaped_at = at + 1
                case b'"':
                    self._is_quoted = not self._is_quoted
                case brace if not self._is_quoted:
                    self.depth += 1 if brace in b"{[" else -1
                    if self.depth > replies.MAX_DEPTH:
                        reason = "the answer is no OVSDB: a message is nested too deeply"
                        raise OSError(errno.EPROTO, reason)
                    if self.depth <= 0:
                        return at + 1
        self._scanned = len(buffer)
        return None


class JsonFramer:
    """Splits a stream of bytes into JSON objects."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanner = _EndScanner()
        self._was_decoded = False
        #: The bytes of the attempts to decode the message in the buffer.
        self._attempted = 0

    def __len__(self) -> int:
        """Return the number of bytes in the buffer."""
        return len(self._buffer)

    def digest(self) -> bytes | None:
        """Return a digest of the buffer, if the buffer may end with the end of a message."""
        if not self._buffer.endswith(b"}"):
            return None
        return hashlib.blake2b(self._buffer, digest_size=_DIGEST).digest()

    def take(self) -> bytes:
        """Remove and return the content of the buffer."""
        data = bytes(self._buffer)
        self._buffer.clear()
        self._scanner, self._was_decoded, self._attempted = _EndScanner(), False, 0
        return data

    def feed(self, data: bytes) -> None:
        """Append received bytes to the buffer."""
        self._buffer += data

    def next_message(self, *, scan: bool = False) -> dict[str, Any] | None:
        """Remove the first message from the buffer and return the message; None if incomplete.

        A long message is complete when the buffer can be decoded, which is faster than a scan for
        the end. Attempts together decode four times the bytes of the buffer at most.

        :param scan: also find a long message that is followed by a part of the next message.
        :raises OSError: ``EPROTO`` if the bytes are not JSON objects, or a message is too long or
            nested too deeply.
        """
        if len(self._buffer) > replies.MAX_MESSAGE:
            raise OSError(errno.EPROTO, "the answer is no OVSDB: a message is too long")
        size = len(self._buffer)
        if not self._was_decoded or size < _SHORT or self._attempted <= _ATTEMPTS * size:
            self._was_decoded = True
            if (message := self._decode_fast()) is not None:
                return self._begin_next(message)
            if not scan and size >= _SHORT and self._buffer.startswith(b"{"):
                return None
        end = self._scanner.find_end(self._buffer)
        if end is not None:
            data = bytes(self._buffer[:end])
            del self._buffer[:end]
            return self._begin_next(replies.parse(data))
        if not self._scanner.depth and self._buffer.strip():
            raise OSError(errno.EPROTO, "the answer is no OVSDB: no JSON")
        return None

    def _begin_next(self, message: dict[str, Any]) -> dict[str, Any]:
        """Reset the state of the scanner; return *message*."""
        self._scanner, self._was_decoded, self._attempted = _EndScanner(), False, 0
        return message

    def _decode_fast(self) -> dict[str, Any] | None:
        """Decode the start of the buffer as JSON text, without a scan; None if incomplete.

        Most messages arrive in one part. The scan of a message takes longer than the parser.
        """
        if not self._buffer.endswith(b"}"):
            return None
        self._attempted += len(self._buffer)
        try:
            text = self._buffer.decode().lstrip()
            message, end = replies.DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict):
            return None
        self._buffer = bytearray(text[end:].encode())
        return message
