# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The bridges that an unplug has left, because others use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host import netlink
from os_vif.host.bridges import DeleteBridge

if TYPE_CHECKING:
    from os_vif.host.ovs_rows import Look
    from os_vif.host.plan import Plan

#: What the name of a trunk's bridge begins with: several VIFs share it.
_TRUNK = "tbr-"


def bridges(plan: Plan) -> tuple[str, ...]:
    """Return a sentence for each bridge that a plan which was run deletes, and which is there."""
    found: list[str] = []
    deletions = [step for step in plan if isinstance(step, DeleteBridge)]
    if deletions:
        try:
            with netlink.opened() as net:
                found += [left for step in deletions if (left := step.left(net)) is not None]
        except OSError as error:
            names = ", ".join(step.name for step in deletions)
            found.append(f"whether {names} stays is not known: {error.strerror}")
    return (*found, *_of_switch(plan))


def of_switch(look: Look, name: str) -> str | None:
    """Return why a bridge of Open vSwitch stays; None if it has gone, or has patch ports only."""
    from os_vif.host.ovsdb import values

    bridge = look.whole("Bridge", name)
    if bridge is None:
        return None
    ports = [look.at("Port", reference) for reference in values(bridge["ports"])]
    names = sorted(port["name"] for port in ports if port is not None and port["name"] != name)
    others = []
    for port in names:
        interface = look.interface(port)
        if interface is None or interface["type"] != "patch":
            others.append(port)
    if not others:
        return None
    return f"{name} stays: {', '.join(others)} {'is' if len(others) == 1 else 'are'} in it"


def _of_switch(plan: Plan) -> list[str]:
    trunks = [step.device for step in plan if step.device.startswith(_TRUNK)]
    if not trunks or plan.switch is None:
        return []
    from os_vif.host import ovs_engine

    try:
        return ovs_engine.bridges_left(plan.switch, trunks)
    except exception.OvsdbError as error:
        return [f"whether {', '.join(trunks)} stays is not known: {error}"]
