# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The output of the demo, and the steps that several sections of the demo have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

import os_vif
from os_vif import exception, objects
from os_vif.cmd.render import tree

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.testing.guests import Guest

#: Addresses of the guests, of a block for documentation (RFC 5737).
ADDRESSES = ("192.0.2.1", "192.0.2.2")
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="demo")


class DemoError(Exception):
    """A check of the demo failed."""


@contextlib.contextmanager
def unplugged_on_error(vifs: Iterable[objects.VIFBase]) -> Iterator[None]:
    """Unplug VIFs if the block fails or is interrupted, for example by a closed pipe."""
    try:
        yield
    except BaseException:
        for vif in vifs:
            with contextlib.suppress(exception.ExceptionBase, OSError):
                os_vif.unplug(vif, INSTANCE)
        raise


class Console:
    """Prints the sections of the demo.

    :param out: the text stream of the output.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: object = "") -> None:
        """Print a text and a line feed, and flush the stream."""
        print(text, file=self._out, flush=True)

    def section(self, title: str) -> None:
        """Print the title of a section."""
        self.write(f"\n== {title}")

    def ping(self, guest: Guest) -> None:
        """Ping the second guest from the first one.

        :raises OSError: if the second guest does not answer.
        """
        self.write(f"The first guest pings the second: {guest.ping(ADDRESSES[1])}")

    def write_bridges(self, net: Netlink) -> None:
        """Print the Linux bridges of the namespace, with the ports of each."""
        for line in _bridge_lines(net, tree.choose_style(self._out)):
            self.write(line)

    def require_plugged(self, vif: objects.VIFBase) -> None:
        """Check that a VIF is plugged.

        :raises DemoError: if ``os_vif.check()`` reports a difference.
        """
        if differences := os_vif.check(vif, INSTANCE):
            raise DemoError(f"after the plug: {differences[0]}")

    def repair(self, vif: objects.VIFBase, attributes: set[str]) -> None:
        """Print the differences that ``os_vif.check()`` reports, and plug the VIF again.

        :param attributes: the attributes of the expected differences.
        :raises DemoError: if other attributes differ, or any attribute differs after the plug.
        """
        differences = os_vif.check(vif, INSTANCE)
        for difference in differences:
            self.write(f"check: {difference}")
        if {d.attribute for d in differences} != attributes:
            raise DemoError("check did not report the change")
        os_vif.plug(vif, INSTANCE)
        self.require_plugged(vif)
        self.write("plugged again; check: nothing differs")


def _bridge_lines(net: Netlink, style: tree.Style) -> Iterator[str]:
    """Yield the lines of a tree of all Linux bridges and ports."""
    child, last, _, _ = style
    for bridge in net.links():
        if bridge.kind != "bridge":
            continue
        yield _describe_link(bridge)
        ports = net.ports(bridge)
        for number, port in enumerate(ports, start=1):
            branch = last if number == len(ports) else child
            to = ", to a guest" if port.name.startswith("tap") else ""
            yield f"{branch}{_describe_link(port)}{to}"


def _describe_link(link: Link) -> str:
    """Return the name, kind, state, MTU and os-vif mark of a device."""
    state = "up" if link.up else "down"
    mark = f", marked {link.alias!r}" if link.alias else ""
    return f"{link.name} ({link.kind}, {state}, MTU {link.mtu}{mark})"
