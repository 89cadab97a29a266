# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of the bridges for which os-vif has created a chain of forwarding rules.

The record lets an unplug on a host without iptables skip the rules, and lets a later unplug delete
a chain whose bridge another program has deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink


def has_record(net: Netlink, bridge: str, program: str) -> bool:
    """Return whether os-vif has created a chain of forwarding rules for a bridge.

    :param program: ``iptables`` or ``ip6tables``.
    """
    return STATE.exists(_record_name(net, bridge, program))


def write_record(net: Netlink, bridge: str, program: str) -> None:
    """Record the chain of a bridge. Call before the chain is created.

    :raises OSError: if the record cannot be written.
    """
    if not has_record(net, bridge, program):
        content = {"bridge": bridge, "program": program}
        STATE.write_atomically(_record_name(net, bridge, program), content)


def delete_record(net: Netlink, bridge: str, program: str) -> None:
    """Delete the record of a chain. Call after the chain is deleted."""
    STATE.remove(_record_name(net, bridge, program))


def _record_name(net: Netlink, bridge: str, program: str) -> str:
    return f"rules-{net.netns}-{program}-{bridge}.json"
