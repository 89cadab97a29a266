# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Types of versioned objects for editors and type checkers, as a part of the class bodies.

The text of a module with classes receives a block ``if TYPE_CHECKING:`` in the body of each class,
with the attribute and the sentence of each field and with the keyword arguments of the constructor.
The blocks, and the imports for the blocks, are generated from the field codecs and from the
comments of the fields. The blocks have no effect at run time.

The types are class bodies, not ``.pyi`` files: mypy ignores the ``.py`` file beside a ``.pyi`` file,
and would no longer check the methods of the classes.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo

from os_vif.codec import FieldCodec, field, scalar
from os_vif.codec.field_comments import sentence_of

#: The command of authors, in the comment of a block.
COMMAND = "os-vif class-types"
_BLOCK = "# Generated from the fields by: "
IMPORTS = "# For the generated types."
WIDTH = 99
#: The modules of names in generated types; versioned objects are found by name.
_MODULES = {"Any": "typing", "Literal": "typing", "Sequence": "collections.abc"}
_EXPECTED = 'expected fields = {"name": ..., }, with a text as the name of each field'


class FieldType(NamedTuple):
    """The types of a field, as text."""

    #: The type of a value that is read.
    read: str
    #: The type of a keyword argument. The field coerces the value.
    argument: str
    #: True if other types may be assigned to the attribute than are read.
    is_coerced: bool = False

    def nullable(self) -> FieldType:
        return self._replace(read=f"{self.read} | None", argument=f"{self.argument} | None")


def field_type(codec: FieldCodec) -> FieldType:
    """Return the types of the values of a codec."""
    if isinstance(codec, field.Array):
        item = field_type(codec.item)
        return FieldType(f"list[{item.read}]", f"Sequence[{item.argument}]", item.is_coerced)
    if isinstance(codec, field.Map):
        item = field_type(codec.item)
        return FieldType(f"dict[str, {item.read}]", f"dict[str, {item.argument}]")
    if isinstance(codec, scalar.Address):
        is_network = isinstance(codec, scalar.NetworkAddress)
        name = "netaddr.IPNetwork" if is_network else "netaddr.IPAddress"
        return FieldType(name, f"str | {name}", is_coerced=True)
    name = _plain_type(codec)
    return FieldType(name, name)


def _plain_type(codec: FieldCodec) -> str:
    """Return the type of a codec that does not coerce; ``Any`` for codecs of third parties."""
    if isinstance(codec, field.Nested):
        return codec.name
    if isinstance(codec, (scalar.Enum, scalar.Plain, scalar.Pattern, scalar.Integer)):
        schema = codec.json_schema()
        if "enum" in schema:
            return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
        return {"boolean": "bool", "integer": "int", "string": "str"}[schema["type"]]
    return "Any"


def type_of(cls: type[Any], name: str) -> FieldType:
    """Return the types of a field of a class."""
    found = field_type(field.of_field(cls, name))
    return found.nullable() if cls.fields[name].nullable else found


def class_lines(cls: type[Any], own: Iterable[str], command: str) -> Iterator[str]:
    """Yield the lines of the block of a class, without indentation.

    :param own: the fields that the class itself declares.
    :param command: the command that generates the block, for the comment.
    """
    yield "if TYPE_CHECKING:"
    yield f"    {_BLOCK}{command}"
    follows_property = False
    for name in own:
        found = type_of(cls, name)
        if follows_property or found.is_coerced:
            yield ""
        yield from _attribute_lines(name, found, sentence_of(cls, name))
        follows_property = found.is_coerced
    yield ""
    if not cls.fields:
        yield "    def __init__(self, context: Any = None) -> None: ..."
        return
    yield from ("    def __init__(", "        self,", "        context: Any = None,", "        *,")
    for name in cls.fields:
        yield f"        {name}: {type_of(cls, name).argument} = ...,"
    yield "    ) -> None: ..."


def _attribute_lines(name: str, found: FieldType, sentence: str) -> Iterator[str]:
    if not found.is_coerced:
        yield f"    {name}: {found.read}"
        yield from _docstring(sentence, "    ")
        return
    yield from ("    @property", f"    def {name}(self) -> {found.read}:")
    yield from _docstring(sentence, "        ")
    yield from ("        ...", "", f"    @{name}.setter")
    yield f"    def {name}(self, value: {found.argument}) -> None: ..."


def _docstring(sentence: str, indent: str) -> Iterator[str]:
    if not sentence:
        return
    quoted = f'{indent}"""{sentence}"""'
    if len(quoted) + 4 <= WIDTH:
        yield quoted
        return
    first, *rest = textwrap.wrap(sentence, WIDTH - 4 - len(indent) - 3)
    yield f'{indent}"""{first}'
    yield from (f"{indent}{line}" for line in rest)
    yield f'{indent}"""'


def generate(path: Path, classes: Sequence[type[Any]], command: str = COMMAND) -> str:
    """Return the text of a module with the blocks of the classes in the module.

    :param path: the source file of the module.
    :param classes: the classes.
    :param command: the command that generates the blocks, for the comment.
    :raises ValueError: for a class that declares the fields in another way than ``fields = {...}``.
    """
    text = without_generated(path.read_text("utf-8"))
    tree = ast.parse(text)
    lines = text.splitlines()
    by_name = {cls.__name__: cls for cls in classes}
    used: set[str] = set()
    for node in reversed(tree.body):
        if isinstance(node, ast.ClassDef) and node.name in by_name:
            cls = by_name[node.name]
            declared = _declaration_of_fields(node)
            own = [name for name in cls.fields if name in _keys(declared)]
            block = list(class_lines(cls, own, command))
            used |= set(re.findall(r"[A-Za-z_]\w*", " ".join(_annotations(block))))
            end = declared.end_lineno or declared.lineno
            after = [""] if any(lines[end : end + 1]) else []
            lines[end:end] = ["", *(f"    {line}" if line else "" for line in block), *after]
    bound = set(_bound_names(tree))
    needed = used - bound
    found = {cls.__name__: cls for cls in classes} | _referenced(classes)
    lines = _with_imports(lines, tree, _import_lines(needed, by_name, found))
    if "TYPE_CHECKING" not in bound:
        lines = _with_type_checking(lines)
    return "\n".join(lines).rstrip("\n") + "\n"


def _annotations(block: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a block that are code."""
    for line in block:
        if '"""' not in line and not line.strip().startswith("#"):
            yield re.sub(r'"[^"]*"', "", line)


def _declaration_of_fields(node: ast.ClassDef) -> ast.Assign:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "fields":
            return statement
    raise ValueError(f"class {node.name}: no assignment of a dict to fields; {_EXPECTED}")


def _keys(declared: ast.Assign) -> list[str]:
    if not isinstance(declared.value, ast.Dict) or not all(
        isinstance(key, ast.Constant) for key in declared.value.keys
    ):
        raise ValueError(f"line {declared.lineno}: {_EXPECTED}")
    return [ast.literal_eval(key) for key in declared.value.keys if key is not None]


def _is_generated(node: ast.stmt, lines: Sequence[str]) -> bool:
    if not isinstance(node, ast.If) or ast.unparse(node.test) != "TYPE_CHECKING":
        return False
    comment = lines[node.lineno].strip()
    return comment == IMPORTS or comment.startswith(_BLOCK)


def without_generated(text: str) -> str:
    """Return the text of a module without generated blocks, and one blank line before each."""
    lines = text.splitlines()
    tree = ast.parse(text)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    for node in sorted(found, key=lambda node: node.lineno, reverse=True):
        if _is_generated(node, lines):
            start = node.lineno - 1
            while not lines[start - 1]:
                start -= 1
            del lines[start : node.end_lineno]
    return "\n".join(lines) + "\n"


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that imports and classes bind in a module, at any level outside of classes."""
    for node in tree.body:
        body = node.body if isinstance(node, ast.If) else [node]
        for statement in body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                yield from (alias.asname or alias.name for alias in statement.names)
            elif isinstance(statement, ast.ClassDef):
                yield statement.name


def _referenced(classes: Iterable[type[Any]]) -> dict[str, type[Any]]:
    """Return the versioned objects of the fields of classes, by name."""
    found: dict[str, type[Any]] = {}
    for cls in classes:
        for name in cls.fields:
            codec = field.of_field(cls, name)
            while isinstance(codec, (field.Array, field.Map)):
                codec = codec.item
            if isinstance(codec, field.Nested):
                registered = ovo.VersionedObjectRegistry.obj_classes()
                found[codec.name] = registered[codec.name][0]
    return found


def _import_lines(
    needed: set[str], defined: Iterable[str], classes: dict[str, type[Any]]
) -> list[str]:
    """Return the imports for names.

    :param needed: the names.
    :param defined: names of the classes of the module itself.
    :param classes: classes of other modules, by name.
    """
    by_module: dict[str, list[str]] = {}
    for name in sorted(needed - set(defined)):
        module = classes[name].__module__ if name in classes else _MODULES.get(name)
        if module is not None:
            by_module.setdefault(module, []).append(name)
    imports = [
        f"from {module} import {', '.join(names)}" for module, names in sorted(by_module.items())
    ]
    standard = [line for line in imports if not line.startswith("from os_vif")]
    own = [line for line in imports if line.startswith("from os_vif")]
    third = ["import netaddr"] if "netaddr" in needed else []
    sections = [section for section in (standard, third, own) if section]
    joined = [line for section in sections for line in ("", *section)]
    return joined[1:]


def _with_imports(lines: list[str], tree: ast.Module, imports: list[str]) -> list[str]:
    if not imports:
        return lines
    last = max(
        node.end_lineno or 0
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    )
    block = ["", "if TYPE_CHECKING:", f"    {IMPORTS}"]
    return [*lines[:last], *block, *(f"    {i}" if i else "" for i in imports), *lines[last:]]


def _with_type_checking(lines: list[str]) -> list[str]:
    """Return the lines of a module with an import of TYPE_CHECKING."""
    for number, line in enumerate(lines):
        if line.startswith("from typing import "):
            changed = line.replace("import ", "import TYPE_CHECKING, ", 1)
            return [*lines[:number], changed, *lines[number + 1 :]]
    future = "from __future__ import annotations"
    if future not in lines:
        # Without the import, too, the blocks are right: Python does not evaluate them.
        number = next(n for n, line in enumerate(lines) if line.startswith(("import ", "from ")))
        return [*lines[:number], "from typing import TYPE_CHECKING", *lines[number:]]
    number = lines.index(future)
    standard = lines[number + 2].startswith(("import ", "from ")) and _is_standard(
        lines[number + 2]
    )
    added = (
        ["from typing import TYPE_CHECKING"]
        if standard
        else ["from typing import TYPE_CHECKING", ""]
    )
    return [*lines[: number + 2], *added, *lines[number + 2 :]]


def _is_standard(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names


def classes_of(module: ModuleType) -> list[type[Any]]:
    """Return the versioned objects that a module defines, and that declare fields."""
    return [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and issubclass(cls, ovo.VersionedObject)
        and cls.__module__ == module.__name__
        and "fields" in vars(cls)
    ]
