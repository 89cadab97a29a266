# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plan``."""

from __future__ import annotations

import argparse
import json
import logging

import os_vif
from os_vif.cmd.host.vif_command import VIFCommand
from os_vif.escape import printable

LOG = logging.getLogger("os-vif")


class Plan(VIFCommand):
    """Print the changes that a plug or an unplug would make. The host is not changed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--unplug", action="store_true", help="plan an unplug; by default a plug"
        )
        parser.add_argument(
            "-f",
            "--format",
            choices=("text", "json", "sh"),
            default="text",
            help="output format: text with a line for each step that would change the host (~ "
            "changes, + makes, - removes, ? unknown); json with all fields of all steps; or sh, a "
            "shell script with the commands of all steps; by default text",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            dest="include_held",
            help="with text: print the steps that hold already, too, as lines with =",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        vif, instance = self.read_arguments(parsed_args)
        if parsed_args.format == "sh":
            plan = os_vif.plan(vif, instance, unplug=parsed_args.unplug)
            print(plan if len(plan) else "# nothing to do", file=self.app.stdout)
            return
        changes = os_vif.preview(vif, instance, unplug=parsed_args.unplug)
        for reason in changes.reasons():
            LOG.warning("changes marked ? are unknown: %s", printable(reason))
        if parsed_args.format == "json":
            print(json.dumps(changes.to_dict(), indent=2), file=self.app.stdout)
            return
        for line in changes.lines(include_held=parsed_args.include_held):
            print(line, file=self.app.stdout)
