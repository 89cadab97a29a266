# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command that shows the cards of this host that have virtual functions."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import main
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.cmd.render import tree
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.sriov.inventory import PhysicalFunction, VirtualFunction

LOG = logging.getLogger("os-vif")

_COLUMNS = (
    "Function",
    "VF",
    "Driver",
    "Device",
    "Mode",
    "VFs",
    "At most",
    "Representor",
    "Held by",
)


class HostInfo(main.Lister):
    """List physical and virtual functions, their representors, and who holds them."""

    #: It needs no VIF's plugin, and so does not load those of others.
    needs_plugins = False
    columns = _COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--tree", action="store_true", help="draw a tree of each card")
        parser.add_argument("--ascii", action="store_true", help="draw it with ASCII only")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.tree:
            return int(super().run(parsed_args))
        from os_vif.cmd.render import tree

        functions, holders = _found()
        style = tree.ASCII if parsed_args.ascii else tree.style_for(self.app.stdout)
        for function in functions:
            for line in tree.lines(_node(function, holders), style):
                self.app.stdout.write(f"{printable(line)}\n")
        return 0

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        functions, holders = _found()
        rows = [row for function in functions for row in _rows(function, holders)]
        if parsed_args.formatter == "table":
            rows = [tuple("" if cell is None else cell for cell in row) for row in rows]
        return _COLUMNS, rows


def _found() -> tuple[tuple[PhysicalFunction, ...], Mapping[str, str]]:
    """The functions, and who holds what, by network device or PCI address."""
    # Every command loads this file.
    from os_vif.host.netlink import rtnetlink
    from os_vif.host.sriov import inventory

    functions = inventory.physical_functions()
    if not functions:
        LOG.warning("no card of this host has virtual functions")
    holders = _by_switch(functions)
    with rtnetlink.opened() as net:
        for function in functions:
            holders |= _noted(net, function)
            link = net.link(function.device) if function.device else None
            if link is not None and link.master and (master := net.link_at(link.master)):
                holders[function.address] = f"{master.name}, as a port"
    return functions, holders


def _by_switch(functions: tuple[PhysicalFunction, ...]) -> dict[str, str]:
    """The VIFs whose ports representors are."""
    representors = {vf.representor for pf in functions for vf in pf.vfs if vf.representor}
    if not representors:
        return {}
    from os_vif.plugins.ovs import OvsPlugin

    try:
        ids = OvsPlugin.load("ovs").interface_ids(representors)
    except exception.ExceptionBase as error:
        LOG.warning("which VIFs hold representors is not known: %s", error)
        return {}
    return {device: f"VIF {vif_id}" for device, vif_id in ids.items()}


def _noted(net: Netlink, function: PhysicalFunction) -> dict[str, str]:
    """The VIFs that ``/run/os-vif`` has for virtual functions."""
    from os_vif.host.state import vf_allocations

    found = {}
    for vf in function.vfs:
        # It, or the device of its physical function, has gone meanwhile.
        with contextlib.suppress(OSError):
            if held := vf_allocations.read_allocation(
                vf_allocations.find_function(net, vf.address)
            ):
                found[vf.address] = f"VIF {held.user}"
    return found


def _rows(
    function: PhysicalFunction, holders: Mapping[str, str]
) -> Iterator[tuple[str | int | None, ...]]:
    of_function = (function.address, None, function.driver, function.device, function.mode)
    yield (*of_function, len(function.vfs), function.total, None, holders.get(function.address))
    for vf in function.vfs:
        of_vf = (vf.address, vf.number, vf.driver, vf.device, None, None, None, vf.representor)
        yield (*of_vf, _holder(vf, holders))


def _holder(vf: VirtualFunction, holders: Mapping[str, str]) -> str | None:
    return holders.get(vf.address) or holders.get(vf.representor or "")


def _node(function: PhysicalFunction, holders: Mapping[str, str]) -> tree.Node:
    from os_vif.cmd.render import tree

    title = " ".join(filter(None, (function.address, function.device)))
    words = f"{function.mode}, {len(function.vfs)} of {function.total} VFs"
    node = tree.Node(title, words)
    _add(node, "driver", function.driver)
    _add(node, "held by", holders.get(function.address))
    for vf in function.vfs:
        child = tree.Node(f"VF {vf.number}", vf.address)
        _add(child, "driver", vf.driver)
        _add(child, "device", vf.device)
        _add(child, "representor", vf.representor)
        _add(child, "held by", _holder(vf, holders))
        node.children.append(child)
    return node


def _add(node: tree.Node, name: str, words: str | None) -> None:
    if words is not None:
        node.children.append(type(node)(name, words))
