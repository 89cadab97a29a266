# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif describe``."""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING, Any

from cliff import columns

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.host import inventory_filter, list_vifs
from os_vif.cmd.store import object_output
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged

LOG = logging.getLogger("os-vif")


class Describe(main.ShowOne):
    """Show a VIF of the host: the entry of the inventory, and the VIF as a document."""

    _exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "vif",
            metavar="ID",
            help="the id of the VIF, the port, or a network device",
        )
        parser.add_argument(
            "--document",
            action="store_true",
            help="print only the VIF, as JSON for the other commands; as YAML with -f yaml",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            if parsed_args.document:
                text = self._read(parsed_args)[1]
                if parsed_args.formatter == "yaml":
                    text = object_output.compose(json.loads(text), "yaml")
                print(text, file=self.app.stdout)
                return self._exit_code
            return int(super().run(parsed_args)) or self._exit_code
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            LOG.error("%s", error)  # noqa: TRY400
            return exit_codes.EXIT_FAILED

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Return the columns and values of the VIF."""
        entry, document = self._read(parsed_args)
        values = list_vifs.row_of(entry)
        if parsed_args.formatter == "table":
            values = tuple(
                "" if value is None else printable(value) if isinstance(value, str) else value
                for value in values
            )
        return (*list_vifs.List.columns, "VIF"), (*values, _Document(json.loads(document)))

    def _read(self, parsed_args: argparse.Namespace) -> tuple[Plugged, str]:
        """Return the entry, and the VIF as a document.

        :raises BadInputError: if no entry or several entries have the name.
        """
        from os_vif import serialization

        entries, self._exit_code = inventory_filter.read_entries()
        entry = inventory_filter.require_match(entries, parsed_args.vif)
        return entry, serialization.dumps(entry.vif)


class _Document(columns.FormattableColumn[dict[str, Any]]):
    """A cell with a document; an object in the formats for programs."""

    def human_readable(self) -> str:
        """Return the document as JSON of several lines."""
        return json.dumps(self._value, indent=2)
