# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Where one JSON object ends and the next begins, in input of any length.

The input is objects one after the other, on a line each or not; a list of Kubernetes, as
``kubectl get -o json`` prints it; or an array. No more than one object is held at a time, and
what is not understood of one does not matter for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from os_vif import exception
from os_vif.serialization import json_text

#: The longest object, in bytes. Kubernetes stores none above 1.5 MiB.
LONGEST = 16 * 2**20
_CHUNK = 2**18
#: How much of what is no JSON is shown, in bytes.
_SHOWN = 40
#: An object that nests deeper is taken up to the next line that begins one; in a list there is no
#: such line, so the whole object is scanned, and its reader refuses it.
_DEEPEST, _DEEPEST_IN_LIST = 100, 100_000
#: How deep lists and arrays of objects may nest, as ``jq -s`` nests them.
_LISTS = 8
#: The byte order mark of UTF-8.
_MARK = b"\xef\xbb\xbf"

_SPACE = re.compile(rb"[ \t\r\n]*")
#: Up to a bracket, or to a string that does not end here. No string of JSON has a line feed.
_TO_BRACKET = re.compile(rb'[^][{}"]*(?:"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"[^][{}"]*)*')
_STRING = re.compile(rb'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*')
_SCALAR = re.compile(rb"[^][{},\s]*")
_ITEMS = re.compile(rb'[{,]\s*"items"\s*:\s*\Z')
_DOCUMENT = re.compile(rb'\{\s*(?:"\$schema"\s*:\s*"[^"]*"\s*,\s*)?"apiVersion"\s*:\s*"os-vif/')
_LINE = re.compile(rb"[^\r\n]*")
_NEXT_LINE = re.compile(rb"\n(?=(?:\xef\xbb\xbf)?\{)")
#: What stands before an object or an array inside another.
_BEFORE = (b"[", b",", b":")
_CLOSING = {b"{": b"}", b"[": b"]"}


class StructureError(Exception):
    """The input as a whole cannot be understood.

    :param line: where, beginning with 1.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class Piece(NamedTuple):
    """A part of the input. All of them, joined, are the input."""

    data: bytes
    #: The line that it begins on.
    line: int
    #: Whether it is an object, or what should be one; else it is what stands between them.
    is_object: bool


class _BrokenError(Exception):
    """A value of which nobody can say where it ends."""


class Splitter:
    """The pieces of an input.

    :param read: gives some more bytes, at most as many as it is asked for; none at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._data = b""
        #: Of the next piece, and of what is to be looked at next.
        self._start = self._at = 0
        self._line = 1
        self._ended = False
        self._deepest = _DEEPEST

    def __iter__(self) -> Iterator[Piece]:
        """:raises StructureError: for what cannot be split."""
        yield from self._beginning()
        while first := self._peek():
            yield from self._take(is_object=False)
            if first == _MARK[:1] and self._skip_mark():
                continue
            self._deepest = _DEEPEST
            try:
                if first == b"[":
                    yield from self._list([])
                elif first == b"{" and self._scan([], until_items=True):
                    yield from self._list([b"}"])
                elif first == b"{":
                    yield from self._take(is_object=True)
                else:
                    yield from self._broken()
            except _BrokenError:
                yield from self._broken()
        yield from self._take(is_object=False)

    # The buffer

    def _more(self) -> bool:
        if len(self._data) - self._start > LONGEST:
            raise StructureError(
                self._line, f"the object that begins here has more than {LONGEST >> 20} MiB"
            )
        chunk = b"" if self._ended else self._read(_CHUNK)
        self._ended = not chunk
        self._data = self._data[self._start :] + chunk
        self._at -= self._start
        self._start = 0
        return not self._ended

    def _take(self, *, is_object: bool) -> Iterator[Piece]:
        """Give out what was looked at."""
        if self._at > self._start:
            data = self._data[self._start : self._at]
            line = self._line
            self._line += data.count(b"\n")
            self._start = self._at
            yield Piece(data, line, is_object)

    def _peek(self) -> bytes:
        """The next byte that is no white space; none at the end."""
        while True:
            match = _SPACE.match(self._data, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                return b""

    def _here(self) -> int:
        """The line of what is looked at."""
        return self._line + self._data.count(b"\n", self._start, self._at)

    # What it is made of

    def _beginning(self) -> Iterator[Piece]:
        while len(self._data) < 4 and self._more():  # noqa: PLR2004 - one character of UTF-32
            pass
        head = self._data[:4]
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise StructureError(1, "this is UTF-16 or UTF-32; expected UTF-8")
        if head.startswith(_MARK):
            # RFC 8259, section 8.1: it may be there, and is not to be written.
            self._start = self._at = 3
        first = self._peek()
        if not first:
            raise StructureError(1, "there is nothing in it")
        if first in b"{[":
            return
        if b" " <= first <= b"~":
            while len(self._data) < self._at + _SHOWN and self._more():
                pass
            line = _LINE.match(self._data, self._at)
            shown = line[0][:_SHOWN].decode("utf-8", "backslashreplace") if line else ""
            raise StructureError(self._here(), f"this begins with {shown!r}; expected JSON")
        # One object, in a form that is no JSON.
        while self._more():
            pass
        self._at = len(self._data)
        yield from self._take(is_object=True)

    def _list(self, around: list[bytes], depth: int = 0) -> Iterator[Piece]:
        """The members of an array, at whose bracket we are, and what is around it.

        :param around: what is to be closed after it.
        :param depth: in how many lists it is.
        """
        line = self._line
        self._deepest = _DEEPEST_IN_LIST
        self._at += 1
        head = self._data[self._start : self._at]
        yield from self._take(is_object=False)
        try:
            yield from self._members(depth)
            # At the closing bracket.
            self._at += 1
            self._scan(around)
        except _BrokenError as error:
            raise StructureError(self._here(), f"the list is no JSON: {error}") from None
        tail = self._data[self._start : self._at]
        yield from self._take(is_object=False)
        try:
            json_text.parse(head + tail)
        except exception.MalformedDocument as error:
            raise StructureError(line, f"around the list: {error}") from None

    def _member(self, depth: int) -> Iterator[Piece]:
        """Yield a member of an array: an object, or what is in a list or an array."""
        first = self._data[self._at : self._at + 1]
        if depth < _LISTS and first == b"[":
            yield from self._list([], depth + 1)
        elif depth < _LISTS and first == b"{":
            if self._scan([], until_items=True):
                yield from self._list([b"}"], depth + 1)
            else:
                yield from self._take(is_object=True)
        else:
            self._scan_value()
            yield from self._take(is_object=True)

    def _skip_mark(self) -> bool:
        """Leave out a byte order mark, as between files that were joined; say if there was one."""
        while len(self._data) < self._at + len(_MARK) and self._more():
            pass
        found = self._data.startswith(_MARK, self._at)
        if found:
            self._start = self._at = self._at + len(_MARK)
        return found

    def _members(self, depth: int) -> Iterator[Piece]:
        if self._peek() != b"]":
            while True:
                yield from self._take(is_object=False)
                if self._peek() == _MARK[:1]:
                    self._skip_mark()
                    self._peek()
                yield from self._member(depth)
                if self._peek() != b",":
                    break
                self._at += 1
                self._peek()
        if (found := self._peek()) != b"]":
            raise _BrokenError(f"found {_shown(found)}; expected a comma or the end of the list")
        yield from self._take(is_object=False)

    def _scan_value(self) -> None:
        """Look at one value to its end."""
        first = self._data[self._at : self._at + 1]
        if first and first in b"{[":
            self._at += 1
            self._scan([_CLOSING[first]])
        elif first == b'"':
            self._scan_string()
            self._at += 1
        else:
            while (match := _SCALAR.match(self._data, self._at)) and match.end() == len(
                self._data
            ):
                if not self._more():
                    break
            if not match or match.end() == self._at:
                raise _BrokenError(f"found {_shown(first)}; expected an object")
            self._at = match.end()

    def _scan_string(self) -> None:
        """Look at a string that does not end in what is there, up to its end."""
        while match := _STRING.match(self._data, self._at):
            end = match.end()
            found = self._data[end : end + 1]
            if found == b'"':
                self._at = end
                return
            # A backslash that is the last byte belongs to the next.
            if end + len(found) < len(self._data) or not self._more():
                break
        raise _BrokenError("a string that is not closed")

    def _scan(self, closing: list[bytes], *, until_items: bool = False) -> bool:
        """Look at all up to the brackets that are to be closed.

        :param closing: those brackets, the outermost first; none at the beginning of an object.
        :param until_items: stop at the array of a list of Kubernetes.
        :returns: whether it is there.
        """
        if until_items:
            closing = [b"}"]
            self._at += 1
        last = self._at - self._start - 1
        while closing:
            match = _TO_BRACKET.match(self._data, self._at)
            self._at = match.end() if match else self._at
            found = self._data[self._at : self._at + 1]
            if not found:
                if not self._more():
                    raise _BrokenError("it ends before this is closed")
            elif found == b'"':
                self._scan_string()
                self._at += 1
            elif found in b"}]":
                if found != closing.pop():
                    raise _BrokenError(f"found {_shown(found)} for another bracket")
                last = self._at - self._start
                self._at += 1
            else:
                before = self._data[self._start + last : self._at]
                if before.rstrip()[-1:] not in _BEFORE or len(closing) > self._deepest:
                    raise _BrokenError(f"found {_shown(found)}; expected a comma, or nothing")
                is_outermost = until_items and len(closing) == 1 and found == b"["
                if is_outermost and _ITEMS.search(before) and not self._is_document():
                    return True
                closing.append(_CLOSING[found])
                last = self._at - self._start
                self._at += 1
        return False

    def _is_document(self) -> bool:
        """Whether this is a document, of which a newer version may have any field."""
        return _DOCUMENT.match(self._data, self._start) is not None

    def _broken(self) -> Iterator[Piece]:
        """What is there up to the next line that begins an object."""
        self._at = self._start
        while not (match := _NEXT_LINE.search(self._data, self._at)):
            # A line feed may be the last byte that was read.
            seen = max(len(self._data) - 1, self._at) - self._start
            if not self._more():
                break
            self._at = self._start + seen
        self._at = match.end() if match else len(self._data)
        yield from self._take(is_object=True)


def _shown(found: bytes) -> str:
    return repr(found.decode("ascii", "backslashreplace")) if found else "the end"
