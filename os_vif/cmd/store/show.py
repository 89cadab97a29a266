# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Draws stored objects, as text or as a picture."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.render import svg, tree
from os_vif.cmd.store import diagnostics, files, stored_entry
from os_vif.cmd.store.convert import Source
from os_vif.cmd.store.json_splitter import Piece

LOG = logging.getLogger("os-vif")

#: A picture of more cannot be looked at.
MOST = 100


class _Trees:
    """The trees of the objects in files that can be read."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self.whole = True

    def __iter__(self) -> Iterator[tree.Node]:
        for name in self._names:
            with files.reading(name) as file:
                source = Source(name, file)
                for piece in source.pieces():
                    if not piece.is_object:
                        continue
                    try:
                        node = stored_entry.guarded(lambda piece=piece: _tree(piece))  # type: ignore[misc]
                    except exception.SerializationError as error:
                        fault = diagnostics.of(piece, error)
                        source.tell(LOG.error, piece, fault.line, fault)
                        self.whole = False
                        continue
                    if node is not None:
                        yield node


def _tree(piece: Piece) -> tree.Node | None:
    unit = stored_entry.Unit(piece)
    if not unit.has_vifs:
        return None
    return tree.of_stored(None if unit.is_bare else unit.name, unit.read())


def as_text(names: list[str], *, ascii_only: bool) -> bool:
    """Print a tree of each object.

    :returns: whether all of them could be read.
    """
    style = tree.ASCII if ascii_only else tree.style_for(sys.stdout)
    encoding = "ascii" if style is tree.ASCII else "utf-8"
    trees = _Trees(names)
    with files.writing(files.STANDARD, []) as out:
        for number, node in enumerate(trees):
            if number:
                out.write(b"\n")
            for line in tree.lines(node, style):
                out.write(f"{line}\n".encode(encoding, "backslashreplace"))
    return trees.whole


def as_picture(names: list[str], output: str) -> bool:
    """Write an SVG of the objects.

    :returns: whether all of them could be read.
    :raises BadInputError: if there is nothing to draw, or too much.
    """
    trees = _Trees(names)
    nodes: list[tree.Node] = []
    with contextlib.closing(iter(trees)) as found:  # type: ignore[type-var]
        for node in found:
            nodes.append(node)
            if len(nodes) > MOST:
                raise main.BadInputError(f"--svg: there are more than {MOST} objects to draw")
    if not nodes:
        raise main.BadInputError("--svg: there is nothing to draw")
    with files.writing(output, []) as out:
        out.write(svg.picture(nodes).encode())
    return trees.whole
