# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A scanner that finds the ends of JSON values in a stream, without decoding the values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

#: The maximum size of an object. Kubernetes stores no object above 1.5 MiB.
MAX_OBJECT_BYTES = 16 * 2**20
_READ_BYTES = 2**18
#: The byte order mark of UTF-8.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_SPACE = re.compile(rb"[ \t\r\n]*")
#: Tokens up to a bracket, or to a string without an end in the window.
_TO_BRACKET = re.compile(rb'[^][{}"]*(?:"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"[^][{}"]*)*')
#: Characters of a string. JSON allows no line feed in a string.
_STRING_CHARACTERS = re.compile(rb"[^\"\\\n]*(?:\\[^\n][^\"\\\n]*)*")
_SCALAR = re.compile(rb"[^][{},\s]*")
_ITEMS = re.compile(rb'[{,]\s*"items"\s*:\Z')
_DOCUMENT = re.compile(rb'\{\s*(?:"\$schema"\s*:\s*"[^"]*"\s*,\s*)?"apiVersion"\s*:\s*"os-vif/')
#: The bytes allowed before a nested object or array.
_BEFORE_NESTED = (b"[", b",", b":")
_CLOSING = {b"{": b"}", b"[": b"]"}


class Chunk(NamedTuple):
    """A part of the input. All chunks, joined, are the input without byte order marks."""

    data: bytes
    #: The number of the first line of the chunk, starting with 1.
    line: int
    #: True for an object, also an invalid one; False for separators between objects.
    is_object: bool


class StructureError(Exception):
    """The input cannot be split into objects.

    :param line: the line of the error, starting with 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class JSONSyntaxError(Exception):
    """A value whose end cannot be found."""


class Scanner:
    """A window on the input, and a position that advances token by token.

    ``data[start:position]`` is scanned, and becomes the next chunk: see :meth:`take`.

    :param read: returns at most the given number of bytes; no bytes at the end of the input.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.data = b""
        self.start = self.position = 0
        self._is_ended = False
        #: The line of ``start``.
        self.line = 1
        #: The maximum nesting of an object.
        self.max_depth = 0

    # The window

    def read_more(self) -> bool:
        """Move the window forward to ``start``, and append input; return False at the end.

        :raises StructureError: if the window already contains :data:`MAX_OBJECT_BYTES`.
        """
        if len(self.data) - self.start > MAX_OBJECT_BYTES:
            raise StructureError(
                self.line,
                f"the object has more than {MAX_OBJECT_BYTES >> 20} MiB",
            )
        # A terminal would ask for more input after its end.
        more = b"" if self._is_ended else self._read(_READ_BYTES)
        self._is_ended = not more
        self.data = self.data[self.start :] + more
        self.position -= self.start
        self.start = 0
        return bool(more)

    def read_ahead(self, size: int) -> bytes:
        """Return the next *size* bytes, fewer at the end of the input."""
        while len(self.data) < self.position + size and self.read_more():
            pass
        return self.data[self.position : self.position + size]

    def read_all(self) -> None:
        """Advance to the end of the input."""
        while self.read_more():
            pass
        self.position = len(self.data)

    @property
    def scanned(self) -> bytes:
        """The bytes from ``start`` to ``position``."""
        return self.data[self.start : self.position]

    @property
    def current_line(self) -> int:
        """The line of ``position``."""
        return self.line + self.data.count(b"\n", self.start, self.position)

    def take(self, *, is_object: bool) -> tuple[Chunk, ...]:
        """Return the scanned bytes as a chunk, if there are any, and start the next chunk."""
        data = self.data[self.start : self.position]
        if not data:
            return ()
        chunk = Chunk(data, self.line, is_object)
        self.line += data.count(b"\n")
        self.start = self.position
        return (chunk,)

    # Tokens

    def _skip(self, pattern: re.Pattern[bytes]) -> bytes:
        """Advance past a match; return the next byte, or none at the end of the window."""
        if match := pattern.match(self.data, self.position):
            self.position = match.end()
        return self.data[self.position : self.position + 1]

    def skip_space(self) -> bytes:
        """Advance past white space; return the next byte, or none at the end of the input."""
        while not (byte := self._skip(_SPACE)) and self.read_more():
            pass
        return byte

    def skip_byte_order_mark(self) -> bool:
        """Leave out a byte order mark, as in joined files; return whether there was a mark."""
        has_mark = self.read_ahead(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        if has_mark:
            self.start = self.position = self.position + len(BYTE_ORDER_MARK)
        return has_mark

    def scan_value(self) -> None:
        """Advance past a value.

        :raises JSONSyntaxError: if there is no value, or no end of the value.
        """
        first = self.data[self.position : self.position + 1]
        if first and first in b"{[":
            self.position += 1
            self.scan_to_closing([_CLOSING[first]])
        elif first == b'"':
            self._scan_string()
        else:
            size = len(self.scanned)
            while not self._skip(_SCALAR) and self.read_more():
                pass
            if len(self.scanned) == size:
                raise JSONSyntaxError(f"found {describe_byte(first)}; expected an object")

    def _scan_string(self) -> None:
        """Advance past a string."""
        self.position += 1
        while (byte := self._skip(_STRING_CHARACTERS)) != b'"':
            # The second byte of an escape sequence may be outside the window.
            is_at_end = self.position + len(byte) == len(self.data)
            if not is_at_end or not self.read_more():
                raise JSONSyntaxError("a string that is not closed")
        self.position += 1

    def scan_object(self) -> bool:
        """Advance past an object, or to the array ``items`` of a list of Kubernetes.

        :returns: True at such an array.
        :raises JSONSyntaxError: if there is no end of the object.
        """
        self.position += 1
        return self.scan_to_closing([b"}"], stops_at_items=True)

    def scan_to_closing(self, closing: list[bytes], *, stops_at_items: bool = False) -> bool:
        """Advance past closing brackets.

        :param closing: the brackets, the outermost first.
        :param stops_at_items: stop at the array ``items`` of a list of Kubernetes.
        :returns: True at such an array.
        :raises JSONSyntaxError: for another bracket, or at the end of the input.
        """
        previous = self.position - self.start - 1
        while closing:
            # Brackets are the most frequent tokens: _skip() is inlined.
            match = _TO_BRACKET.match(self.data, self.position)
            position = match.end() if match else self.position
            byte = self.data[position : position + 1]
            self.position = position
            if byte in _CLOSING:
                before = self.data[self.start + previous : position].rstrip()
                if before[-1:] not in _BEFORE_NESTED or len(closing) > self.max_depth:
                    found = describe_byte(byte)
                    raise JSONSyntaxError(f"found {found}; expected a comma, or nothing")
                is_member = stops_at_items and len(closing) == 1 and byte == b"["
                if is_member and _ITEMS.search(before) and not self._is_document():
                    return True
                closing.append(_CLOSING[byte])
            elif byte == b'"':
                self._scan_string()
                continue
            elif byte:
                if byte != closing.pop():
                    raise JSONSyntaxError(f"found {describe_byte(byte)} for another bracket")
            elif self.read_more():
                continue
            else:
                raise JSONSyntaxError("the input ends before the closing bracket")
            previous = position - self.start
            self.position = position + 1
        return False

    def _is_document(self) -> bool:
        """Return whether the object is a document. Newer documents may have a field ``items``."""
        return _DOCUMENT.match(self.data, self.start) is not None


def describe_byte(byte: bytes) -> str:
    """Return a byte as it is shown in an error."""
    return repr(byte.decode("ascii", "backslashreplace")) if byte else "the end"
