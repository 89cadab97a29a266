# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Directives that generate the reference of classes and options from os-vif.

``vif-classes``
    the classes of a module of ``os_vif.objects``, with fields and versions;
``vif-releases``
    the version of each class in each release, with a column for each distinct manifest;
``vif-changes``
    the changes of each distinct manifest;
``vif-format``
    the form of each class in a document;
``vif-options``
    the options of a plugin.
"""

from __future__ import annotations

import inspect
import itertools
import pathlib
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from oslo_versionedobjects import fields
from sphinx.util.docutils import SphinxDirective

from os_vif import objects, opts
from os_vif.codec import FieldCodec, registry
from os_vif.codec import field as codecs
from os_vif.codec.document import field_codec, field_names
from os_vif.codec.field_comments import sentence_of
from os_vif.objects.versioning import history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils import nodes
    from sphinx import addnodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PACKAGE = pathlib.Path(objects.__file__).parents[1]

Class = type[Any]
Rows = list[tuple[str, ...]]


def table(header: tuple[str, ...], rows: Rows, *, stubs: int = 0) -> Iterator[str]:
    """Yield the lines of a table in reStructuredText.

    :param stubs: number of header columns.
    """
    yield from (".. list-table::", "   :header-rows: 1", f"   :stub-columns: {stubs}", "")
    for row in (header, *rows):
        for number, cell in enumerate(row):
            yield f"   {'  ' if number else '* '}- {cell}"
    yield ""


class Generated(SphinxDirective):
    """A directive that generates reStructuredText."""

    def lines(self) -> Iterable[str]:
        """Return the lines of the text."""
        raise NotImplementedError

    def sources(self) -> Iterable[str]:
        """Return the files that the text depends on: Sphinx reads the page again after a change."""
        folders = ("codec", "objects", "serialization")
        yield from (str(path) for name in folders for path in PACKAGE.glob(f"{name}/**/*.py"))
        yield str(PACKAGE / "opts.py")

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the text."""
        for path in self.sources():
            self.env.note_dependency(path)
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


def type_name(kind: fields.FieldType | fields.Field) -> str:
    """Describe the values that a field accepts."""
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


def find_origin(cls: Class, field: str) -> tuple[Class, history.Version]:
    """Return the ancestor that declares a field, and the version that added the field."""
    for ancestor in cls.__mro__:
        for version in history.declared_history(ancestor):
            if field in version.adds and not history.withdrawn_version(ancestor, version.number):
                return ancestor, version
    raise LookupError(f"{cls.__name__}.{field} is in no history")


def changed_parents(
    cls: Class, previous: history.Version | None, version: history.Version
) -> Iterator[str]:
    """Yield name and version of each parent that changed since the previous version of a class."""
    for parent in cls.__mro__[1:]:
        present = (
            history.version_in_release(parent, version.since)
            if history.declared_history(parent)
            else None
        )
        if previous and present != history.version_in_release(parent, previous.since):
            yield f"{parent.__name__} {present}"


def changes(cls: Class) -> Iterator[tuple[str, ...]]:
    """Yield number, release and changes of each version of a class."""
    previous = None
    for version in history.declared_history(cls):
        texts = [f"``{field}`` added" for field in version.adds if previous]
        texts += [f"``{field}`` removed" for field in version.removes]
        texts += [f"with {parent}" for parent in changed_parents(cls, previous, version)]
        if version.until and history.withdrawn_version(cls, version.number):
            texts.append(f"withdrawn in {version.until}")
        elif version.until:
            texts.append(f"dropped in {version.until}")
        yield version.number, version.since, ", ".join(texts) or "first version"
        previous = version


def default(cls: Class, name: str) -> str:
    """Describe the default of a field. A field with a value after construction is marked "set"."""
    field = cls.fields[name]
    if cls().obj_attr_is_set(name):
        value = getattr(cls(), name)
        return "an empty list, set" if hasattr(value, "objects") else f"``{value}``, set"
    return "" if field.default is fields.UnspecifiedDefault else f"``{field.default}``"


class VifClasses(Generated):
    """The directive ``.. vif-classes:: module``."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Yield the description of each class of the module."""
        for cls in history.vocabulary().values():
            if cls.__module__ == f"os_vif.objects.{self.arguments[0]}":
                yield from self.class_lines(cls)

    def class_lines(self, cls: Class) -> Iterator[str]:
        """Yield the description of a class, with a table of fields and a table of versions."""
        name = cls.__name__
        yield from (name, "~" * len(name), "")
        yield from (f".. py:class:: os_vif.objects.{name}", "")
        # inspect.getdoc() would return the docstring of the base class.
        for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
            yield f"   {line}".rstrip()
        yield ""
        inherited: dict[str, list[str]] = {}
        rows = []
        for name, field in cls.fields.items():
            origin, version = find_origin(cls, name)
            if origin is not cls:
                inherited.setdefault(origin.__name__, []).append(name)
                continue
            nullable = "yes" if field.nullable else ""
            since = f"{version.number} ({version.since})"
            rows.append(
                (
                    f"``{name}``",
                    type_name(field),
                    nullable,
                    default(cls, name),
                    since,
                    sentence_of(cls, name),
                )
            )
        if rows:
            header = ("Field", "Accepts", "None", "Default", "Since", "Description")
            yield from (f"   {line}" for line in table(header, rows))
        for parent, names in inherited.items():
            listed = ", ".join(f"``{name}``" for name in names)
            yield from (f"   From :class:`~os_vif.objects.{parent}`: {listed}.", "")
        if not cls.fields:
            yield from ("   The class has no fields.", "")
        versions = list(changes(cls))
        if len(versions) == 1:
            yield from (f"   Version {versions[0][0]}, since {versions[0][1]}.", "")
        else:
            header = ("Version", "Release", "Changes")
            yield from (f"   {line}" for line in table(header, versions))


def release_groups() -> list[list[str]]:
    """Return the releases, in groups of consecutive releases with the same manifest."""
    groups = itertools.groupby(history.releases(), key=history.manifest)
    return [list(releases) for _, releases in groups]


def span(releases: list[str]) -> str:
    """Return the first and the last release of a group."""
    return releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"


def json_type(value: FieldCodec) -> str:
    """Describe the form of a value in a document."""
    if isinstance(value, codecs.Nested):
        cls = history.vocabulary()[value.name]
        link = f":ref:`{value.name} <format-{value.name}>`"
        if registry.is_list(cls) and not value.open_type:
            return f"array of {json_type(field_codec(cls, 'objects').item)}"
        return (
            f"object: {link} or a subclass, with ``kind``"
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
    """The directive ``.. vif-format::``."""

    def lines(self) -> Iterator[str]:
        """Yield a section with a table of fields for each class."""
        for name, cls in sorted(history.vocabulary().items()):
            if registry.is_list(cls):
                continue
            yield from (f".. _format-{name}:", "", name, "-" * len(name), "")
            if not field_names(cls):
                yield from ("The object has the key ``kind`` only.", "")
                continue
            rows: Rows = []
            for field in sorted(field_names(cls)):
                declared = cls.fields.get(field)
                null = "yes" if declared is not None and declared.nullable else ""
                rows.append((f"``{field}``", json_type(field_codec(cls, field)), null))
            yield from table(("Name", "Value", "null"), rows)


class VifReleases(Generated):
    """The directive ``.. vif-releases::``."""

    def lines(self) -> Iterator[str]:
        """Yield a table with a row for each class, and a column for each group of releases."""
        groups = release_groups()
        manifests = [history.manifest(group[0]) for group in groups]
        rows: Rows = [
            (name, *(manifest.get(name, "") for manifest in manifests))
            for name in history.manifest(history.releases()[-1])
        ]
        rows.append(("*releases*", *(str(len(group)) for group in groups)))
        yield from table(("Class", *map(span, groups)), rows, stubs=1)


class VifChanges(Generated):
    """The directive ``.. vif-changes::``."""

    def lines(self) -> Iterator[str]:
        """Yield the new and the changed classes of each group of releases."""
        previous: dict[str, str] = {}
        for group in release_groups():
            present = history.manifest(group[0])
            yield group[0]
            new = [name for name in present if name not in previous]
            if not previous:
                yield f"   The first release, with {len(new)} classes."
            elif new:
                yield f"   New: {', '.join(new)}."
            changed = [n for n, v in present.items() if n in previous and v != previous[n]]
            if changed:
                steps = (f"{name} {previous[name]} to {present[name]}" for name in changed)
                yield f"   Changed: {', '.join(steps)}."
            yield ""
            previous = present


def default_text(option: cfg.Opt) -> str:
    """Return the default of an option in the syntax of a configuration file."""
    if isinstance(option, cfg.BoolOpt):
        return str(option.default).lower()
    if isinstance(option, cfg.MultiStrOpt):
        return ", ".join(option.default)
    return "" if option.default is None else str(option.default)


class VifOptions(Generated):
    """The directive ``.. vif-options:: plugin``, or a group of os-vif itself."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Yield each option with default, help and deprecation."""
        name = self.arguments[0]
        for option in opts.LIBRARY.get(name) or opts.IN_TREE[name]:
            value = default_text(option)
            yield f"``{option.name} = {value}``" if value else f"``{option.name}``"
            yield f"   {option.help}"
            if not value:
                yield "   Not set by default."
            if choices := getattr(option.type, "choices", None):
                yield f"   One of {', '.join(f'``{choice}``' for choice in choices)}."
            if any(d.group == "DEFAULT" for d in option.deprecated_opts):
                yield "   Also read from ``[DEFAULT]``, which is deprecated."
            if option.deprecated_for_removal:
                yield f"   Deprecated since {option.deprecated_since}."
            yield ""


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, child: nodes.Element
) -> nodes.Node | None:
    """Resolve a reference to a class of the vocabulary by the name in ``os_vif.objects``.

    Annotations name the module that defines the class.
    """
    name = node["reftarget"].rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in history.vocabulary():
        return None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], f"os_vif.objects.{name}", node, child
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives, and the resolution of references."""
    app.connect("missing-reference", resolve_public_name)
    for name, directive in (
        ("vif-classes", VifClasses),
        ("vif-releases", VifReleases),
        ("vif-changes", VifChanges),
        ("vif-format", VifFormat),
        ("vif-options", VifOptions),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
