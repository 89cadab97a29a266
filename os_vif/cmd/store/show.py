# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif show``: stored objects as text trees, or as a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from os_vif.cmd import main
from os_vif.cmd.render.ascii_option import add_ascii_option
from os_vif.cmd.store import files
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import FilesCommand

# ``os-vif --help`` loads this module: codecs are imported when the command runs.
if TYPE_CHECKING:
    from os_vif.cmd.render import tree
    from os_vif.cmd.store import visitor

#: The maximum number of objects in a picture.
MAX_DRAWN = 100


class Show(FilesCommand):
    """Draw stored objects as a tree, or as a picture."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--svg",
            metavar="FILE",
            help="write a picture to an SVG file, or for '-' to standard output; by default a tree",
        )
        add_ascii_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import visitor

        with visitor.open_sources(parsed_args.files) as sources:
            if parsed_args.svg:
                _write_picture(sources, parsed_args.svg)
            else:
                _print_trees(sources, ascii_only=parsed_args.ascii)
        return visitor.exit_code(sources)


def _visit_trees(sources: list[visitor.Source], draw: Callable[[tree.Node], object]) -> None:
    """Call *draw* with the tree of each object that has VIFs."""

    def act(chunk: Chunk) -> Outcome:
        node = object_tree(chunk)
        if node is None:
            return Outcome.EMPTY
        draw(node)
        return Outcome.VALID

    for source in sources:
        source.visit(act)


def object_tree(chunk: Chunk) -> tree.Node | None:
    """Return the tree of an object, or None for an object without VIFs."""
    from os_vif.cmd.render import tree
    from os_vif.cmd.store.stored_entry import StoredEntry

    entry = StoredEntry(chunk)
    if not entry.has_vifs:
        return None
    return tree.build_tree(None if entry.is_bare else entry.name, entry.read())


def _print_trees(sources: list[visitor.Source], *, ascii_only: bool) -> None:
    """Print a tree for each object, with an empty line between two trees."""
    from os_vif.cmd.render import tree

    style = tree.ASCII if ascii_only else tree.choose_style(sys.stdout)
    encoding = "ascii" if style is tree.ASCII else "utf-8"
    separator = ""
    with files.open_output(files.STANDARD_STREAM, []) as out:

        def draw(node: tree.Node) -> None:
            nonlocal separator
            text = "".join(f"{line}\n" for line in tree.render_text(node, style))
            out.write((separator + text).encode(encoding, "backslashreplace"))
            separator = "\n"

        _visit_trees(sources, draw)


def _write_picture(sources: list[visitor.Source], output: str) -> None:
    """Write an SVG of the objects.

    :raises BadInputError: for no objects, and for more than :data:`MAX_DRAWN`.
    """
    from os_vif.cmd.render import svg

    nodes: list[tree.Node] = []

    def draw(node: tree.Node) -> None:
        if len(nodes) == MAX_DRAWN:
            raise main.BadInputError(f"--svg: there are more than {MAX_DRAWN} objects to draw")
        nodes.append(node)

    _visit_trees(sources, draw)
    if not nodes:
        raise main.BadInputError("--svg: there is nothing to draw")
    with files.open_output(output, []) as out:
        out.write(svg.render_svg(nodes).encode())
