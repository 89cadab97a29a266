# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The package of a new plugin, made from the template in ``plugin_template/``."""

from __future__ import annotations

import pathlib
import re
import string
import tempfile
from importlib import metadata, resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
_MAX_NAME = 32
NAME_RULE = (
    f"expected at most {_MAX_NAME} lower-case letters, digits and single underscores, beginning with a "
    "letter"
)
#: The ending of the files of the template, which are no files of Python before the substitution.
_ENDING = ".in"


class _Text(string.Template):
    """A file of the template. ``%{word}`` is replaced."""

    delimiter = "%"


def check_name(name: str) -> str:
    """Return the name of a new plugin.

    :raises ValueError: if the name is unusable, or is that of an installed plugin.
    """
    if len(name) > _MAX_NAME or not _NAME.match(name):
        raise ValueError(f"the name of the plugin is {name!r}; {NAME_RULE}")
    for entry_point in metadata.entry_points(group="os_vif"):
        if entry_point.name == name:
            raise ValueError(
                f"a plugin {name!r} is installed already ({entry_point.value}); expected an unused name"
            )
    return name


def distribution_name(name: str) -> str:
    """Return the name of the distribution, and of the default directory."""
    return f"os-vif-{name.replace('_', '-')}"


def write_package(name: str, directory: pathlib.Path, release: str) -> list[pathlib.Path]:
    """Write the package of a plugin. Either all files are written, or the directory does not exist.

    :param name: the name of the plugin, as :func:`check_name` returns it.
    :param directory: the directory to create, in an existing directory.
    :param release: the oldest release of os-vif for the plugin.
    :returns: the files, relative to the directory.
    :raises FileExistsError: if the directory exists.
    :raises OSError: if a file cannot be written.
    """
    if directory.exists() or directory.is_symlink():
        raise FileExistsError(f"{directory} exists already; expected the name of a new directory")
    words = _words(name, release)
    template = resources.files("os_vif.cmd.author") / "plugin_template"
    with tempfile.TemporaryDirectory(prefix=".os-vif-", dir=directory.parent) as scratch:
        written = pathlib.Path(scratch, "package")
        files = []
        for path, source in _files(template, pathlib.PurePath()):
            parts = [words["package"] if part == "package" else part for part in path.parts]
            file = pathlib.Path(*parts)
            target = written / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_Text(source.read_text("utf-8")).substitute(words), "utf-8")
            files.append(file)
        written.rename(directory)
    return sorted(files)


def _words(name: str, release: str) -> dict[str, str]:
    """Return the replacements in the files."""
    distribution = distribution_name(name)
    return {
        "plugin": name,
        "package": f"os_vif_{name}",
        "distribution": distribution,
        "underline": "=" * len(distribution),
        "class_name": f"{''.join(word.capitalize() for word in name.split('_'))}Plugin",
        "release": release,
    }


def _files(
    folder: Traversable, path: pathlib.PurePath
) -> Iterator[tuple[pathlib.PurePath, Traversable]]:
    """Yield the path without the ending, and the contents, of each file of the template."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, path / entry.name)
        elif entry.name.endswith(_ENDING):
            yield path / entry.name.removesuffix(_ENDING), entry
