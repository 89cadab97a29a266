# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of the commands for VIFs from files, such as ``os-vif plug``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from cliff import command
from oslo_config import cfg

from os_vif import exception, objects
from os_vif.cmd import exit_codes, main
from os_vif.escape import with_article

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG = logging.getLogger("os-vif")


class Entry(NamedTuple):
    """A VIF of the input."""

    #: The file, and the line of the VIF in a file with several VIFs, for messages.
    where: str
    vif: objects.VIFBase
    instance: objects.InstanceInfo


def read_vifs(source: str) -> list[tuple[str, objects.VIFBase | main.BadInputError]]:
    """Read the VIFs of a file: a VIF in any format, or several VIFs in JSON or YAML.

    Several VIFs are JSON lines, JSON texts one after another, an array, or an object with
    ``items``. Each VIF is a document, or an OVO primitive of any release.

    :param source: path of a file, or ``-`` for standard input.
    :returns: file and line of each VIF, and the VIF or the error of the entry.
    :raises BadInputError: if the file cannot be read.
    """
    # Every command loads this file.
    from os_vif import serialization
    from os_vif.cmd.store import files

    title, data = files.title_of(source), files.read_input(source)
    try:
        found: Any = serialization.loads(data)
    except exception.SerializationError:
        parts = _split(data)
        if parts is None:
            return [(title, _read_vif(title, data))]
        places = [(f"{title}:{line}", part) for line, part in parts]
        return [(where, _read_vif(where, part)) for where, part in places]
    return [(title, _require_vif(title, found))]


def _read_vif(where: str, data: bytes) -> objects.VIFBase | main.BadInputError:
    """Return the VIF of a text, or the error."""
    from os_vif import serialization

    try:
        return _require_vif(where, serialization.loads(data))
    except exception.SerializationError as error:
        unreadable = main.BadInputError(f"{where}: cannot read the VIF: {error}")
        unreadable.__cause__ = error
        return unreadable


def _require_vif(where: str, found: Any) -> objects.VIFBase | main.BadInputError:
    """Return a VIF, or the error for another object."""
    if isinstance(found, objects.VIFBase):
        return found
    return main.BadInputError(f"{where}: found {with_article(found.obj_name())}; expected a VIF")


def _split(data: bytes) -> list[tuple[int, bytes]] | None:
    """Return line and text of the JSON objects in a list, or in a text with several objects.

    :returns: None for a single object, a text without objects, and text that is not JSON.
    """
    import io

    from os_vif.cmd.store.json_scanner import StructureError
    from os_vif.cmd.store.json_splitter import split_chunks

    try:
        chunks = [chunk for chunk in split_chunks(io.BytesIO(data).read) if chunk.is_object]
    except StructureError:
        return None
    if not chunks or (len(chunks) == 1 and chunks[0].data.strip() == data.strip()):
        return None
    return [(chunk.line, chunk.data) for chunk in chunks]


class VIFCommand(main.Escaping, command.Command):
    """A command for VIFs. An error is reported as a line and an exit code."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "vif",
            nargs="*",
            default=["-"],
            metavar="FILE",
            help="JSON or YAML file with a VIF, or with several VIFs as JSON lines or a list; standard "
            "input by default, or for '-'",
        )
        parser.add_argument(
            "--instance-uuid",
            default="",
            metavar="UUID",
            help="UUID of the virtual machine or pod of the VIFs; none by default",
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
            return _exit_code(error)

    def _run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; errors are raised."""
        return super().run(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Do nothing, for a command whose ``_run()`` does all and returns an exit code."""

    @staticmethod
    def read_entries(parsed_args: argparse.Namespace) -> list[Entry]:
        """Return the VIFs of all files, each with the instance.

        :raises BadInputError: if a file cannot be read, or contains something else than VIFs. If
            there are several errors, the others are logged.
        """
        instance = objects.InstanceInfo(name=parsed_args.instance_name)
        if parsed_args.instance_uuid:
            instance.uuid = parsed_args.instance_uuid
        entries: list[Entry] = []
        errors: list[main.BadInputError] = []
        for source in parsed_args.vif:
            try:
                found = read_vifs(source)
            except main.BadInputError as error:
                errors.append(error)
                continue
            for where, vif in found:
                if isinstance(vif, objects.VIFBase):
                    entries.append(Entry(where, vif, instance))
                else:
                    errors.append(vif)
        for earlier in errors[:-1]:
            LOG.error("%s", earlier)
        if errors:
            raise errors[-1]
        return entries

    @staticmethod
    def report_errors(
        entries: Iterable[Entry],
        errors: Iterable[exception.ExceptionBase | None],
        *,
        is_change: bool = False,
    ) -> int:
        """Log the error of each VIF with the file and the line; return the exit code.

        A failure (1) has precedence over invalid input (2).

        :param is_change: the command changes the host. Then invalid input is a failure, too, if
            the command has been carried out for another VIF: the code 2 promises no change.
        """
        codes: set[int] = set()
        is_done = False
        for entry, error in zip(entries, errors, strict=True):
            if error is not None:
                LOG.error("%s: %s", entry.where, error)
                codes.add(_exit_code(error))
            else:
                is_done = True
        if is_change and is_done and codes:
            return exit_codes.EXIT_FAILED
        return min(codes, default=0)


def _exit_code(error: exception.ExceptionBase) -> int:
    """Return the exit code of an error."""
    bad_input = (exception.NoMatchingPlugin, exception.InvalidField, cfg.Error)
    is_input = isinstance(error, bad_input) or isinstance(error.__cause__, bad_input)
    return exit_codes.EXIT_BAD_INPUT if is_input else exit_codes.EXIT_FAILED
