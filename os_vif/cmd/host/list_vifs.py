# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif list``."""

from __future__ import annotations

import argparse
import logging
import pathlib
import socket
from typing import TYPE_CHECKING, Any

from cliff import columns

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.host import inventory_filter
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged

LOG = logging.getLogger("os-vif")


class List(main.Lister):
    """List the VIFs on this host, of every program. The host stays unchanged."""

    _exit_code = 0
    columns = (
        "ID",
        "Class",
        "Plugin",
        "Way",
        "Instance",
        "Owner",
        "Since",
        "Devices",
        "Port",
        "Bridge",
        "State",
        "Reasons",
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        inventory_filter.add_options(parser)
        for name, text in (("svg", "an SVG picture"), ("html", "a page of HTML")):
            parser.add_argument(
                f"--{name}",
                metavar="FILE",
                help=f"draw the host as {text}, into FILE, or to standard output for '-'; by "
                "default print a table",
            )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            if parsed_args.svg or parsed_args.html:
                return self._draw(parsed_args)
            return super().run(parsed_args) or self._exit_code
        except exception.ExceptionBase as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_FAILED

    def _draw(self, parsed_args: argparse.Namespace) -> int:
        """Write the pictures of the selected VIFs; return the exit code."""
        from os_vif.cmd.render import host_picture

        inventory, code = inventory_filter.read_entries()
        entries = inventory_filter.select(inventory, parsed_args)
        host = socket.gethostname()
        for path, render in (
            (parsed_args.svg, host_picture.render_svg),
            (parsed_args.html, host_picture.render_html),
        ):
            if path is None:
                continue
            picture = render(entries, host, inventory.uplinks)
            if path == "-":
                self.app.stdout.write(picture)
                continue
            try:
                pathlib.Path(path).write_text(picture, encoding="utf-8")
            except OSError as error:
                LOG.error("%s: %s", path, error.strerror)  # noqa: TRY400 - for a person
                return exit_codes.EXIT_FAILED
        return code

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Return the columns and rows; empty cells are None in the formats for programs."""
        entries, self._exit_code = inventory_filter.selected(parsed_args)
        is_table = parsed_args.formatter == "table"
        rows = [row_of(entry) for entry in entries]
        if is_table and not rows:
            LOG.warning("no VIF is plugged, or none matches the options")
        if parsed_args.formatter in ("csv", "value"):
            # A cell is a text in these formats.
            rows = [tuple(map(_joined, row)) for row in rows]
        if is_table:
            rows = [tuple("" if cell is None else cell for cell in row) for row in rows]
        return self.columns, rows


class Lines(columns.FormattableColumn[list[str]]):
    """A cell with several lines; a list in the formats for programs."""

    def human_readable(self) -> str:
        """Return the lines as text."""
        return "\n".join(printable(line) for line in self._value)


def _joined(cell: Any) -> Any:
    """Return a cell with several lines as a text with a space or ``; `` between the parts."""
    if not isinstance(cell, Lines):
        return cell
    lines = [printable(line) for line in cell.machine_readable()]
    return ("; " if any(" " in line for line in lines) else " ").join(lines)


def row_of(entry: Plugged) -> tuple[Any, ...]:
    """Return the cells of an entry, in the order of :attr:`List.columns`."""
    return (
        entry.id,
        entry.kind,
        entry.plugin,
        entry.way,
        inventory_filter.instance_id(entry) or None,
        entry.owner,
        None if entry.since is None else entry.since.isoformat(timespec="seconds"),
        Lines(list(entry.devices)),
        entry.port,
        entry.bridge,
        str(entry.state),
        Lines(list(entry.reasons)),
    )
