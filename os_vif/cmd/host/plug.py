# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Commands about one VIF, which is read as JSON from a file or from standard input."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from cliff import command
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.steps.plan import Difference

LOG = logging.getLogger("os-vif")


def read(source: str) -> objects.VIFBase:
    """A VIF from JSON text: a document, or what ``jsonutils.dumps(vif.obj_to_primitive())`` writes.

    :param source: path of a file, or ``-`` for standard input.
    :raises BadInputError: if there is no VIF in it.
    """
    from os_vif import serialization  # every command loads this file
    from os_vif.cmd.store import files

    try:
        vif: Any = serialization.loads(files.read_input(source))
    except exception.SerializationError as error:
        raise main.BadInputError(f"{source}: no VIF in JSON ({error})") from error
    if not isinstance(vif, objects.VIFBase):
        raise main.BadInputError(f"{source}: a {vif.obj_name()}; expected a VIF")
    return vif


class _VIFCommand(main.Escaping, command.Command):
    """A command about one VIF. A failure is one line and an exit code."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "vif",
            nargs="?",
            default="-",
            metavar="FILE",
            help="the VIF as JSON; by default, or as '-', standard input",
        )
        parser.add_argument("--instance-uuid", default="", help="the instance that it is for")
        parser.add_argument("--instance-name", default="", help="that instance's name")
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
        return super().run(parsed_args)

    def vif_and_instance(
        self, parsed_args: argparse.Namespace
    ) -> tuple[objects.VIFBase, objects.InstanceInfo]:
        vif = read(parsed_args.vif)
        instance = objects.InstanceInfo(name=parsed_args.instance_name)
        if parsed_args.instance_uuid:
            instance.uuid = parsed_args.instance_uuid
        return vif, instance


class Plan(_VIFCommand):
    """Show what plugging (or unplugging) would do, as the commands that one would type."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--unplug", action="store_true", help="plan the unplugging")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        vif, instance = self.vif_and_instance(parsed_args)
        plan = os_vif.plan(vif, instance, unplug=parsed_args.unplug)
        print(plan if len(plan) else "# nothing to do", file=self.app.stdout)


class Plug(_VIFCommand):
    """Connect a VIF to its network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        os_vif.plug(*self.vif_and_instance(parsed_args))


class Unplug(_VIFCommand):
    """Disconnect a VIF from its network."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        for left in os_vif.unplug(*self.vif_and_instance(parsed_args)):
            print(left, file=self.app.stdout)


class Check(_VIFCommand, main.Lister):
    """Show what differs on this host from a plugged VIF. Nothing is changed."""

    differs = False
    columns = ("Device", "Attribute", "Found", "Expected", "Pending")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for action in parser._actions:  # noqa: SLF001 - cliff offers its own formats only
            if action.dest == "formatter":
                action.choices = ["text", *(action.choices or ())]
                action.default = "text"
                action.help = "text, a line for each difference (the default), or a table or data"
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or (exit_codes.EXIT_DRIFT if self.differs else 0)

    def _run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.formatter == "text" and parsed_args.columns:
            # There are none in a text.
            parsed_args.formatter = "table"
        if parsed_args.formatter != "text":
            return super()._run(parsed_args)
        for difference in self._differences(parsed_args):
            print(printable(str(difference)), file=self.app.stdout)
        return 0

    def _differences(self, parsed_args: argparse.Namespace) -> tuple[Difference, ...]:
        differences = os_vif.check(*self.vif_and_instance(parsed_args))
        self.differs = any(not d.pending for d in differences)
        return differences

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        return self.columns, [
            (d.device, d.attribute, d.found, d.expected, d.pending)
            for d in self._differences(parsed_args)
        ]
