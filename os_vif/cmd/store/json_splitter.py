# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A splitter of input of any size into JSON objects.

The input contains consecutive objects, each on a line or on several lines; lists of
Kubernetes, as ``kubectl get -o json`` prints; or arrays. At most one object is in memory. An
invalid object does not affect other objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from os_vif import exception
from os_vif.cmd.store.json_scanner import (
    BYTE_ORDER_MARK,
    Chunk,
    JSONSyntaxError,
    Scanner,
    StructureError,
    describe_byte,
)
from os_vif.serialization import json_text

#: The number of bytes that an error shows of input in another format.
_SHOWN_BYTES = 40
#: An object with deeper nesting ends before the next line that begins with a brace. In a list,
#: such lines are no boundary: the scanner reads the object to its end, and the decoder refuses it.
_MAX_DEPTH, _MAX_DEPTH_IN_LIST = 100, 100_000
#: The maximum nesting of lists and arrays of objects, which ``jq -s`` creates.
_MAX_LIST_DEPTH = 8

_LINE = re.compile(rb"[^\r\n]*")
_NEXT_OBJECT = re.compile(rb"\n(?=(?:\xef\xbb\xbf)?\{)")
#: The size of the longest match of ``_NEXT_OBJECT`` with its lookahead.
_NEXT_OBJECT_BYTES = 5


def split_chunks(read: Callable[[int], bytes]) -> Iterator[Chunk]:
    """Yield the objects of an input, and the separators between the objects.

    :param read: returns at most the given number of bytes; no bytes at the end of the input.
    :raises StructureError: for input that cannot be split.
    """
    scanner = Scanner(read)
    yield from _split_beginning(scanner)
    while first := scanner.skip_space():
        yield from scanner.take(is_object=False)
        if first == BYTE_ORDER_MARK[:1] and scanner.skip_byte_order_mark():
            continue
        scanner.max_depth = _MAX_DEPTH
        try:
            if first in b"{[":
                yield from _split_value(scanner, 0)
                continue
        except JSONSyntaxError:
            pass
        _skip_invalid_object(scanner)
        yield from scanner.take(is_object=True)
    yield from scanner.take(is_object=False)


def _split_beginning(scanner: Scanner) -> tuple[Chunk, ...]:
    """Advance to the first object; return input in a binary format as one chunk.

    :raises StructureError: for empty input, and for input in another format.
    """
    head = scanner.read_ahead(4)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise StructureError(1, "found UTF-16 or UTF-32; expected UTF-8")
    # RFC 8259, section 8.1: a reader may ignore a byte order mark, and a writer adds none.
    scanner.skip_byte_order_mark()
    first = scanner.skip_space()
    if not first:
        raise StructureError(1, "the input is empty")
    if first in b"{[":
        return ()
    if b" " <= first <= b"~":
        line = _LINE.match(scanner.read_ahead(_SHOWN_BYTES))
        shown = line[0].decode("utf-8", "backslashreplace") if line else ""
        raise StructureError(
            scanner.current_line, f"found text that begins with {shown!r}; expected JSON or YAML"
        )
    scanner.read_all()
    return scanner.take(is_object=True)


def _split_value(scanner: Scanner, depth: int) -> Iterator[Chunk]:
    """Yield a value, or the members of an array or of a list of Kubernetes.

    :param depth: the number of lists around the value.
    """
    first = scanner.data[scanner.position : scanner.position + 1]
    if first == b"[" and depth <= _MAX_LIST_DEPTH:
        yield from _split_list(scanner, [], depth)
    elif first == b"{" and depth <= _MAX_LIST_DEPTH:
        if scanner.scan_object():
            yield from _split_list(scanner, [b"}"], depth)
        else:
            yield from scanner.take(is_object=True)
    else:
        scanner.scan_value()
        yield from scanner.take(is_object=True)


def _split_list(scanner: Scanner, closing: list[bytes], depth: int) -> Iterator[Chunk]:
    """Yield the members of the array at the position.

    :param closing: the closing brackets after the array.
    :raises StructureError: for a list that is not JSON.
    """
    line = scanner.line
    scanner.max_depth = _MAX_DEPTH_IN_LIST
    scanner.position += 1
    head = scanner.scanned
    yield from scanner.take(is_object=False)
    try:
        yield from _split_members(scanner, depth + 1)
        scanner.position += 1
        scanner.scan_to_closing(closing)
    except JSONSyntaxError as error:
        raise StructureError(
            scanner.current_line, f"the list is not valid JSON: {error}"
        ) from None
    tail = scanner.scanned
    yield from scanner.take(is_object=False)
    try:
        json_text.parse(head + tail)
    except exception.MalformedDocument as error:
        raise StructureError(line, f"around the list: {error}") from None


def _split_members(scanner: Scanner, depth: int) -> Iterator[Chunk]:
    """Yield the members of an array, and advance to the closing bracket."""
    byte = scanner.skip_space()
    is_empty = byte == b"]"
    while not is_empty:
        yield from scanner.take(is_object=False)
        if byte == BYTE_ORDER_MARK[:1] and scanner.skip_byte_order_mark():
            scanner.skip_space()
        yield from _split_value(scanner, depth)
        if scanner.skip_space() != b",":
            break
        scanner.position += 1
        byte = scanner.skip_space()
    if (byte := scanner.skip_space()) != b"]":
        raise JSONSyntaxError(
            f"found {describe_byte(byte)}; expected a comma or the end of the list"
        )
    yield from scanner.take(is_object=False)


def _skip_invalid_object(scanner: Scanner) -> None:
    """Advance to the next line that begins with an object, or to the end of the input."""
    scanner.position = scanner.start
    while not (match := _NEXT_OBJECT.search(scanner.data, scanner.position)):
        # The window may end within a match.
        scanner.position = max(len(scanner.data) - _NEXT_OBJECT_BYTES, scanner.position)
        if not scanner.read_more():
            break
    scanner.position = match.end() if match else len(scanner.data)
