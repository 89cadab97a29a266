# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Cards with virtual functions and representors: a PCI one, and a simulated one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from os_vif.cmd.lab import Guest
from os_vif.host import netlink, sriov
from os_vif.host.steps import MoveLink
from tests.functional.namespaces import ip, run
from tests.vm import cards


@pytest.mark.vm("igb")
def test_a_vf_is_a_pci_device_of_the_card(igb):
    """Both ways: virtfnN and physfn."""
    for number in range(2):
        assert (igb.vf(number) / "physfn").resolve() == igb.device.resolve()
    assert igb.vf_name(0) != igb.vf_name(1)


@pytest.mark.vm("igb")
def test_a_vf_moves_to_a_namespace_and_back(igb):
    """By our step, and by who may enter that namespace."""
    name = igb.vf_name(0)
    address = ip("link", "show", name)[0]["address"]
    with Guest() as guest, netlink.opened() as net:
        assert MoveLink(name, str(guest.pid)).apply(net)
        assert igb.vf_name(0) is None
        inside = f"nsenter --net=/proc/{guest.pid}/ns/net"
        run(f"{inside} ip link show dev {name} | grep -q {address}")
        run(f"{inside} ip link set dev {name} netns {os.getpid()}")
    assert igb.vf_name(0) == name
    assert ip("link", "show", name)[0]["address"] == address


@pytest.mark.vm("igb")
def test_a_vf_has_settings_on_its_card(igb):
    """MAC address, VLAN with its priority, trust, spoof check, rate."""
    settings = (
        "mac 02:11:22:33:44:55",
        "vlan 42 qos 3",
        "trust on",
        "spoofchk off",
        "max_tx_rate 100",
    )
    for setting in settings:
        run(f"ip link set dev {igb.name} vf 0 {setting}")
    first, second = ip("link", "show", igb.name)[0]["vfinfo_list"]
    assert first["address"] == "02:11:22:33:44:55"
    assert first["vlan_list"] == [{"vlan": 42, "qos": 3}]
    assert (first["trust"], first["spoofchk"], first["rate"]["max_tx"]) == (True, False, 100)
    assert (second["trust"], second["spoofchk"], second["rate"]["max_tx"]) == (False, True, 0)


@pytest.mark.vm("igb")
def test_a_representor_is_seen_with_its_switch_id(igb, representors):
    """It is of the card's PCI device, and names its virtual function."""
    assert set(representors) == {"pf0vf0", "pf0vf1"}
    for name in representors.values():
        path = Path("/sys/class/net", name)
        assert (path / "phys_switch_id").read_text().strip() == igb.switch_id
        assert (path / "device").resolve() == igb.device.resolve()
    run(f"tc qdisc add dev {representors['pf0vf0']} ingress")
    run(
        f"tc filter add dev {representors['pf0vf0']} ingress protocol ip "
        "flower skip_sw dst_ip 192.0.2.1 action drop"
    )


@pytest.mark.vm("netdevsim")
def test_switchdev_mode_brings_representors():
    """By devlink; the VFs' settings are on the card, whatever its mode."""
    card = cards.netdevsim(20)
    card.set_vfs(2)
    run(f"ip link set dev {card.name} vf 1 vlan 42 proto 802.1ad")
    assert ip("link", "show", card.name)[0]["vfinfo_list"][1]["vlan_list"][0]["vlan"] == 42
    run("devlink dev eswitch set netdevsim/netdevsim20 mode switchdev")
    cards.until(lambda: len(card.representors()) == 2, "two representors")
    assert set(card.representors()) == {"pf0vf0", "pf0vf1"}
    assert card.switch_id


@pytest.mark.vm("vfio")
def test_a_vf_is_given_to_vfio_and_back(igb):
    """It has an IOMMU group of its own, and its network device goes and comes."""
    vf = igb.vf(0)
    group = (vf / "iommu_group").resolve()
    assert [path.name for path in (group / "devices").iterdir()] == [vf.name]
    bind(vf, "vfio-pci")
    assert igb.vf_name(0) is None
    assert Path("/dev/vfio", group.name).exists()
    bind(vf, "igbvf")
    cards.until(lambda: igb.vf_name(0), "the VF's network device")


def bind(device: Path, driver: str) -> None:
    (device / "driver/unbind").write_text(device.name)
    (device / "driver_override").write_text(driver)
    Path("/sys/bus/pci/drivers_probe").write_text(device.name)
    assert (device / "driver").resolve().name == driver


@pytest.mark.vm("igb")
def test_the_representor_of_a_vf_is_found(igb, representors):
    """By its PCI address, in the sysfs of a kernel."""
    for number in range(2):
        assert sriov.representor(sriov.vf(igb.vf(number).name)) == representors[f"pf0vf{number}"]
