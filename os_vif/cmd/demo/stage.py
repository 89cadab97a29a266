# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Where the acts of the demo are shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

import os_vif
from os_vif import objects
from os_vif.cmd.render import tree

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.testing.guests import Guest

#: Of a block for documentation (RFC 5737).
ADDRESSES = ("192.0.2.1", "192.0.2.2")
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="demo")


class DemoError(Exception):
    """The demo did not show what it should have shown."""


@contextlib.contextmanager
def unplugged_on_error(vifs: Iterable[objects.VIFBase]) -> Iterator[None]:
    """Unplug VIFs if an act fails or is interrupted, such as by a reader that goes away."""
    try:
        yield
    except BaseException:
        for vif in vifs:
            with contextlib.suppress(os_vif.exception.ExceptionBase, OSError):
                os_vif.unplug(vif, INSTANCE)
        raise


class Stage:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, text: object = "") -> None:
        print(text, file=self._out, flush=True)

    def act(self, title: str) -> None:
        self.say(f"\n== {title}")

    def ping(self, guest: Guest) -> None:
        """Ping the second guest from the first one.

        :raises OSError: if the second guest does not answer.
        """
        self.say(f"The first guest pings the second: {guest.ping(ADDRESSES[1])}")

    def tree(self, net: Netlink) -> None:
        """Show the bridges of this namespace, with what is in them."""
        for line in _tree(net, tree.style_for(self._out)):
            self.say(line)

    def is_plugged(self, vif: objects.VIFBase) -> None:
        """Check that a VIF is plugged.

        :raises DemoError: if ``check`` finds a difference.
        """
        if differences := os_vif.check(vif, INSTANCE):
            raise DemoError(f"just plugged, {differences[0]}")

    def mended(self, vif: objects.VIFBase, attributes: set[str]) -> None:
        """Show what check finds, plug again, and see that it is as it was.

        :raises DemoError: if anything else differs than these attributes, or afterwards anything.
        """
        differences = os_vif.check(vif, INSTANCE)
        for difference in differences:
            self.say(f"check: {difference}")
        if {d.attribute for d in differences} != attributes:
            raise DemoError("check did not find the change")
        os_vif.plug(vif, INSTANCE)
        self.is_plugged(vif)
        self.say("plugged again; check: nothing differs")


def _tree(net: Netlink, style: tree.Style) -> Iterator[str]:
    child, last, _, _ = style
    for bridge in net.links():
        if bridge.kind != "bridge":
            continue
        yield _line(bridge)
        ports = net.ports(bridge)
        for number, port in enumerate(ports, start=1):
            branch = last if number == len(ports) else child
            to = ", to a guest" if port.name.startswith("tap") else ""
            yield f"{branch}{_line(port)}{to}"


def _line(link: Link) -> str:
    state = "up" if link.up else "down"
    mark = f", marked {link.alias!r}" if link.alias else ""
    return f"{link.name} ({link.kind}, {state}, MTU {link.mtu}{mark})"
