# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reference tracking for shared bridges: the VIFs that use a bridge.

A record names the bridge by name and interface index. A record of another index is about an
earlier bridge of the same name, and counts as none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

LOG = logging.getLogger(__name__)

#: The largest number of VIFs in a record. A bridge has at most 1,023 ports (``BR_MAX_PORTS`` of
#: net/bridge/br_private.h).
MAX_USERS = 1024


@dataclasses.dataclass(frozen=True)
class Users:
    """The VIFs that use a bridge of os-vif."""

    vif_ids: frozenset[str] = frozenset()
    #: Whether unknown VIFs may use the bridge: a record was damaged.
    incomplete: bool = False
    #: Whether an unplug has kept the bridge only because of ports: the bridge is deleted when the
    #: last port is gone, unless a plug needs the bridge again.
    delete_when_empty: bool = False
    #: Addresses of the host with prefix lengths, the gateways of pods. The addresses keep no bridge.
    gateways: frozenset[str] = frozenset()

    @property
    def is_unused(self) -> bool:
        """True if no VIF uses the bridge, and the end of the bridge is not noted."""
        return not (self.vif_ids or self.incomplete or self.delete_when_empty)


def read_users(net: Netlink, bridge: Link) -> Users:
    """Return the VIFs that use a bridge. Log a warning for an unusable record."""
    name = record_name(net, bridge.name)
    try:
        data = STATE.read(name)
    except FileNotFoundError:
        return Users()
    try:
        record = json.loads(data)
        index, vif_ids = record["index"], frozenset(map(str, record["users"]))
        incomplete = bool(record.get("incomplete"))
        delete_when_empty = record.get("delete_when_empty") is True
        gateways = frozenset(map(str, record.get("gateways", ())))
    except (ValueError, TypeError, KeyError):
        LOG.warning(
            "%s is damaged: the VIFs that use %s are unknown, so the bridge is kept",
            STATE.file(name), bridge.name,
        )  # fmt: skip
        return Users(incomplete=True)
    if index != bridge.index:
        LOG.warning(
            "%s is about an earlier bridge %s, and is ignored", STATE.file(name), bridge.name
        )
        return Users()
    return Users(vif_ids, incomplete, delete_when_empty, gateways)


def write_users(net: Netlink, bridge: Link, users: Users) -> None:
    """Replace the record of a bridge.

    :raises OSError: if the record cannot be written; then the old record is kept.
    """
    record: dict[str, Any] = {"index": bridge.index, "users": sorted(users.vif_ids)}
    if users.incomplete:
        record["incomplete"] = True
    if users.delete_when_empty:
        record["delete_when_empty"] = True
    if users.gateways:
        record["gateways"] = sorted(users.gateways)
    STATE.write_atomically(record_name(net, bridge.name), record)


def delete_record(net: Netlink, bridge: str) -> None:
    """Delete the record of a missing or unused bridge."""
    STATE.remove(record_name(net, bridge))


def is_incomplete(net: Netlink, bridge: str) -> bool:
    """Return whether a process was killed while writing the record of a bridge."""
    return STATE.is_incomplete(record_name(net, bridge))


def discard_incomplete(net: Netlink, bridge: str) -> None:
    """Delete the incomplete file of a process killed while writing a record."""
    STATE.discard_incomplete(record_name(net, bridge))


def noted_bridges(net: Netlink) -> list[str]:
    """Return the names of the bridges with a record that says ``delete_when_empty``.

    No privileges are needed.
    """
    prefix, suffix = record_name(net, "").split(".json")[0], ".json"
    try:
        files = os.listdir(STATE.path)  # noqa: PTH208 - a Path for each file is slow
    except OSError:
        return []
    found = []
    for file in sorted(files):
        if file.startswith(prefix) and file.endswith(suffix):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                if json.loads(STATE.read(file)).get("delete_when_empty") is True:
                    found.append(file.removeprefix(prefix).removesuffix(suffix))
    return found


def record_name(net: Netlink, bridge: str) -> str:
    """Return the name of the record file of a bridge."""
    # The kernel permits no slash in the name of a device, and 15 bytes at most.
    return f"bridge-{net.netns}-{bridge}.json"
