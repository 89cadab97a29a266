# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the source of kernel numbers: ``python -m tools.kernel_numbers``.

pyroute2 defines the numbers of the netlink interface. The check reports, for each module of the
library:

* a constant with the name (or the end of the name) and the value of a constant or attribute of
  pyroute2, such as ``_NEWADDR = 20``;
* a table that pairs names of attributes, or words for constants, with numbers;
* a :class:`struct.Struct` with the format of a message of pyroute2;
* a name of a constant or an attribute that neither pyroute2 nor the supplement defines;
* an entry of the supplement (``os_vif/host/netlink/supplement.py``) that pyroute2 has too. An
  entry in ``NEWER`` is missing in the oldest supported pyroute2 only.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from os_vif.host.netlink import codec, messages, supplement, uapi

ROOT = Path(__file__).parents[1]
FOLDERS = ("os_vif", "vif_plug_linux_bridge", "vif_plug_noop", "vif_plug_ovs")
SUPPLEMENT = "os_vif/host/netlink/supplement.py"
#: Entries of the supplement that pyroute2 0.9 has, and 0.8.1 lacks.
NEWER = frozenset(
    {"ALTIFNAMSIZ", "IFA_PROTO", "IFA_RT_PRIORITY", "IFNAMSIZ", "NDA_FLAGS_EXT", "NDA_PROTOCOL",
     "RTAX_CC_ALGO"}
)  # fmt: skip
#: Names of attributes.
_ATTRIBUTE = re.compile(
    "(?:CTRL_ATTR|DEVLINK_ATTR|FRA|IFA|IFLA|NDA|NETNSA|NHA|NLMSGERR_ATTR|RTA|RTAX|VDPA_ATTR"
    "|VETH_INFO)_[A-Z0-9_]*[A-Z0-9]"
)
#: The shortest end of a name that counts as the name.
_SHORTEST = 3
#: As many pairs of words and numbers make a table.
_TABLE = 3


class Finding(NamedTuple):
    """A number of the kernel in a wrong place."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Known:
    """The constants, attributes and structures of pyroute2."""

    def __init__(self) -> None:
        self.constants = _constants()
        self.attributes: dict[str, int] = {}
        self.formats: dict[str, str] = {}
        self.classes: set[Any] = set()
        for message in vars(messages).values():
            if isinstance(message, messages.Message):
                cls = message.table.cls
                self._add(cls)
                # Shorter formats are those of many structures.
                if len(cls.fields) > _TABLE:
                    self.formats[_expand("".join(form for _, form in cls.fields))] = cls.__name__
        #: Words for a number, such as ``unicast`` for 1.
        self.words = {
            (value, name.rpartition("_")[2].lower()): name
            for name, value in {**self.constants, **self.attributes}.items()
        }

    def _add(self, cls: Any) -> None:
        if cls in self.classes or isinstance(cls.nla_map, dict):
            return
        self.classes.add(cls)
        # Names of two classes may be equal; numbers of both count.
        for number, name, type_, _ in codec.entries(cls):
            self.attributes.setdefault(name, number)
            below = getattr(
                cls, type_.lstrip("*").partition("(")[0].partition("|")[0].strip(), None
            )
            if below is not None and not isinstance(below, FunctionType):
                self._add(below)
        for name in ("data_map", "af_spec_inet", "af_spec_bridge", "bridge_slave_data"):
            kinds = getattr(cls, name, None)
            for kind in kinds.values() if isinstance(kinds, dict) else filter(None, [kinds]):
                self._add(kind)

    def matching(self, name: str, value: int) -> str | None:
        """Return the constant or attribute with a value and a name, or the end of the name."""
        bare = name.lstrip("_").upper()
        if len(bare) < _SHORTEST:
            return None
        for table in (self.constants, self.attributes):
            for known, number in table.items():
                if number == value and (known == bare or known.endswith(f"_{bare}")):
                    return known
        return None


def _constants() -> dict[str, int]:
    """Return the constants of pyroute2 by name."""
    return {
        name: value
        for namespace in uapi.namespaces()
        for name, value in namespace.items()
        if name.isupper() and isinstance(value, int)
    }


def _expand(form: str) -> str:
    """Return a format with a letter for each byte or number: ``3x`` becomes ``xxx``."""
    bare = re.sub("[=<>@!]", "", form)
    return re.sub("([0-9]+)([a-zA-Z?])", lambda match: match[2] * int(match[1]), bare)


def check_module(path: str, text: str, known: Known) -> Iterator[Finding]:
    """Yield the findings in a module."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for line, finding in _check_node(node, known):
            yield Finding(path, line, finding)


def _check_node(node: ast.AST, known: Known) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Assign(targets=[target], value=value):
            yield from _check_assignment(target, value, known)
        case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
            # A field of a step may have a number as default; a constant may not.
            if target.id.lstrip("_").isupper():
                yield from _check_assignment(target, value, known)
        case ast.Dict():
            yield from _check_table(node, known)
        case ast.Call():
            yield from _check_call(node, known)
        case ast.Attribute(value=ast.Name(id="uapi"), attr=name) if name.isupper():
            if not hasattr(uapi, name):
                yield node.lineno, f"neither pyroute2 nor the supplement defines {name}"
        case ast.Constant(value=str(name)) if _ATTRIBUTE.fullmatch(name):
            if name not in known.attributes and not _is_supplied(name):
                yield node.lineno, f"neither pyroute2 nor the supplement defines {name}"


def _number(node: ast.AST) -> int | None:
    """Return the integer that an expression of literals has, or None."""
    try:
        value = ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError):
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                first, second = _number(left), _number(right)
                return None if first is None or second is None else first | second
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_assignment(
    target: ast.expr, value: ast.expr, known: Known
) -> Iterator[tuple[int, str]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for nested_target, nested_value in zip(target.elts, value.elts, strict=False):
            yield from _check_assignment(nested_target, nested_value, known)
    elif isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
        number = _number(value)
        name = None if number is None else known.matching(target.id, number)
        if name is not None:
            yield target.lineno, f"{target.id} is {name} of pyroute2: use the name"


def _first_number(node: ast.AST) -> int | None:
    """Return the number of an entry: the number itself, or the first element of a tuple."""
    return _number(node.elts[0]) if isinstance(node, ast.Tuple) and node.elts else _number(node)


def _check_table(node: ast.Dict, known: Known) -> Iterator[tuple[int, str]]:
    words: list[str] = []
    for key, value in zip(node.keys, node.values, strict=True):
        match key, value:
            case ast.Constant(value=str(name)), _ if _ATTRIBUTE.fullmatch(name):
                # A value for the attribute may be any number; a tuple begins with its own number.
                if isinstance(value, ast.Tuple) and _first_number(value) is not None:
                    yield node.lineno, f"the number of {name} is in pyroute2"
            case ast.Constant(value=int(number)), ast.Constant(value=str(text)):
                name = known.words.get((number, text.rpartition("_")[2].lower()))
                words += [f"{number} is {name}"] if name else []
    if len(words) >= _TABLE:
        yield node.lineno, f"the numbers of a table are in pyroute2: {', '.join(words)}"


def _check_call(node: ast.Call, known: Known) -> Iterator[tuple[int, str]]:
    for keyword in node.keywords:
        named = keyword.arg and _ATTRIBUTE.fullmatch(keyword.arg)
        if named and isinstance(keyword.value, ast.Tuple) and _first_number(keyword.value):
            yield node.lineno, f"the number of {keyword.arg} is in pyroute2"
    match node:
        case ast.Call(func=ast.Attribute(attr="Struct"), args=[ast.Constant(value=str(form))]):
            name = known.formats.get(_expand(form))
            if name is not None:
                yield node.lineno, f"the format of {name} is in pyroute2"


def _is_supplied(name: str) -> bool:
    """Return whether the supplement has an attribute."""
    classes = [cls for cls in vars(supplement).values() if hasattr(cls, "nla_map")]
    return any(name in names for names in supplement.ATTRIBUTES.values()) or any(
        name == entry[1] for cls in classes for entry in cls.nla_map
    )


def check_supplement(known: Known) -> Iterator[Finding]:
    """Yield the entries of the supplement that pyroute2 has."""
    text = (ROOT / SUPPLEMENT).read_text(encoding="utf-8")
    names = {name: value for name, value in vars(supplement).items() if isinstance(value, int)}
    for name in names.keys() & known.constants.keys() - NEWER:
        yield Finding(SUPPLEMENT, _line_of(name, text), f"pyroute2 has {name}")
    numbers = {
        (cls.__name__, name) for cls in known.classes for _, name, _, _ in codec.entries(cls)
    }
    for cls, attributes in supplement.ATTRIBUTES.items():
        for name in attributes:
            if (cls, name) in numbers and name not in NEWER:
                yield Finding(SUPPLEMENT, _line_of(name, text), f"pyroute2 has {name} of {cls}")


def _line_of(name: str, text: str) -> int:
    return text[: text.index(name)].count("\n") + 1


def check(root: Path = ROOT) -> list[Finding]:
    """Return all findings."""
    known = Known()
    found: list[Finding] = []
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            path = str(file.relative_to(root))
            if path != SUPPLEMENT:
                found += check_module(path, file.read_text(encoding="utf-8"), known)
    return [*found, *check_supplement(known)]


def main() -> int:
    """Print the findings; return 1 if there are any."""
    findings = check()
    for finding in findings:
        print(finding)
    version = importlib.import_module("pyroute2").__version__
    print(f"{len(findings)} numbers that pyroute2 {version} has")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
