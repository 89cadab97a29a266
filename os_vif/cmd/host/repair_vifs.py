# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif repair``."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any

from cliff import command

import os_vif
from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.host import inventory_filter
from os_vif.cmd.store import object_output
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged

LOG = logging.getLogger("os-vif")


class Repair(main.Escaping, command.Command):
    """Plug the VIFs again whose settings differ from a plug.

    The command lists the differences first, and asks for a confirmation on a terminal.
    """

    _is_text = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "vifs",
            nargs="*",
            metavar="ID",
            help="id, port or device of a VIF; none with --all",
        )
        parser.add_argument("--all", action="store_true", help="repair all VIFs of the host")
        parser.add_argument(
            "--yes", action="store_true", help="do not ask; required without a terminal"
        )
        inventory_filter.add_options(parser, states=False)
        object_output.add_format_option(
            parser,
            "text; json or yaml with an entry for each VIF that differs, which need --yes; by "
            "default text",
            others=("text",),
            default="text",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return self._repair(parsed_args)
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            LOG.error("%s", error)  # noqa: TRY400
            return exit_codes.EXIT_FAILED

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do nothing: :meth:`run` returns an exit code."""

    def _repair(self, arguments: argparse.Namespace) -> int:
        """Repair the selected VIFs, and return the exit code."""
        if arguments.format != "text" and not arguments.yes:
            raise main.BadInputError(f"repair: -f {arguments.format} needs --yes")
        self._is_text = arguments.format == "text"
        records: list[dict[str, Any]] = []
        try:
            return self._repair_selected(arguments, records)
        finally:
            if not self._is_text:
                text = object_output.compose(records, arguments.format)
                print(text, file=self.app.stdout)

    def _repair_selected(
        self, arguments: argparse.Namespace, records: list[dict[str, Any]]
    ) -> int:
        """Repair the selected VIFs, and return the exit code.

        :param records: receives an entry for each VIF that differs or whose state is unknown.
        """
        from os_vif.operations import repair_host

        entries, code = _selected(arguments)
        unknown = tuple(entry for entry in entries if entry.state == "unknown")
        wrong = repair_host.repairable(entries)
        for entry in (*unknown, *wrong):
            state = "unknown: " if entry in unknown else ""
            for reason in entry.reasons:
                self._print(f"{entry.id}: {state}{reason}")
        records += [_record(entry, "unknown", None) for entry in unknown]
        if unknown:
            code = exit_codes.EXIT_FAILED
        if not wrong:
            self._print(_summary(len(entries), len(unknown), is_complete=not code))
            return code
        if not arguments.yes and not self._is_confirmed(len(wrong)):
            self._print("nothing was changed")
            return code or exit_codes.EXIT_DRIFT
        for result in repair_host.repair(wrong, os_vif.plug):
            if result.error is None:
                self._print(f"{result.entry.id}: plugged again")
                records.append(_record(result.entry, "plugged again", None))
            else:
                records.append(_record(result.entry, "failed", result.error))
                LOG.error("%s", result.error)
                code = exit_codes.EXIT_FAILED
        return code

    def _is_confirmed(self, number: int) -> bool:
        """Ask a person whether to repair.

        :raises BadInputError: if standard input is no terminal.
        """
        if not sys.stdin.isatty():
            raise main.BadInputError(
                f"repair: to plug {_vifs(number)} again, --yes is required without a terminal"
            )
        self.app.stdout.write(f"Plug {_vifs(number)} again? [y/N] ")
        self.app.stdout.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _print(self, text: str) -> None:
        if self._is_text:
            print(printable(text), file=self.app.stdout)


def _record(entry: Plugged, outcome: str, error: Exception | None) -> dict[str, Any]:
    """Return the outcome of a VIF as plain data."""
    return {
        "vif": entry.id,
        "state": str(entry.state),
        "reasons": list(entry.reasons),
        "outcome": outcome,
        "error": None if error is None else str(error),
    }


def _selected(arguments: argparse.Namespace) -> tuple[tuple[Plugged, ...], int]:
    """Return the selected VIFs and an exit code.

    :raises BadInputError: if an argument names no VIF or several VIFs.
    """
    if bool(arguments.vifs) == arguments.all:
        raise main.BadInputError("repair: give either --all or the ids of VIFs")
    entries, code = inventory_filter.selected(arguments)
    for name in arguments.vifs:
        inventory_filter.require_match(entries, name)
    if not arguments.vifs:
        return entries, code
    names = arguments.vifs
    chosen = (e for e in entries if any(inventory_filter.has_name(e, name) for name in names))
    return tuple(chosen), code


def _summary(number: int, unknown: int, *, is_complete: bool) -> str:
    """Return the line for VIFs without a difference.

    :param is_complete: whether all sources could be read.
    """
    if unknown:
        return f"nothing to repair; the state of {_vifs(unknown)} of {number} is unknown"
    if not is_complete:
        return "nothing to repair among the listed VIFs; the list is incomplete"
    return "all VIFs are plugged; nothing to repair"


def _vifs(number: int) -> str:
    return f"{number} VIF" if number == 1 else f"{number} VIFs"
