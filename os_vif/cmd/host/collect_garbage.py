# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif gc``."""

from __future__ import annotations

import argparse
import logging
import os
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

import os_vif
from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.colours import Colour
from os_vif.cmd.host.durations import parse_duration

if TYPE_CHECKING:
    from os_vif.operations.collect import Collected, Keep

LOG = logging.getLogger("os-vif")


class CollectGarbage(main.Lister):
    """Unplug the VIFs of this host that no keep list names, and delete empty bridges of os-vif."""

    columns = ("VIF", "Kind", "Plugin", "Owner", "Since", "Outcome", "Reason")
    colours = {
        "Outcome": {
            "removed": Colour.GREEN,
            "would remove": Colour.YELLOW,
            "waiting": Colour.YELLOW,
            "failed": Colour.RED,
        }
    }
    _code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        keep = parser.add_mutually_exclusive_group(required=True)
        keep.add_argument(
            "--keep",
            action="append",
            metavar="FILE",
            help="file with the VIFs in use, or - for standard input: VIF ids or instance uuids, one "
            "on a line; JSON or YAML of VIFs or KuryrPorts, or with cni.dev/valid-attachments; output of "
            "virsh list --uuid, domiflist or dumpxml. Can be repeated. An empty file is an error, "
            "except /dev/null",
        )
        keep.add_argument(
            "--keep-nothing", action="store_true", help="no VIF is in use; as --keep /dev/null"
        )
        parser.add_argument(
            "--keep-unmatched",
            action="store_true",
            help="accept a keep list that names no VIF of this host; by default an error",
        )
        parser.add_argument(
            "--owner",
            action="append",
            metavar="NAME",
            help="collect VIFs of this owner only. Can be repeated; required if the host has VIFs of "
            "several owners",
        )
        parser.add_argument(
            "--older-than",
            type=parse_duration,
            default=600.0,
            metavar="AGE",
            help="grace period, such as 90s, 10m or 2h; by default 10m",
        )
        parser.add_argument(
            "--seen",
            type=_positive,
            default=2,
            metavar="N",
            help="collect a VIF that N runs in succession have found not in use; by default 2",
        )
        parser.add_argument(
            "--limit",
            type=_positive,
            default=None,
            metavar="N",
            help="unplug at most N VIFs; by default all",
        )
        parser.add_argument(
            "--unowned",
            action="store_true",
            help="also collect VIFs without a known owner, such as those that the public os-vif "
            "has plugged",
        )
        parser.add_argument(
            "--pending",
            action="store_true",
            help="also collect VIFs that wait for the hypervisor: the device of the guest does not "
            "exist, because the guest has gone or has not started yet",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="list the results, and change nothing; exit code 3 if a VIF would be unplugged",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args) or self._code
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            if self.app_args and self.app_args.debug:
                raise
            LOG.error("%s", error)  # noqa: TRY400
            is_input = isinstance(error, exception.InvalidField | cfg.Error)
            return exit_codes.EXIT_BAD_INPUT if is_input else exit_codes.EXIT_FAILED

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Run the collection; return the columns and rows."""
        from os_vif.operations.collect import CollectOutcome

        report = os_vif.collect(
            _read_keep_lists(parsed_args),
            owner=parsed_args.owner,
            older_than=parsed_args.older_than,
            observations=parsed_args.seen,
            limit=parsed_args.limit,
            unowned=parsed_args.unowned,
            pending=parsed_args.pending,
            dry_run=parsed_args.dry_run,
            keep_unmatched=parsed_args.keep_unmatched,
        )
        for text in report.errors:
            LOG.error("%s", text)
        if report.failed or report.errors:
            self._code = exit_codes.EXIT_FAILED
        elif report.with_outcome(CollectOutcome.WOULD_REMOVE):
            self._code = exit_codes.EXIT_DRIFT
        done = report.removed
        if parsed_args.dry_run:
            done = report.with_outcome(CollectOutcome.WOULD_REMOVE)
        LOG.info(
            "%d %s, %d failed, %d kept",
            len(done),
            "to be removed" if parsed_args.dry_run else "removed",
            len(report.failed),
            report.kept,
        )
        return self.columns, [_row(result) for result in report.results]


def _row(result: Collected) -> tuple[Any, ...]:
    """Return the row of a result."""
    entry = result.entry
    return (
        entry.id,
        entry.kind,
        entry.plugin,
        entry.owner or "",
        "" if entry.since is None else entry.since.isoformat(timespec="seconds"),
        str(result.outcome),
        result.reason,
    )


def _positive(text: str) -> int:
    """Return the number of an argument."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _read_keep_lists(parsed_args: argparse.Namespace) -> Keep:
    """Return the keep list of all files.

    :raises BadInputError: if a file cannot be read, or is empty.
    :raises os_vif.exception.InvalidField: if a file has an unknown format.
    """
    from os_vif.cmd.store import files
    from os_vif.operations import keep_lists

    if parsed_args.keep_nothing:
        return lambda _: False
    keep = keep_lists.KeepList()
    for source in parsed_args.keep:
        title = f"--keep {files.title_of(source)}"
        try:
            text = files.read_input(source).decode()
        except UnicodeDecodeError as error:
            raise main.BadInputError(f"{title}: no UTF-8: {error.reason}") from error
        found = keep_lists.parse(text, title)
        if not found and source != os.devnull:
            raise main.BadInputError(
                f"{title}: the list is empty; did the program fail that wrote the list? To keep "
                "nothing, use --keep-nothing"
            )
        keep |= found
    return keep or (lambda _: False)
