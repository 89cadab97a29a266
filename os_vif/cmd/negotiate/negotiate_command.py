# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of the commands ``os-vif negotiate``, and the files that the commands read."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.escape import printable, printable_lines

if TYPE_CHECKING:
    from os_vif.objects import HostOffer, VIFBase

LOG = logging.getLogger("os-vif")


class NegotiateCommand(main.ShowOne):
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
        help="JSON or YAML file with the offer of a host: the output of 'os-vif negotiate offer -f json', "
        "a HostInfo, an agent of neutron, or a row of Chassis as 'ovn-sbctl --format=json list "
        "Chassis NAME' prints it; '-' for standard input",
    )
    add_release_option(parser)


def add_release_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--release``."""
    parser.add_argument(
        "--release",
        help="release of os-vif on the hosts, such as 5.3.0; by default the release in the offer",
    )


def require_one_standard_input(*sources: str) -> None:
    """Refuse standard input for several files.

    :raises BadInputError: if ``-`` is given several times.
    """
    if sources.count("-") > 1:
        raise main.BadInputError(
            "'-' is given several times; expected one file from standard input, which is read once"
        )


def read_offer(source: str, release: str | None) -> HostOffer:
    """Return the offer of a file: an offer, a HostInfo, an agent, or a row of Chassis.

    Answers with a list of one agent, and tables of ``ovn-sbctl`` with one row, are read too.

    :raises BadInputError: for an unreadable file and for other data.
    """
    # ``os-vif --help`` loads this module.
    from os_vif import negotiation

    title, data = read_json(source)
    try:
        if "agents" in data:
            data = _only_member(title, "agents", data["agents"])
        if "headings" in data and "data" in data:
            data = _row_of_table(title, data)
        if "agent" in data or "configurations" in data or "agent_type" in data:
            return negotiation.of_agent(data, release)
        if "hostname" in data or "other_config" in data or "external_ids" in data:
            return negotiation.of_chassis(data, release)
        return negotiation.of_document(data, release)
    except (exception.SerializationError, exception.InvalidField) as error:
        raise main.BadInputError(f"{title}: {error}") from error


def _only_member(title: str, kind: str, members: Any) -> dict[str, Any]:
    """Return the member of a list with one object.

    :raises BadInputError: for another list.
    """
    count = len(members) if isinstance(members, list) else 0
    if count != 1 or not isinstance(members[0], dict):
        raise main.BadInputError(
            f"{title}: found {count} {kind}; expected the file of one host: write each of the "
            f"{kind} into a file, and repeat --offer"
        )
    return dict(members[0])


def _row_of_table(title: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a table in the JSON of ``ovn-sbctl``, with maps as objects.

    :raises BadInputError: for a table without rows or with several rows.
    """
    headings, rows = table["headings"], table["data"]
    if not isinstance(headings, list) or not isinstance(rows, list):
        raise main.BadInputError(f"{title}: headings and data are no arrays; expected a table")
    if not all(isinstance(row, list) and len(row) == len(headings) for row in rows):
        raise main.BadInputError(f"{title}: found a row with other columns than the headings")
    named = [dict(zip(map(str, headings), row, strict=True)) for row in rows]
    row = _only_member(title, "rows", named)
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    """Return a value of OVSDB (RFC 7047, 5.1): maps and sets as objects and lists."""
    match value:
        case ["map", [*pairs]] if all(isinstance(p, list) and len(p) == 2 for p in pairs):  # noqa: PLR2004 - a pair
            return {str(name): member for name, member in pairs}
        case ["set", [*members]]:
            return members
    return value


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
    from os_vif.serialization import json_text

    title = files.title_of(source)
    try:
        data = json_text.parse(files.read_input(source))
    except exception.MalformedDocument as error:
        path = f"{error.path}: " if error.path else ""
        raise main.BadInputError(
            f"{title}: {path}found {error.found}; expected {error.expected}"
        ) from error
    if not isinstance(data, dict):
        raise main.BadInputError(f"{title}: found JSON without an object; expected an object")
    return title, data
