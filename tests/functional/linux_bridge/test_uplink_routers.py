# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Routers whose advertisements the kernel hears on an uplink are heard on the bridge."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.private_namespaces import run
from tests.support.guests.uplink_host import (
    BRIDGE,
    DAEMON,
    create_uplink_host,
    enforced_differences,
    lines,
    routes,
)

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def vif(daemon):
    """A VIF whose uplink the host is reached through."""
    return create_uplink_host()


def advertise(lifetime: int, valid: int, preference: int = 1) -> None:
    """Send the router advertisement of RFC 4861 to whoever listens at the other end."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
        router.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"far")
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        text = struct.pack("!BBHBBHII", 134, 0, 0, 64, preference << 3, lifetime, 0, 0)
        # The prefix is on the link, and for addresses.
        text += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, valid, valid, 0)
        text += socket.inet_pton(socket.AF_INET6, "2001:db8:5::")
        text += struct.pack("!BBHI", 5, 1, 0, 1400)
        text += struct.pack("!BBBBI", 24, 3, 48, preference << 3, 600)
        text += socket.inet_pton(socket.AF_INET6, "2001:db8:77::")
        router.sendto(text, ("ff02::1", 0, 0, socket.if_nametoindex("far")))


def until(condition, what: str):
    """Wait for the kernel."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise AssertionError(what)


def learned(device: str) -> dict[str, int]:
    """The seconds that routes last which routers have advertised, by destination."""
    return {r["dst"]: r["expires"] for r in routes(device) if "expires" in r}


def lifetime(device: str) -> int | None:
    """The seconds that the address from the advertised prefix lasts."""
    (found,) = json.loads("\n".join(lines(f"ip -6 -json address show dev {device}")))
    held = [a for a in found["addr_info"] if a["local"].startswith("2001:db8:5:")]
    return held[0]["valid_life_time"] if held else None


@pytest.fixture
def router(vif):
    """A router at the other end, from which the kernel has learned."""
    run("sysctl -qw net.ipv6.conf.uplink.accept_ra_rt_info_max_plen=64")
    run("sysctl -qw net.ipv6.conf.far.accept_ra=0")

    def is_heard():
        advertise(1800, 86400)
        time.sleep(0.1)
        return {"default", "2001:db8:77::/48"} <= learned("uplink").keys() and lifetime("uplink")

    until(is_heard, "no advertisement was heard")
    return vif


def test_a_router_goes_on_to_be_heard_on_the_bridge(router, instance):
    """Its routes keep lifetime and preference; it renews them, and takes the default route back."""
    before = learned("uplink")
    os_vif.plug(router, instance)
    after = learned(BRIDGE)
    assert after.keys() == before.keys()
    assert all(0 <= before[name] - after[name] <= 60 for name in before)
    assert {r["pref"] for r in routes(BRIDGE) if r["dst"] in ("default", "2001:db8:77::/48")} == {
        "high"
    }
    assert not learned("uplink")
    assert enforced_differences(router, instance) == []

    def is_renewed():
        advertise(9000, 90000)
        return learned(BRIDGE)["default"] > 8000 and lifetime(BRIDGE) > 86400

    until(is_renewed, "the advertisement renewed nothing")

    def is_gone():
        advertise(0, 90000)
        return "default" not in learned(BRIDGE)

    until(is_gone, "a router that leaves stays the default")


def test_a_router_goes_on_to_be_heard_after_a_failed_plug(router, instance):
    before = learned("uplink")
    steps = tuple(os_vif.plan(router, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    after = learned("uplink")
    assert after.keys() == before.keys()
    assert all(0 <= before[name] - after[name] <= 60 for name in before)

    def is_gone():
        advertise(0, 90000)
        return "default" not in learned("uplink") and lifetime("uplink") > 86400

    until(is_gone, "the router is not heard")
