# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of the commands for a VIF from a JSON file, such as ``os-vif plug``."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from cliff import command
from oslo_config import cfg

from os_vif import exception, objects
from os_vif.cmd import exit_codes, main
from os_vif.escape import with_article

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


class VIFCommand(main.Escaping, command.Command):
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
    def read_arguments(
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
