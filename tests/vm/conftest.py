# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests that run in a virtual machine: the machine is theirs alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.functional.conftest import daemon, instance, namespace, options, rights  # noqa: F401
from tests.functional.ovs import Switch
from tests.vm import cards


@pytest.fixture
def switch(tmp_path) -> Iterator[Switch]:
    """Open vSwitch with the kernel's datapath."""
    with Switch(tmp_path) as switch:
        yield switch


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
