# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The owner of a virtual function is a VIF of the plugin ``sriov``.

The card is made of files, and the physical function has no device. The virtual machine tier runs the
cases of ``test_inventory.py`` on a card.
"""

from __future__ import annotations

import pytest

import os_vif
from os_vif.host.state.directory import STATE
from os_vif.testing.fake_card import card
from os_vif.testing.private_namespaces import run
from tests.support.requirements import require

pytestmark = pytest.mark.usefixtures("daemon", "namespace")

ADDRESS = "0000:03:01.2"
OWNER = "10000000-0000-4000-8000-000000000000"


@pytest.fixture
def sysfs(tmp_path):
    """Provide a card, and the record of the owner of a virtual function."""
    STATE.make()
    record = {"user": OWNER, "incarnation": [1, 2], "before": {"vlan": 0}}
    STATE.write_atomically(f"vf-{ADDRESS}.json", record)
    with card(tmp_path / "sys") as sysfs:
        yield sysfs


def unplug_plan(entry):
    """Return the steps of the unplug plan as text."""
    return [repr(step) for step in os_vif.plan(entry.vif, entry.instance, unplug=True)]


def test_an_owned_virtual_function_is_a_host_device(sysfs):
    """Expect the release of the virtual function as the unplug plan."""
    (entry,) = os_vif.inventory()
    assert (entry.id, entry.kind, entry.way) == (OWNER, "VIFHostDevice", "virtual function")
    assert (entry.plugin, entry.vif.dev_address) == ("sriov", ADDRESS)
    assert unplug_plan(entry) == [f"ReleaseVf(pci_address={ADDRESS!r}, user={OWNER!r})"]


@pytest.mark.parametrize(
    ("mode", "expected"), [("passthru", "passthrough"), ("vepa", "vepa"), ("bridge", "bridge")]
)
def test_a_macvtap_device_on_the_virtual_function_is_a_direct_vif(sysfs, mode, expected):
    """Create the macvtap device with the alias of os-vif on the device of the function."""
    require("ip link add name a0 type veth peer name a1; ip link add link a0 name a2 type macvtap")
    run(f"""
        ip link add name vf2 address fa:16:3e:00:00:0{7 if mode == "passthru" else 8} \
            type veth peer name far2
        ip link add link vf2 name macvtap0 address fa:16:3e:00:00:07 type macvtap mode {mode}
        ip link set dev macvtap0 alias os-vif
    """)
    sysfs.below(ADDRESS, "vf2")
    (entry,) = os_vif.inventory()
    assert (entry.id, entry.kind, entry.way) == (OWNER, "VIFDirect", "macvtap")
    assert (entry.vif.mode, entry.vif.address) == (expected, "fa:16:3e:00:00:07")
    assert entry.devices == ("vf2", "macvtap0")
    assert unplug_plan(entry) == [
        "DeleteLink(name='macvtap0', index=None, include_unmanaged=False, only_unattached=False)",
        f"ReleaseVf(pci_address={ADDRESS!r}, user={OWNER!r})",
    ]
