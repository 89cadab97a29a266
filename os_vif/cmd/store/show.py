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
from os_vif.cmd.store import files, object_output, selection
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
        selection.add_selection_options(parser)
        object_output.add_format_option(
            parser,
            "tree; json with a line for each object, or yaml with a document for each object: VIFs "
            "as documents; by default tree",
            others=("tree",),
            default="tree",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import visitor

        selected = selection.parse_selection(parsed_args)
        if parsed_args.svg and parsed_args.format != "tree":
            raise main.BadInputError("--svg cannot be combined with -f json or yaml")
        with visitor.open_sources(parsed_args.files) as sources:
            for source in sources:
                source.selection = selected
            if parsed_args.svg:
                _write_picture(sources, parsed_args.svg)
            elif parsed_args.format != "tree":
                _write_objects(sources, parsed_args.format)
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


def _write_objects(sources: list[visitor.Source], output_format: str) -> None:
    """Write the documents of the VIFs of each object: a VIF, or an object with names and VIFs."""
    from os_vif.cmd.store import stored_entry

    with files.open_output(files.STANDARD_STREAM, [source.file for source in sources]) as out:
        write = object_output.object_writer(out, output_format)

        def act(chunk: Chunk) -> Outcome:
            entry = stored_entry.StoredEntry(chunk)
            if not entry.has_vifs:
                return Outcome.EMPTY
            content = entry.read()
            if entry.is_bare:
                write(stored_entry.plain_data(content))
            else:
                vifs = {name: stored_entry.plain_data(vif) for name, vif in content.items()}
                write({**stored_entry.names_of(entry.data), "vifs": vifs})
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
