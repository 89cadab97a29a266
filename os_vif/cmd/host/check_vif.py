# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif check``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import os_vif
from os_vif.cmd import exit_codes, main
from os_vif.cmd.colours import Colour, has_colours, paint
from os_vif.cmd.host import inventory_filter
from os_vif.cmd.host.vif_command import Entry, VIFCommand
from os_vif.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from os_vif.operations.plugged import Plugged
    from os_vif.steps.plan import Difference

#: Colours of the states of :class:`os_vif.operations.plugged.State` that are not right.
_STATE_COLOURS = {
    "differs": Colour.RED,
    "left over": Colour.RED,
    "pending": Colour.YELLOW,
    "unknown": Colour.YELLOW,
}


class Check(VIFCommand, main.Lister):
    """List the differences between the host and plugged VIFs. The host is not changed."""

    #: The command starts faster with the plugin of the VIF only.
    loads_late = True
    _has_drift = False
    _exit_code = 0
    columns: tuple[str, ...] = ("Device", "Attribute", "Found", "Expected", "Pending")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        main.add_text_format(parser, "a line for each difference")
        parser.add_argument(
            "--all", action="store_true", help="check all VIFs of the host instead of FILE"
        )
        inventory_filter.add_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.all:
            self.columns = ("VIF", "State", *Check.columns)
        code = super().run(parsed_args) or self._exit_code
        return code or (exit_codes.EXIT_DRIFT if self._has_drift else 0)

    def _run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.formatter == "text" and parsed_args.columns:
            # The text format has no columns.
            parsed_args.formatter = "table"
        if parsed_args.formatter != "text":
            return super()._run(parsed_args)
        if parsed_args.all:
            for plugged in self._entries(parsed_args):
                for reason in plugged.reasons:
                    self._print(f"{plugged.id}: {reason}", _STATE_COLOURS.get(plugged.state))
            return 0
        entries = self.read_entries(parsed_args)
        for entry, found in self._differences(entries):
            where = "" if len(entries) == 1 else f"{entry.where}: "
            for difference in found:
                colour = Colour.YELLOW if difference.pending else Colour.RED
                self._print(f"{where}{difference}", colour)
        return 0

    def _print(self, line: str, colour: Colour | None) -> None:
        """Print a line, on a terminal in a colour."""
        text = printable(line)
        if has_colours(self.app.stdout):
            text = paint(text, colour)
        print(text, file=self.app.stdout)

    def _entries(self, parsed_args: argparse.Namespace) -> tuple[Plugged, ...]:
        """Return the selected VIFs of the host that are not right.

        :raises BadInputError: if the arguments also name a file.
        """
        if parsed_args.vif != ["-"]:
            raise main.BadInputError("check: give either --all or a FILE")
        entries, self._exit_code = inventory_filter.selected(parsed_args)
        self._has_drift = any(entry.state == "differs" for entry in entries)
        return tuple(entry for entry in entries if entry.reasons)

    def _differences(self, entries: list[Entry]) -> list[tuple[Entry, tuple[Difference, ...]]]:
        """Return the differences of each VIF; the exit code ignores pending differences."""
        if len(entries) == 1:
            ((_, vif, instance),) = entries
            found = [(entries[0], os_vif.check(vif, instance))]
        else:
            results = os_vif.check_many([(vif, instance) for _, vif, instance in entries])
            self._exit_code = self.report_errors(entries, (result.error for result in results))
            found = [
                (entry, result.differences) for entry, result in zip(entries, results, strict=True)
            ]
        self._has_drift = any(not d.pending for _, differences in found for d in differences)
        return found

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        if parsed_args.all:
            return self.columns, list(_host_rows(self._entries(parsed_args)))
        entries = self.read_entries(parsed_args)
        rows = [
            (entry.where, d.device, d.attribute, d.found, d.expected, d.pending)
            for entry, found in self._differences(entries)
            for d in found
        ]
        if len(entries) == 1:
            return self.columns, [row[1:] for row in rows]
        return ("VIF", *self.columns), rows


def _host_rows(entries: Iterable[Plugged]) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each difference, and for each reason of an entry without differences."""
    for entry in entries:
        state = str(entry.state)
        for d in entry.differences:
            yield (entry.id, state, d.device, d.attribute, d.found, d.expected, d.pending)
        if not entry.differences:
            for reason in entry.reasons:
                yield (entry.id, state, "", "", reason, "", False)
