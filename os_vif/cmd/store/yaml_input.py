# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Detection of YAML in an input, and the input as JSON.

An input is YAML if the name of the file ends with ``.yaml`` or ``.yml``, or if the first line that
is neither empty nor a comment is ``---``, a directive, a member of a list, or a name and a colon.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from os_vif.cmd import main

#: The ends of the names of files with YAML.
SUFFIXES = (".yaml", ".yml")
#: A line of YAML. JSON and XML begin with another character; keep lists have no colon before a space.
_YAML_LINE = re.compile(
    rb"(?:---(?:\s|\Z)|%YAML\s|-\s+\S|(?:[A-Za-z_][\w./-]*|\"[^\"\n]*\"|'[^'\n]*')\s*:(?:\s|\Z))"
)
_OTHER_FORMATS = b"{[<"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: The beginnings of UTF-16 and UTF-32.
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MAX_LINE_BYTES = 4096


def is_yaml_name(name: str) -> bool:
    """Return whether a file of this name contains YAML."""
    return name.lower().endswith(SUFFIXES)


def as_json(name: str, title: str, file: io.BufferedReader) -> io.BufferedReader:
    """Return the input as JSON, if the input is YAML; otherwise the same bytes.

    :param title: the name of the input for messages.
    """
    beginning = file.peek(1)
    if beginning.startswith(_WIDE_MARKS) or b"\0" in beginning[:4]:
        # Input in a wide encoding is refused later, or is a binary form.
        return file
    if is_yaml_name(name):
        return io.BufferedReader(_JSONOfYAML(title, file))
    if beginning[:1] in _OTHER_FORMATS:
        return file
    head, line = _read_first_line(file)
    whole: io.BufferedReader = io.BufferedReader(_Joined(head, file))
    if _YAML_LINE.match(line):
        return io.BufferedReader(_JSONOfYAML(title, whole))
    return whole


def _read_first_line(file: io.BufferedReader) -> tuple[bytes, bytes]:
    """Read to the first line with content; return all bytes read, and the line."""
    head = b""
    while line := file.readline(_MAX_LINE_BYTES):
        head += line
        content = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if content and not content.startswith(b"#"):
            return head, line.removeprefix(_BYTE_ORDER_MARK)
    return head, b""


class _Wrapper(io.RawIOBase):
    """An input that takes its bytes from another input, and has the descriptor of that input."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    @property
    def name(self) -> str:
        """The name of the file."""
        return str(self._file.name)

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Return whether the file is a terminal."""
        return self._file.isatty()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; return the number of bytes."""
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, size: int) -> bytes:
        raise NotImplementedError


class _Joined(_Wrapper):
    """The bytes that were read already, and the rest of a file."""

    def __init__(self, head: bytes, file: io.BufferedReader) -> None:
        super().__init__(file)
        self._head = head

    def _take(self, size: int) -> bytes:
        data, self._head = self._head[:size], self._head[size:]
        return data or self._file.read1(size)


class _JSONOfYAML(_Wrapper):
    """The JSON of a file with YAML.

    Reading raises BadInputError for text that is not YAML.
    """

    def __init__(self, title: str, file: io.BufferedReader) -> None:
        super().__init__(file)
        self._title = title
        self._rest = b""
        self._pieces: Iterator[str] | None = None

    def _take(self, size: int) -> bytes:
        from os_vif.serialization import yaml_text

        if self._pieces is None:
            self._pieces = yaml_text.json_pieces(self._file.read1)
        if not self._rest:
            try:
                self._rest = self._next_text(self._pieces, size)
            except yaml_text.YAMLSyntaxError as error:
                where = f":{error.line}:{error.column}" if error.line else ""
                path = f"{error.path}: " if error.path else ""
                raise main.BadInputError(
                    f"{self._title}{where}: {path}found {error.found}; expected {error.expected}"
                ) from error
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    @staticmethod
    def _next_text(pieces: Iterator[str], size: int) -> bytes:
        """Return JSON up to the end of a document, or of at least *size* bytes."""
        found: list[str] = []
        length = 0
        for piece in pieces:
            found.append(piece)
            length += len(piece)
            if length >= size or (length and not piece):
                break
        return "".join(found).encode("ascii")
