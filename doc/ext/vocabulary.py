# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Directives that read os-vif itself, so that no table is written by hand.

``vif-classes``
    the classes of a module of ``os_vif.objects``: fields, and the history of each;
``vif-releases``
    which release had which version of which class, one column for each distinct manifest;
``vif-changes``
    what each of those manifests brought;
``vif-format``
    how each class stands in a document;
``vif-options``
    the options of a plugin.
"""

from __future__ import annotations

import collections
import inspect
import itertools
import pathlib
import re
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from oslo_versionedobjects import fields
from sphinx.util.docutils import SphinxDirective

from os_vif import objects, opts
from os_vif.codec import FieldCodec, registry
from os_vif.codec import field as codecs
from os_vif.codec.document import field_codec, field_names
from os_vif.objects.versioning import history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docutils import nodes
    from sphinx import addnodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PACKAGE = pathlib.Path(objects.__file__).parents[1]

Class = type[Any]
Rows = list[tuple[str, ...]]


def table(header: tuple[str, ...], rows: Rows, *, stubs: int = 0) -> Iterator[str]:
    """A table in reStructuredText."""
    yield from (".. list-table::", "   :header-rows: 1", f"   :stub-columns: {stubs}", "")
    for row in (header, *rows):
        for number, cell in enumerate(row):
            yield f"   {'  ' if number else '* '}- {cell}"
    yield ""


class Generated(SphinxDirective):
    """A directive that stands for reStructuredText."""

    def lines(self) -> Iterable[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        # What the text is made of decides when it is made again.
        for path in (
            *PACKAGE.glob("objects/*.py"),
            *PACKAGE.glob("serialization/*.py"),
            PACKAGE / "opts.py",
        ):
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


def type_name(kind: fields.FieldType | fields.Field) -> str:
    """What a field takes, in words."""
    if isinstance(kind, fields.Field):
        kind = kind._type  # noqa: SLF001 - oslo.versionedobjects has no public name for it
    if isinstance(kind, fields.Object):
        link = f":class:`~os_vif.objects.{kind._obj_name}`"  # noqa: SLF001
        return f"{link} or a subclass" if kind._subclasses else link  # noqa: SLF001
    if isinstance(kind, fields.List):
        return f"list of {type_name(kind._element_type)}"  # noqa: SLF001
    if isinstance(kind, fields.Enum):
        return " or ".join(f"``{value}``" for value in kind.valid_values)
    return type(kind).__name__


def remarks(cls: Class) -> Mapping[str, str]:
    """What the source says of fields, in ``#:`` comments above them; for others, nothing."""
    found = re.findall(r'((?:^ +#: .*\n)+) +"(\w+)":', inspect.getsource(cls), re.MULTILINE)
    return collections.defaultdict(str) | {
        name: " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
        for comment, name in found
    }


def brought_by(cls: Class, field: str) -> tuple[Class, history.Version]:
    """The class of its ancestry that a field comes from, and the version that added it."""
    for ancestor in cls.__mro__:
        for version in history.declared_history(ancestor):
            if field in version.adds and not history.withdrawn_version(ancestor, version.number):
                return ancestor, version
    raise LookupError(f"{cls.__name__}.{field} is in no history")


def parents_then(
    cls: Class, before: history.Version | None, version: history.Version
) -> Iterator[str]:
    """The parents that had another version by then, with that version."""
    for parent in cls.__mro__[1:]:
        now = (
            history.version_in_release(parent, version.since)
            if history.declared_history(parent)
            else None
        )
        if before and now != history.version_in_release(parent, before.since):
            yield f"{parent.__name__} {now}"


def changes(cls: Class) -> Iterator[tuple[str, ...]]:
    """Each version of a class: its number, its release, and what it changed."""
    before = None
    for version in history.declared_history(cls):
        what = [f"``{field}`` added" for field in version.adds if before]
        what += [f"``{field}`` removed" for field in version.removes]
        what += [f"with {parent}" for parent in parents_then(cls, before, version)]
        if version.until and history.withdrawn_version(cls, version.number):
            what.append(f"taken back in {version.until}")
        elif version.until:
            what.append(f"given up in {version.until}")
        yield version.number, version.since, ", ".join(what) or "the first"
        before = version


def default(cls: Class, name: str) -> str:
    field = cls.fields[name]
    if cls().obj_attr_is_set(name):
        value = getattr(cls(), name)
        return "an empty list, set" if hasattr(value, "objects") else f"``{value}``, set"
    return "" if field.default is fields.UnspecifiedDefault else f"``{field.default}``"


class VifClasses(Generated):
    """``.. vif-classes:: module``"""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        for cls in history.vocabulary().values():
            if cls.__module__ == f"os_vif.objects.{self.arguments[0]}":
                yield from self.one(cls)

    def one(self, cls: Class) -> Iterator[str]:
        name = cls.__name__
        yield from (name, "~" * len(name), "")
        yield from (f".. py:class:: os_vif.objects.{name}", "")
        # Its own words; inspect.getdoc() would give those of the base class.
        for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
            yield f"   {line}".rstrip()
        yield ""
        inherited: dict[str, list[str]] = {}
        rows = []
        known = remarks(cls)
        for name, field in cls.fields.items():
            origin, version = brought_by(cls, name)
            if origin is not cls:
                inherited.setdefault(origin.__name__, []).append(name)
                continue
            none = "yes" if field.nullable else ""
            since = f"{version.number} ({version.since})"
            rows.append(
                (f"``{name}``", type_name(field), none, default(cls, name), since, known[name])
            )
        if rows:
            header = ("Field", "Takes", "None", "Default", "Since", "Remarks")
            yield from (f"   {line}" for line in table(header, rows))
        for parent, names in inherited.items():
            listed = ", ".join(f"``{name}``" for name in names)
            yield from (f"   From :class:`~os_vif.objects.{parent}`: {listed}.", "")
        if not cls.fields:
            yield from ("   It has no fields.", "")
        versions = list(changes(cls))
        if len(versions) == 1:
            yield from (f"   Version {versions[0][0]}, since {versions[0][1]}.", "")
        else:
            header = ("Version", "Release", "What changed")
            yield from (f"   {line}" for line in table(header, versions))


def distinct() -> list[list[str]]:
    """The releases, in groups that have the same manifest one after the other."""
    groups = itertools.groupby(history.releases(), key=history.manifest)
    return [list(releases) for _, releases in groups]


def span(releases: list[str]) -> str:
    return releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"


def json_type(value: FieldCodec) -> str:
    """How a value stands in a document, in words."""
    if isinstance(value, codecs.Nested):
        cls = history.vocabulary()[value.name]
        link = f":ref:`{value.name} <format-{value.name}>`"
        if registry.is_list(cls) and not value.open_type:
            return f"array of {json_type(field_codec(cls, 'objects').item)}"
        return (
            f"object: {link} or a kind of it, with ``kind``"
            if value.open_type
            else f"object: {link}"
        )
    if isinstance(value, codecs.Array):
        return f"array of {json_type(value.item)}"
    if isinstance(value, codecs.Map):
        return f"object, by name: {json_type(value.item)}"
    schema = value.json_schema()
    if "enum" in schema:
        return " or ".join(f'``"{choice}"``' for choice in schema["enum"])
    return value.expected if schema["type"] == "string" else str(schema["type"])


class VifFormat(Generated):
    def lines(self) -> Iterator[str]:
        for name, cls in sorted(history.vocabulary().items()):
            if registry.is_list(cls):
                continue
            yield from (f".. _format-{name}:", "", name, "-" * len(name), "")
            if not field_names(cls):
                yield from ("It has ``kind`` alone.", "")
                continue
            rows: Rows = []
            for field in sorted(field_names(cls)):
                known = cls.fields.get(field)
                null = "yes" if known is not None and known.nullable else ""
                rows.append((f"``{field}``", json_type(field_codec(cls, field)), null))
            yield from table(("Name", "Value", "null"), rows)


class VifReleases(Generated):
    def lines(self) -> Iterator[str]:
        groups = distinct()
        manifests = [history.manifest(group[0]) for group in groups]
        rows: Rows = [
            (name, *(manifest.get(name, "") for manifest in manifests))
            for name in history.manifest(history.releases()[-1])
        ]
        rows.append(("*releases*", *(str(len(group)) for group in groups)))
        yield from table(("Class", *map(span, groups)), rows, stubs=1)


class VifChanges(Generated):
    def lines(self) -> Iterator[str]:
        before: dict[str, str] = {}
        for group in distinct():
            now = history.manifest(group[0])
            yield group[0]
            new = [name for name in now if name not in before]
            if not before:
                yield f"   The first release, with {len(new)} classes."
            elif new:
                yield f"   New: {', '.join(new)}."
            changed = [n for n, v in now.items() if n in before and v != before[n]]
            if changed:
                steps = (f"{name} {before[name]} to {now[name]}" for name in changed)
                yield f"   Changed: {', '.join(steps)}."
            yield ""
            before = now


def written(option: cfg.Opt) -> str:
    """The default of an option, as a configuration file has it."""
    if isinstance(option, cfg.BoolOpt):
        return str(option.default).lower()
    if isinstance(option, cfg.MultiStrOpt):
        return ", ".join(option.default)
    return "" if option.default is None else str(option.default)


class VifOptions(Generated):
    """``.. vif-options:: plugin``"""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        for option in opts.IN_TREE[self.arguments[0]]:
            value = written(option)
            yield f"``{option.name} = {value}``" if value else f"``{option.name}``"
            yield f"   {option.help}"
            if not value:
                yield "   By default there is none."
            if choices := getattr(option.type, "choices", None):
                yield f"   One of {', '.join(f'``{choice}``' for choice in choices)}."
            if any(d.group == "DEFAULT" for d in option.deprecated_opts):
                yield "   Also read from ``[DEFAULT]``, which is deprecated."
            if option.deprecated_for_removal:
                yield f"   Deprecated since {option.deprecated_since}."
            yield ""


def by_public_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, child: nodes.Element
) -> nodes.Node | None:
    """Lead a reference to a class of the vocabulary, by whatever path, to where it is described."""
    name = node["reftarget"].rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in history.vocabulary():
        return None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], f"os_vif.objects.{name}", node, child
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", by_public_name)
    for name, directive in (
        ("vif-classes", VifClasses),
        ("vif-releases", VifReleases),
        ("vif-changes", VifChanges),
        ("vif-format", VifFormat),
        ("vif-options", VifOptions),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
