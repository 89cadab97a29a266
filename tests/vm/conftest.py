# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests that run in a virtual machine: the machine is theirs alone."""

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
    """A switch with an integration bridge in the kernel's datapath."""
    # An emulated vswitchd takes its time.
    ovs_options(ovsdb_connection=switch.connection, ovs_vsctl_timeout=60)
    switch.vsctl("add-br", "br-int")
    return switch


@pytest.fixture
def igb() -> Iterator[cards.Card]:
    """The PCI card, with two virtual functions."""
    card = cards.igb()
    card.set_vfs(2)
    subprocess.run(["ip", "link", "set", "dev", card.name, "up"], check=True)
    # It refuses rates without.
    cards.until(lambda: card.carrier, "the igb card's carrier")
    yield card
    card.set_vfs(0)


@pytest.fixture
def representors(igb) -> Iterator[dict[str, str]]:
    """Of its virtual functions, by their port's name; the module labrep makes them."""
    subprocess.run(["modprobe", "labrep", f"pf={igb.name}", "vfs=2"], check=True)
    yield igb.representors()
    subprocess.run(["rmmod", "labrep"], check=True)
