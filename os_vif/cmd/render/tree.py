# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects as a tree for people: what is set, and nothing of how it is stored."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from oslo_versionedobjects import base as ovo

from os_vif.codec import document, primitive, unknown
from os_vif.escape import printable

Style = tuple[str, str, str, str]
#: What stands before a child, before the last one, and before what is below each.
UNICODE = ("├── ", "└── ", "│   ", "    ")
ASCII = ("|-- ", "`-- ", "|   ", "    ")
_LONG = 100


@dataclass
class Node:
    """Something with a name, a few words on it, and what is in it."""

    name: str
    words: str = ""
    children: list[Node] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {self.words}" if self.words else self.name


def of_stored(name: str | None, found: Any) -> Node:
    """Return the tree of a stored object.

    :param name: the name of what contains the VIFs; None for an object without a container.
    :param found: the object; with *name*, the VIFs by interface name.
    """
    if name is None:
        return _object("", found)
    return Node(name, "", [_object(_printable(key), vif) for key, vif in found.items()])


def lines(node: Node, style: Style) -> Iterator[str]:
    """The tree in lines of text."""
    yield str(node)
    yield from _inside(node, style, "")


def _inside(node: Node, style: Style, before: str) -> Iterator[str]:
    child, last, more, none = style
    for inner in node.children:
        is_last = inner is node.children[-1]
        yield f"{before}{last if is_last else child}{inner}"
        yield from _inside(inner, style, before + (none if is_last else more))


def style_for(stream: TextIO) -> Style:
    """Lines of Unicode where the terminal's locale has them."""
    # Python itself may write UTF-8 to a terminal that takes ASCII (PEP 540).
    names = {(stream.encoding or "").lower(), locale.getencoding().lower()}
    return UNICODE if {name.replace("-", "") for name in names} == {"utf8"} else ASCII


def _object(name: str, obj: Any) -> Node:
    kind = obj.obj_name()
    values = dict(unknown.contents(obj))
    title = f"{kind} {values.pop('id')}" if values.get("id") else kind
    node = Node(name or _printable(title), _printable(title) if name else "")
    for field_name, value in values.items():
        _add(node, field_name, value)
    # First what has nothing in it.
    node.children.sort(key=lambda child: (bool(child.children), child.name))
    for form in (document.FORM, primitive.FORM):
        for field_name, value in sorted(unknown.fields_of(obj, form).items()):
            node.children.append(Node(_printable(field_name), f"{_words(value)} (not known here)"))
    return node


def _add(node: Node, name: str, value: Any) -> None:
    if isinstance(value, ovo.VersionedObject) and list(value.fields) == ["objects"]:
        value = dict(unknown.contents(value)).get("objects", [])
    if isinstance(value, ovo.VersionedObject):
        node.children.append(_object(name, value))
    elif isinstance(value, dict):
        children = [_object(_printable(key), item) for key, item in sorted(value.items())]
        node.children.append(Node(name, "" if children else "none", children))
    elif isinstance(value, list) and any(isinstance(item, ovo.VersionedObject) for item in value):
        node.children.append(Node(name, "", [_member(item) for item in value]))
    else:
        node.children.append(Node(name, _words(value)))


def _member(obj: Any) -> Node:
    """A member of a list, by what it is known by: an address or a network."""
    node = _object("", obj)
    for child in node.children:
        if child.name in {"address", "cidr"} and child.words:
            node.children.remove(child)
            return Node(child.words, "", node.children)
    return node


def _words(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value) or "none"
    found = _printable(str(value))
    return found if len(found) <= _LONG else f"{found[:_LONG]}..."


def _printable(found: str) -> str:
    return printable(found) or "''"
