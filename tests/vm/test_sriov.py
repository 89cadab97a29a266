# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Cards with virtual functions and representors: a PCI one, and a simulated one."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import functions as sriov
from os_vif.host.sriov import switch_ports
from os_vif.host.sriov.switch_ports import Role
from os_vif.steps import MoveLink
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from testbed.vm import cards
from tests.support.vm.devices import bind


@pytest.mark.soak
@pytest.mark.vm("igb")
def test_a_vf_is_a_pci_device_of_the_card(igb):
    """Both ways: virtfnN and physfn."""
    for number in range(2):
        assert (igb.vf(number) / "physfn").resolve() == igb.device.resolve()
    assert igb.vf_name(0) != igb.vf_name(1)


@pytest.mark.soak
@pytest.mark.vm("igb")
def test_a_vf_moves_to_a_namespace_and_back(igb):
    """By our step, and by who may enter that namespace."""
    name = igb.vf_name(0)
    address = ip("link", "show", name)[0]["address"]
    with Guest() as guest, rtnetlink.opened() as net:
        assert MoveLink(name, str(guest.pid)).apply(net)
        assert igb.vf_name(0) is None
        inside = f"nsenter --net=/proc/{guest.pid}/ns/net"
        run(f"{inside} ip link show dev {name} | grep -q {address}")
        run(f"{inside} ip link set dev {name} netns {os.getpid()}")
    assert igb.vf_name(0) == name
    assert ip("link", "show", name)[0]["address"] == address


@pytest.mark.soak
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


@pytest.mark.soak
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


@pytest.mark.vm("plain")
def test_switchdev_mode_brings_representors():
    """By devlink; the VFs' settings are on the card, whatever its mode."""
    card = cards.netdevsim(20)
    card.set_vfs(2)
    run(f"ip link set dev {card.name} vf 1 vlan 42 proto 802.1ad")
    assert ip("link", "show", card.name)[0]["vfinfo_list"][1]["vlan_list"][0]["vlan"] == 42
    run("devlink dev eswitch set netdevsim/netdevsim20 mode switchdev")
    cards.wait_until(lambda: len(card.representors()) == 2, "two representors")
    assert set(card.representors()) == {"pf0vf0", "pf0vf1"}
    assert card.switch_id


@pytest.mark.vm("igb")
def test_a_vf_is_given_to_vfio_and_back(igb):
    """It has an IOMMU group of its own, and its network device goes and comes."""
    vf = igb.vf(0)
    group = (vf / "iommu_group").resolve()
    assert [path.name for path in (group / "devices").iterdir()] == [vf.name]
    bind(vf, "vfio-pci")
    assert igb.vf_name(0) is None
    assert Path("/dev/vfio", group.name).exists()
    bind(vf, "igbvf")
    cards.wait_until(lambda: igb.vf_name(0), "the VF's network device")


@pytest.mark.vm("igb")
@pytest.mark.parametrize(
    "options", [pytest.param("pf_number=7", marks=pytest.mark.soak), "devlink=1 pf_number=7"]
)
def test_the_representor_of_a_vf_is_found(igb, options):
    """By its PCI address, renamed too; from names or from devlink, with whatever number.

    What is in another network namespace is not found, here or there.
    """
    # Those of the card, and more that only have their numbers.
    functions = [sriov.vf(igb.vf(n).name) for n in range(2)]
    functions += [sriov.Vf("", n, igb.device.name) for n in (10, 99, 100, 129)]
    with labrep(igb, f"vfs=130 {options}"):
        for function in functions:
            assert sriov.representor(function) == f"labrep{function.number}"
        assert sriov.pf_device(functions[0]) == igb.name
        assert [sriov.vf_device(f) for f in functions[:2]] == [igb.vf_name(n) for n in range(2)]
        assert sriov.devices(igb.device.name)[0] == igb.name
        assert sriov.switch_of("labrep1") == igb.switch_id
        run("ip link set dev labrep1 name pf7vf0")
        assert sriov.representor(functions[1]) == "pf7vf0"
        code = (
            "from os_vif.host.sriov import functions as sriov; "
            f"print(sriov.devices('{igb.device.name}'), sriov.vf_device(sriov.{functions[1]!r})); "
            f"sriov.representor(sriov.{functions[1]!r})"
        )
        there = subprocess.run(
            ["unshare", "--net", sys.executable, "-c", code],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert there.stdout == "[] None\n"
        assert f"{igb.device.name} is not in switchdev mode" in there.stderr
        with Guest() as guest:
            run(f"ip link set dev pf7vf0 netns {guest.pid}")
            with pytest.raises(OSError, match=r"VF 1 of .* has no representor"):
                sriov.representor(functions[1])
        assert sriov.representor(functions[0]) == "labrep0"


@pytest.mark.soak
@pytest.mark.vm("igb")
@pytest.mark.parametrize("options", ["", "devlink=1"])
def test_a_representor_that_comes_late_is_waited_for(igb, options):
    """As for others of its switch; the wait has an end, and in legacy mode there is none."""
    function = sriov.vf(igb.vf(1).name)
    with pytest.raises(OSError, match="is not in switchdev mode"):
        sriov.representor(function, wait=120)
    with labrep(igb, f"vfs=64 {options}"), Guest() as guest:
        run(f"ip link set dev labrep1 netns {guest.pid}")
        with pytest.raises(OSError, match="has no representor"):
            sriov.representor(function, wait=0.1)
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(sriov.representor, function, 120)
            inside = f"nsenter --net=/proc/{guest.pid}/ns/net"
            run(f"{inside} ip link set dev labrep1 netns {os.getpid()}")
            assert waiting.result() == "labrep1"


@pytest.mark.vm("igb")
def test_what_is_no_virtual_function_is_named(igb):
    """The card itself, another device, none at all."""
    (bridge,) = {path.parent.name for path in Path("/sys/devices").glob("pci*/*/0000:01:00.0")}
    for address, reason in (
        (igb.device.name, "is a physical function"),
        (bridge, "is a PCI device, not a virtual function"),
        ("0000:01:1f.7", "there is no PCI device"),
    ):
        with pytest.raises(OSError, match=reason) as info:
            sriov.vf(address)
        assert info.value.errno == errno.ENODEV
        assert address in str(info.value)


@pytest.mark.vm("plain")
@pytest.mark.soak
def test_the_ports_of_a_simulated_card_are_read_as_they_are():
    """From rtnetlink, with more than a hundred virtual functions."""
    card = cards.netdevsim(21)
    Path("/sys/kernel/debug/netdevsim/netdevsim21/max_vfs").write_text("120")
    card.set_vfs(120)
    run("devlink dev eswitch set netdevsim/netdevsim21 mode switchdev")
    cards.wait_until(lambda: len(card.representors()) == 120, "120 representors")
    found = [port for port in switch_ports.dump("0000:00:00.0") if port.switch == card.switch_id]
    assert {f"pf{p.pf}vf{p.vf}": p.name for p in found if p.role is Role.VF} == card.representors()
    assert [p.name for p in found if p.role is Role.UPLINK] == [card.name]


@contextlib.contextmanager
def labrep(card: cards.Card, options: str) -> Iterator[None]:
    run(f"modprobe labrep pf={card.name} {options}")
    try:
        yield
    finally:
        run("rmmod labrep")
