# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif host-info``."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.render.ascii_option import add_ascii_option
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
    """List the SR-IOV functions of this host, with drivers, representors and users."""

    #: The command starts faster without plugins.
    needs_plugins = False
    columns = _COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--tree",
            action="store_true",
            help="draw a tree of each physical function; by default a table",
        )
        add_ascii_option(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.tree:
            return int(super().run(parsed_args))
        from os_vif.cmd.render import tree

        functions, users = _read_functions()
        style = tree.ASCII if parsed_args.ascii else tree.choose_style(self.app.stdout)
        for function in functions:
            for line in tree.render_text(_function_node(function, users), style):
                self.app.stdout.write(f"{printable(line)}\n")
        return 0

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Return the columns and rows; empty cells are None in the formats for programs."""
        functions, users = _read_functions()
        rows = [row for function in functions for row in _rows(function, users)]
        if parsed_args.formatter == "table":
            rows = [tuple("" if cell is None else cell for cell in row) for row in rows]
        return _COLUMNS, rows


def _read_functions() -> tuple[tuple[PhysicalFunction, ...], Mapping[str, str]]:
    """Return the functions, and the users by network device or PCI address."""
    # Every command loads this file.
    from os_vif.host.netlink import rtnetlink
    from os_vif.host.sriov import inventory

    functions = inventory.physical_functions()
    if not functions:
        LOG.warning("no network card of this host has virtual functions")
    users = _users_of_representors(functions)
    with rtnetlink.opened() as net:
        for function in functions:
            users |= _users_of_vfs(net, function)
            link = net.link(function.device) if function.device else None
            if link is not None and link.master and (master := net.link_at(link.master)):
                users[function.address] = f"{master.name}, as a port"
    return functions, users


def _users_of_representors(functions: tuple[PhysicalFunction, ...]) -> dict[str, str]:
    """Return the VIFs of the representors that are Open vSwitch ports, by representor."""
    representors = {vf.representor for pf in functions for vf in pf.vfs if vf.representor}
    if not representors:
        return {}
    from os_vif.plugins.ovs import OvsPlugin

    try:
        ids = OvsPlugin.load("ovs").interface_ids(representors)
    except exception.ExceptionBase as error:
        LOG.warning("the VIFs of the representors are unknown: %s", error)
        return {}
    return {device: f"VIF {vif_id}" for device, vif_id in ids.items()}


def _users_of_vfs(net: Netlink, function: PhysicalFunction) -> dict[str, str]:
    """Return the VIFs of the allocations in ``/run/os-vif``, by PCI address."""
    from os_vif.host.state import vf_allocations

    users = {}
    for vf in function.vfs:
        # The virtual function or the physical function may have been removed since the listing.
        with contextlib.suppress(OSError):
            if allocation := vf_allocations.read_allocation(
                vf_allocations.find_function(net, vf.address)
            ):
                users[vf.address] = f"VIF {allocation.user}"
    return users


def _rows(
    function: PhysicalFunction, users: Mapping[str, str]
) -> Iterator[tuple[str | int | None, ...]]:
    """Yield the row of a physical function, and the rows of the virtual functions."""
    of_function = (function.address, None, function.driver, function.device, function.mode)
    yield (*of_function, len(function.vfs), function.total, None, users.get(function.address))
    for vf in function.vfs:
        of_vf = (vf.address, vf.number, vf.driver, vf.device, None, None, None, vf.representor)
        yield (*of_vf, _user_of(vf, users))


def _user_of(vf: VirtualFunction, users: Mapping[str, str]) -> str | None:
    """Return the user of a virtual function: by the PCI address, else by the representor."""
    return users.get(vf.address) or users.get(vf.representor or "")


def _function_node(function: PhysicalFunction, users: Mapping[str, str]) -> tree.Node:
    """Return the tree of a physical function."""
    from os_vif.cmd.render import tree

    title = " ".join(filter(None, (function.address, function.device)))
    text = f"{function.mode}, {len(function.vfs)} of {function.total} VFs"
    node = tree.Node(title, text)
    _add_value(node, "driver", function.driver)
    _add_value(node, "held by", users.get(function.address))
    for vf in function.vfs:
        child = tree.Node(f"VF {vf.number}", vf.address)
        _add_value(child, "driver", vf.driver)
        _add_value(child, "device", vf.device)
        _add_value(child, "representor", vf.representor)
        _add_value(child, "held by", _user_of(vf, users))
        node.children.append(child)
    return node


def _add_value(node: tree.Node, name: str, value: str | None) -> None:
    """Add a child with a value, unless the value is None."""
    if value is not None:
        node.children.append(type(node)(name, value))
