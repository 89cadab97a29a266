# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Filters of the inventory of the host, for example ``os-vif list --state differs``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

import os_vif
from os_vif.cmd import exit_codes, main

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.operations.host_inventory import Inventory
    from os_vif.operations.plugged import Plugged

LOG = logging.getLogger("os-vif")

#: The values of ``--state``; :class:`os_vif.operations.plugged.State` is imported late.
STATES = ("right", "differs", "pending", "left over", "unknown")


def add_options(parser: argparse.ArgumentParser, *, states: bool = True) -> None:
    """Add the filters of the inventory. Each option can be repeated.

    :param states: also add ``--state``.
    """
    for name, text in (
        ("plugin", "of the plugin NAME"),
        ("owner", "of the owner NAME; an empty NAME for an unknown owner"),
        ("bridge", "in the bridge NAME"),
        ("instance", "of the instance with the UUID or name NAME"),
    ):
        parser.add_argument(
            f"--{name}",
            action="append",
            metavar="NAME",
            help=f"only VIFs {text}; can be repeated; by default all",
        )
    if states:
        parser.add_argument(
            "--state",
            action="append",
            type=_parse_state,
            choices=STATES,
            metavar=f"{{{','.join(STATES).replace(' ', '-')}}}",
            help="only VIFs in this state; can be repeated; by default all",
        )


def _parse_state(text: str) -> str:
    """Return the name of a state, which shells complete with a hyphen in place of a space."""
    return text.replace("-", " ")


def read_entries() -> tuple[Inventory, int]:
    """Return all entries of the inventory, and an exit code.

    Each unreadable source is logged; then the exit code is EXIT_FAILED.

    :raises os_vif.exception.InventoryException: if the network devices cannot be read.
    """
    inventory = os_vif.inventory()
    for text in inventory.errors:
        LOG.error("the list is incomplete: %s", text)
    return inventory, exit_codes.EXIT_FAILED if inventory.errors else 0


def selected(arguments: argparse.Namespace) -> tuple[tuple[Plugged, ...], int]:
    """Return the selected entries of the inventory, and an exit code as :func:`read_entries`."""
    entries, code = read_entries()
    return select(entries, arguments), code


def select(entries: Iterable[Plugged], arguments: argparse.Namespace) -> tuple[Plugged, ...]:
    """Return the entries that meet all options."""
    return tuple(entry for entry in entries if _matches(entry, arguments))


def has_name(entry: Plugged, name: str) -> bool:
    """Return whether an entry has an id, a port or a device of a name."""
    tap = getattr(entry.vif, "_obj_vif_name", None)
    return name in (entry.id, entry.port, tap, *entry.devices)


def require_match(entries: Iterable[Plugged], name: str) -> Plugged:
    """Return the entry with an id, a port or a device of a name.

    :raises BadInputError: if no entry or several entries have the name.
    """
    found = [entry for entry in entries if has_name(entry, name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise main.BadInputError(f"this host has no VIF with the id, port or device {name}")
    ids = ", ".join(entry.id for entry in found)
    raise main.BadInputError(f"{name} belongs to {len(found)} VIFs; expected an id of {ids}")


def instance_id(entry: Plugged) -> str:
    """Return the UUID of the instance, else the name, else an empty text."""
    instance = entry.instance
    return next((str(getattr(instance, f)) for f in ("uuid", "name") if f in instance), "")


def _matches(entry: Plugged, arguments: argparse.Namespace) -> bool:
    """Return whether an entry meets all options."""
    instance = entry.instance
    known = {str(getattr(instance, f)) for f in ("uuid", "name") if f in instance}
    return (
        (not arguments.plugin or entry.plugin in arguments.plugin)
        and (not arguments.owner or (entry.owner or "") in arguments.owner)
        and (not arguments.bridge or bool({entry.bridge, *entry.devices} & {*arguments.bridge}))
        and (not arguments.instance or bool(known & {*arguments.instance}))
        and (not getattr(arguments, "state", None) or entry.state in arguments.state)
    )
