# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Trees of objects as text: the set fields, independent of the format in which they are stored."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from oslo_versionedobjects import base as ovo

from os_vif.codec import document, primitive, unknown
from os_vif.escape import printable

Style = tuple[str, str, str, str]
#: The prefix of a child, of the last child, and of the descendants of each.
UNICODE = ("├── ", "└── ", "│   ", "    ")
ASCII = ("|-- ", "`-- ", "|   ", "    ")
#: Longer values are cut, in characters.
_MAX_CHARACTERS = 100


@dataclass
class Node:
    """A node of a tree: an object, a field or a member of a list."""

    name: str
    #: The value of a field, or the class of an object.
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.text else self.name


def build_tree(envelope: str | None, stored: Any) -> Node:
    """Return the tree of a stored object.

    :param envelope: the name of the envelope, such as ``Pod shop/web-1``; None for an object
        without an envelope.
    :param stored: the object; with *envelope*, the VIFs by interface name.
    """
    if envelope is None:
        return _object_node("", stored)
    vifs = [_object_node(_printable(key), vif) for key, vif in stored.items()]
    return Node(envelope, "", vifs)


def render_text(node: Node, style: Style) -> Iterator[str]:
    """Yield the lines of a tree."""
    yield str(node)
    yield from _render_children(node, style, "")


def _render_children(node: Node, style: Style, indentation: str) -> Iterator[str]:
    """Yield the lines of all descendants."""
    child, last, below_child, below_last = style
    for inner in node.children:
        is_last = inner is node.children[-1]
        yield f"{indentation}{last if is_last else child}{inner}"
        below = below_last if is_last else below_child
        yield from _render_children(inner, style, indentation + below)


def choose_style(stream: TextIO) -> Style:
    """Return the Unicode style if the stream and the locale use UTF-8, else the ASCII style."""
    # Python may write UTF-8 although the locale of the terminal is ASCII (PEP 540).
    names = {(stream.encoding or "").lower(), locale.getencoding().lower()}
    return UNICODE if {name.replace("-", "") for name in names} == {"utf8"} else ASCII


def _object_node(name: str, obj: Any) -> Node:
    """Return the node of an object, with the fields; scalar fields first."""
    kind = obj.obj_name()
    values = dict(unknown.contents(obj))
    title = f"{kind} {values.pop('id')}" if values.get("id") else kind
    node = Node(name or _printable(title), _printable(title) if name else "")
    for field_name, value in values.items():
        _add_field(node, field_name, value)
    node.children.sort(key=lambda child: (bool(child.children), child.name))
    for form in (document.FORM, primitive.FORM):
        for field_name, value in sorted(unknown.fields_of(obj, form).items()):
            text = f"{_describe(value)} (unknown field)"
            node.children.append(Node(_printable(field_name), text))
    return node


def _add_field(node: Node, name: str, value: Any) -> None:
    """Add a child for a field. A list object, such as RouteList, is shown as a list."""
    if isinstance(value, ovo.VersionedObject) and list(value.fields) == ["objects"]:
        value = dict(unknown.contents(value)).get("objects", [])
    if isinstance(value, ovo.VersionedObject):
        node.children.append(_object_node(name, value))
    elif isinstance(value, dict):
        children = [_object_node(_printable(key), item) for key, item in sorted(value.items())]
        node.children.append(Node(name, "" if children else "none", children))
    elif isinstance(value, list) and any(isinstance(item, ovo.VersionedObject) for item in value):
        node.children.append(Node(name, "", [_member_node(item) for item in value]))
    else:
        node.children.append(Node(name, _describe(value)))


def _member_node(obj: Any) -> Node:
    """Return the node of a list member; an address or a network is the name of the node."""
    node = _object_node("", obj)
    for child in node.children:
        if child.name in {"address", "cidr"} and child.text:
            node.children.remove(child)
            return Node(child.text, "", node.children)
    return node


def _describe(value: Any) -> str:
    """Return a value as text for people, cut to a length."""
    if isinstance(value, bool) or value is None:
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(_describe(item) for item in value) or "none"
    text = _printable(str(value))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."


def _printable(text: str) -> str:
    """Escape control characters; return two quotes for an empty text."""
    return printable(text) or "''"
