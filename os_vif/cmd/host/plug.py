# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The commands ``plan``, ``plug``, ``unplug`` and ``check``, for a VIF from a JSON file."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from cliff import command
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable, with_article

if TYPE_CHECKING:
    from os_vif.steps.plan import Difference

LOG = logging.getLogger("os-vif")


def read_vif(source: str) -> objects.VIFBase:
    """Read a VIF from JSON text: a document, or an OVO primitive of any release.

    :param source: path of a file, or ``-`` for standard input.
    :raises BadInputError: if the file cannot be read, or does not contain a VIF.
    """
    # Every command loads this file.
    from os_vif import serialization
    from os_vif.cmd.store import files

    title = files.title_of(source)
    try:
        vif: Any = serialization.loads(files.read_input(source))
    except exception.SerializationError as error:
        raise main.BadInputError(f"{title}: cannot read the VIF: {error}") from error
    if not isinstance(vif, objects.VIFBase):
        raise main.BadInputError(f"{title}: found {with_article(vif.obj_name())}; expected a VIF")
    return vif


class _VIFCommand(main.Escaping, command.Command):
    """A command for a VIF. An error is reported as a line and an exit code."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "vif",
            nargs="?",
            default="-",
            metavar="FILE",
            help="JSON file with the VIF; standard input by default, or for '-'",
        )
        parser.add_argument(
            "--instance-uuid",
            default="",
            metavar="UUID",
            help="UUID of the virtual machine or pod; none by default",
        )
        parser.add_argument(
            "--instance-name",
            default="",
            metavar="NAME",
            help="name of the virtual machine or pod; none by default",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return self._run(parsed_args)
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            if self.app_args and self.app_args.debug:
                raise
            LOG.error("%s", error)  # noqa: TRY400
            bad_input = (exception.NoMatchingPlugin, exception.InvalidField, cfg.Error)
            is_input = isinstance(error, bad_input) or isinstance(error.__cause__, bad_input)
            return exit_codes.EXIT_BAD_INPUT if is_input else exit_codes.EXIT_FAILED

    def _run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; errors are raised."""
        return super().run(parsed_args)

    @staticmethod
    def _read_arguments(
        parsed_args: argparse.Namespace,
    ) -> tuple[objects.VIFBase, objects.InstanceInfo]:
        """Return the VIF and the instance.

        :raises BadInputError: if the file cannot be read, or does not contain a VIF.
        """
        vif = read_vif(parsed_args.vif)
        instance = objects.InstanceInfo(name=parsed_args.instance_name)
        if parsed_args.instance_uuid:
            instance.uuid = parsed_args.instance_uuid
        return vif, instance


class Plan(_VIFCommand):
    """Print the commands with the effect of a plug or an unplug. Nothing is changed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--unplug", action="store_true", help="plan an unplug; by default a plug"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        vif, instance = self._read_arguments(parsed_args)
        plan = os_vif.plan(vif, instance, unplug=parsed_args.unplug)
        print(plan if len(plan) else "# nothing to do", file=self.app.stdout)


class Plug(_VIFCommand):
    """Connect a VIF to the network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        os_vif.plug(*self._read_arguments(parsed_args))


class Unplug(_VIFCommand):
    """Disconnect a VIF from the network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        for left in os_vif.unplug(*self._read_arguments(parsed_args)):
            print(left, file=self.app.stdout)


class Check(_VIFCommand, main.Lister):
    """List the differences between this host and a plugged VIF. Nothing is changed."""

    _has_drift = False
    columns = ("Device", "Attribute", "Found", "Expected", "Pending")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for action in parser._actions:  # noqa: SLF001 - cliff offers its own formats only
            if action.dest == "formatter":
                action.choices = ["text", *(action.choices or ())]
                action.default = "text"
                action.help = "output format; by default text, with a line for each difference"
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
        differences = os_vif.check(*self._read_arguments(parsed_args))
        self._has_drift = any(not d.pending for d in differences)
        return differences

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        return self.columns, [
            (d.device, d.attribute, d.found, d.expected, d.pending)
            for d in self._differences(parsed_args)
        ]
