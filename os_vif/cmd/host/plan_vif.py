# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif plan``."""

from __future__ import annotations

import argparse
import logging
from typing import Any

import os_vif
from os_vif import exception, objects
from os_vif.cmd.host.vif_command import VIFCommand
from os_vif.cmd.store import object_output
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
            choices=("text", "json", "yaml", "sh"),
            default="text",
            help="output format: text with a line for each step that would change the host (~ "
            "changes, + makes, - removes, ? unknown); json or yaml with all fields of all steps; or sh, a "
            "shell script with the commands of all steps; by default text",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            dest="include_held",
            help="with text: print the steps that hold already, too, as lines with =",
        )
        return parser

    def _run(self, parsed_args: argparse.Namespace) -> int:
        entries = self.read_entries(parsed_args)
        if len(entries) == 1:
            ((_, vif, instance),) = entries
            self._print(self._output(vif, instance, parsed_args), parsed_args.format)
            return 0
        from os_vif.operations.shared_view import shared_view

        outputs: list[Any] = []
        errors: list[exception.ExceptionBase | None] = []
        with shared_view():
            for where, vif, instance in entries:
                try:
                    output = self._output(vif, instance, parsed_args)
                except exception.ExceptionBase as error:
                    errors.append(error)
                    continue
                errors.append(None)
                if parsed_args.format in object_output.FORMATS:
                    outputs.append({"input": where} | output)
                else:
                    outputs.append(f"# {where}\n{output}")
        is_data = parsed_args.format in object_output.FORMATS
        self._print(outputs if is_data else "\n".join(outputs), parsed_args.format)
        return self.report_errors(entries, errors)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Leave the work to :meth:`run`, which returns an exit code."""

    def _output(
        self,
        vif: objects.VIFBase,
        instance: objects.InstanceInfo,
        parsed_args: argparse.Namespace,
    ) -> Any:
        """Return the plan of a VIF: plain data with the formats json and yaml, else text."""
        if parsed_args.format == "sh":
            plan = os_vif.plan(vif, instance, unplug=parsed_args.unplug)
            return str(plan) if len(plan) else "# nothing to do"
        changes = os_vif.preview(vif, instance, unplug=parsed_args.unplug)
        for reason in changes.reasons():
            LOG.warning("changes marked ? are unknown: %s", printable(reason))
        if parsed_args.format in object_output.FORMATS:
            return changes.to_dict()
        return "\n".join(changes.lines(include_held=parsed_args.include_held))

    def _print(self, output: Any, output_format: str) -> None:
        text = output if isinstance(output, str) else object_output.compose(output, output_format)
        if text:
            print(text, file=self.app.stdout)
