# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of tests in a virtual machine, which no other program uses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from testbed.ovs import Switch
from testbed.vm import cards
from tests.functional.conftest import (  # noqa: F401
    daemon,
    instance,
    namespace,
    options,
    ovs_options,
    quick_helper,
    rights,
    switch,
)


@pytest.fixture
def br_int(switch, daemon, ovs_options) -> Switch:  # noqa: F811 - fixtures are asked for by name
    """Provide a switch with an integration bridge in the datapath of the kernel."""
    # An emulated vswitchd is slow.
    ovs_options(ovsdb_connection=switch.connection, ovs_vsctl_timeout=60)
    switch.vsctl("add-br", "br-int")
    return switch


@pytest.fixture
def igb() -> Iterator[cards.Card]:
    """Provide the PCI card, with two virtual functions."""
    card = cards.igb()
    card.set_vfs(2)
    subprocess.run(["ip", "link", "set", "dev", card.name, "up"], check=True)
    # The card refuses rates while the device is down.
    cards.wait_until(lambda: card.carrier, "the igb card's carrier")
    yield card
    card.set_vfs(0)


@pytest.fixture
def representors(igb) -> Iterator[dict[str, str]]:
    """Return the representors that the module labrep creates, by the port names."""
    subprocess.run(["modprobe", "labrep", f"pf={igb.name}", "vfs=2"], check=True)
    yield igb.representors()
    subprocess.run(["rmmod", "labrep"], check=True)
