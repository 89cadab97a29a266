# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""YAML text as JSON text, and plain data as YAML text.

YAML is read with the types of JSON: an unquoted ``null``, ``~``, ``true``, ``false`` or number of
JSON has a type, and every other scalar is a string, such as ``no``, ``2020-01-01`` or ``0x10``. Tags,
aliases and keys other than strings are refused. A name twice in a mapping stays in the JSON, whose
reader refuses the object with the path.

The JSON has the line breaks of the YAML, so that lines in errors are lines of the YAML.
Memory does not grow with the number of documents, nor with the length of lists.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from os_vif import exception
from os_vif.codec.path import below
from os_vif.escape import abbreviated

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
#: The unquoted scalars with the types of JSON.
_LITERALS = {"": "null", "~": "null", "null": "null", "true": "true", "false": "false"}
#: The tags that state the type that a value has without a tag.
_TAGS = {
    yaml.ScalarEvent: ("!", "tag:yaml.org,2002:str"),
    yaml.MappingStartEvent: ("!", "tag:yaml.org,2002:map"),
    yaml.SequenceStartEvent: ("!", "tag:yaml.org,2002:seq"),
}
#: Plain scalars that a reader of YAML 1.1 or 1.2 would take for a value of another type, in addition
#: to those that PyYAML quotes.
_AMBIGUOUS = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z|[-+]?\.?[0-9][0-9_.]*[eE][-+]?[0-9]+\Z"
    r"|[-+]?0[oO][0-7_]+\Z|[yYnN]\Z"
)


class YAMLSyntaxError(exception.MalformedDocument):
    """Text that is not YAML, or YAML with more than the types of JSON.

    :ivar line: the line of the error, starting with 1; 0 if the line is unknown.
    :ivar column: the column of the error, starting with 1.
    """

    def __init__(self, line: int, column: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.line, self.column = line, column


class _Source:
    """The input for the parser, which reads as much as is available."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def json_pieces(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield the documents of YAML as pieces of JSON text in ASCII; empty documents have none.

    The last piece of a document is an empty text.

    :param read: returns at most the given number of bytes; no bytes at the end of the input.
    :raises YAMLSyntaxError: with line, column and path.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    translation = _Translation()
    try:
        for event in yaml.parse(_Source(read), Loader=loader):
            yield translation.translate(event)
            if isinstance(event, yaml.DocumentEndEvent):
                yield ""
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise _malformed(line, column, translation.path(), problem) from None
    except (yaml.YAMLError, UnicodeError) as error:
        problem = getattr(error, "reason", None) or str(error)
        raise _malformed(0, 0, translation.path(), problem) from None


def _malformed(line: int, column: int, path: str, problem: str) -> YAMLSyntaxError:
    found = f"invalid YAML ({problem})"
    return YAMLSyntaxError(line, column, path=path, found=found, expected="YAML in UTF-8")


class _Level:
    """An open mapping or sequence."""

    def __init__(self, *, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.count = 0
        #: The key whose value is next; None before a key.
        self.key: str | None = None


class _Translation:
    """The translation of the events of the parser to JSON."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        #: The number of line breaks in the JSON.
        self._lines = 0

    def path(self) -> str:
        """Return the path of the value at the position."""
        path = ""
        for level in self._levels:
            if not level.is_mapping:
                path = below(path, level.count)
            elif level.key is not None:
                path = below(path, level.key)
        return path

    def translate(self, event: yaml.Event) -> str:
        """Return the JSON of an event.

        :raises YAMLSyntaxError: for an alias, a tag, and a key that is not a string.
        """
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            self._refuse_tag(event)
            if self._expects_key():
                raise self._error(event, "a mapping or list as key", "a string")
            start = self._start(event)
            self._levels.append(_Level(is_mapping=is_mapping))
            return start + ("{" if is_mapping else "[")
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            level = self._levels.pop()
            return self._end("}" if level.is_mapping else "]")
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, f"the alias *{event.anchor}", "the value itself")
        return ""

    def _scalar(self, event: yaml.ScalarEvent) -> str:
        self._refuse_tag(event)
        is_plain = event.style in (None, "") and event.tag is None
        text = _literal(event.value) if is_plain else None
        if not self._levels:
            if text == "null":
                return ""
            raise self._error(event, abbreviated(event.value, 60), "a mapping or a list")
        start = self._start(event)
        if not self._expects_key():
            return start + self._end(json.dumps(event.value) if text is None else text)
        if text is not None:
            raise self._error(event, f"the key {text}", "a string, such as a name in quotes")
        self._levels[-1].key = event.value
        return f"{start}{json.dumps(event.value)}:"

    def _expects_key(self) -> bool:
        return bool(self._levels) and self._levels[-1].is_mapping and self._levels[-1].key is None

    def _start(self, event: yaml.Event) -> str:
        """Return the comma and the line breaks before a key or a value."""
        mark = event.start_mark
        text = ""
        if self._levels and self._levels[-1].count and self._levels[-1].key is None:
            text = ","
        if mark.line > self._lines:
            text += "\n" * (mark.line - self._lines) + " " * mark.column
            self._lines = mark.line
        return text

    def _end(self, text: str) -> str:
        """Count the value that has ended with *text*; return the text."""
        if self._levels:
            self._levels[-1].count += 1
            self._levels[-1].key = None
        return text

    def _refuse_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _TAGS[type(event)]:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            raise self._error(event, f"the tag {abbreviated(shown, 60)}", "a value without a tag")

    def _error(self, event: yaml.Event, found: str, expected: str) -> YAMLSyntaxError:
        mark = event.start_mark
        return YAMLSyntaxError(
            mark.line + 1, mark.column + 1, path=self.path(), found=found, expected=expected
        )


def _literal(value: str) -> str | None:
    """Return the JSON of an unquoted scalar; None for a string."""
    found = _LITERALS.get(value)
    return value if found is None and _NUMBER.match(value) else found


@functools.cache
def _dumper() -> Any:
    """Return the class that writes YAML, which quotes all strings that a reader may take for others."""

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _AMBIGUOUS, list("-+.0123456789yYnN"))
    Dumper.add_representer(float, _represent_float)
    return Dumper


def _represent_float(dumper: Any, number: float) -> Any:
    # The digits of JSON: PyYAML writes 1e22 as 1.0e+22.
    return dumper.represent_scalar("tag:yaml.org,2002:float", json.dumps(number, allow_nan=False))


def compose(data: Any) -> str:
    """Return plain data as YAML of one document; the order of names does not change.

    :raises os_vif.exception.InvalidValue: for a lone surrogate, and for a number that is not finite.
    """
    try:
        text = yaml.dump(
            data,
            Dumper=_dumper(),
            allow_unicode=True,
            default_flow_style=False,
            sort_keys=False,
            width=2**31 - 1,
        )
    except UnicodeEncodeError as error:
        found = f"the character {error.object[error.start]!r}"
        raise exception.InvalidValue(found=found, expected="text that UTF-8 can express") from None
    except ValueError as error:
        raise exception.InvalidValue(found=str(error), expected="finite numbers") from None
    except yaml.representer.RepresenterError as error:
        # A field type of a third party has returned data that YAML cannot express.
        found = abbreviated(error.args[-1], 60)
        raise exception.InvalidValue(found=found, expected="plain data") from None
    return str(text)


def compose_document(data: Any) -> str:
    """Return plain data as a document of a stream, which begins with ``---``."""
    return f"---\n{compose(data)}"
