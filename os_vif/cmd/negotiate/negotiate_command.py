# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of the commands ``os-vif negotiate``, and the files that the commands read."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cliff import show

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable, printable_lines

if TYPE_CHECKING:
    from os_vif.objects import HostOffer, VIFBase

LOG = logging.getLogger("os-vif")


class NegotiateCommand(main.Escaping, show.ShowOne):
    """A command with names and values as output: a table, or an object in JSON and YAML."""

    #: The commands read files; plugins of this host are not needed.
    needs_plugins = False
    _exit_code = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return int(super().run(parsed_args)) or self._exit_code
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except (exception.SerializationError, exception.InvalidField) as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_FAILED

    @staticmethod
    def rows(parsed_args: argparse.Namespace, data: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return names and values; in formats for people, lists have a line for each entry."""
        if parsed_args.formatter in ("json", "yaml"):
            return tuple(data), tuple(data.values())
        return tuple(data), tuple(map(_as_text, data.values()))


def _as_text(value: Any) -> str:
    """Return a value for a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return printable_lines("\n".join(map(str, value)))
    return printable(str(value))


def add_offer_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--offer`` and ``--release``."""
    parser.add_argument(
        "--offer",
        action="append",
        required=True,
        metavar="FILE",
        help="JSON file with the offer of a host: the output of 'os-vif negotiate offer -f json', "
        "a HostInfo, or an agent of neutron; '-' for standard input",
    )
    add_release_option(parser)


def add_release_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--release``."""
    parser.add_argument(
        "--release",
        help="release of os-vif on the hosts, such as 5.3.0; by default the release in the offer",
    )


def read_offer(source: str, release: str | None) -> HostOffer:
    """Return the offer of a file: an offer, a HostInfo, an agent, or a row of Chassis.

    :raises BadInputError: for an unreadable file and for other data.
    """
    # ``os-vif --help`` loads this module.
    from os_vif import negotiation

    title, data = read_json(source)
    try:
        if "agent" in data or "configurations" in data:
            return negotiation.of_agent(data, release)
        if "other_config" in data:
            return negotiation.of_chassis(data, release)
        return negotiation.of_document(data, release)
    except (exception.SerializationError, exception.InvalidField) as error:
        raise main.BadInputError(f"{title}: {error}") from error


def read_vif(source: str) -> VIFBase:
    """Return the VIF of a file.

    :raises BadInputError: for an unreadable file and for other data.
    """
    from os_vif import objects, serialization
    from os_vif.cmd.store import files

    title, data = files.title_of(source), files.read_input(source)
    try:
        found = serialization.loads(data)
    except exception.SerializationError as error:
        raise main.BadInputError(f"{title}: cannot read the VIF: {error}") from error
    if not isinstance(found, objects.VIFBase):
        raise main.BadInputError(f"{title}: found {type(found).__name__}; expected a VIF")
    return found


def read_json(source: str) -> tuple[str, dict[str, Any]]:
    """Return the title of a file, and the JSON object in the file.

    :raises BadInputError: for an unreadable file and for other data.
    """
    from os_vif.cmd.store import files

    title = files.title_of(source)
    try:
        data = json.loads(files.read_input(source))
    except (ValueError, RecursionError) as error:
        raise main.BadInputError(f"{title}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise main.BadInputError(f"{title}: found JSON without an object; expected an object")
    return title, data
