# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif check``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import os_vif
from os_vif.cmd import exit_codes, main
from os_vif.cmd.host.vif_command import VIFCommand
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.steps.plan import Difference


class Check(VIFCommand, main.Lister):
    """List the differences between the host and a plugged VIF. The host is not changed."""

    _has_drift = False
    columns = ("Device", "Attribute", "Found", "Expected", "Pending")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        main.add_text_format(parser, "a line for each difference")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or (exit_codes.EXIT_DRIFT if self._has_drift else 0)

    def _run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.formatter == "text" and parsed_args.columns:
            # The text format has no columns.
            parsed_args.formatter = "table"
        if parsed_args.formatter != "text":
            return super()._run(parsed_args)
        for difference in self._differences(parsed_args):
            print(printable(str(difference)), file=self.app.stdout)
        return 0

    def _differences(self, parsed_args: argparse.Namespace) -> tuple[Difference, ...]:
        """Return all differences; the exit code ignores pending differences."""
        differences = os_vif.check(*self.read_arguments(parsed_args))
        self._has_drift = any(not d.pending for d in differences)
        return differences

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        return self.columns, [
            (d.device, d.attribute, d.found, d.expected, d.pending)
            for d in self._differences(parsed_args)
        ]
