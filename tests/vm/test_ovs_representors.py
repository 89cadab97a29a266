# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin and virtual functions of a PCI card, with the kernel's datapath."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine.ovs import ovs_transaction
from os_vif.testing import conformance_checks
from os_vif.testing.conformance_run import CaseRun, disable_kill
from os_vif.testing.host_snapshots import changes, ip
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.cases import Case
from tests.support.ovs.representors import link
from tests.support.ovs.vifs import INSTANCE
from tests.support.vm.devices import of_vf, offloaded

pytestmark = pytest.mark.vm("igb")

NONE = "00:00:00:00:00:00"


@pytest.fixture
def namespace():
    """The machine's own, where its card is."""


def address_of(card, number: int) -> str:
    """The MAC address that the card has for a function."""
    return ip("link", "show", card.name)[0]["vfinfo_list"][number]["address"]


def state(switch) -> dict:
    """The devices of the machine, as far as a plug changes them, and the rows of a switch."""
    keys = ("ifindex", "mtu", "master", "address", "altnames", "vfinfo_list")
    links = {found["ifname"]: {key: found.get(key) for key in keys} for found in ip("link")}
    for found in ip("link"):
        links[found["ifname"]]["up"] = "UP" in found["flags"]
    return {**links, "switch": switch.dump()}


def test_what_stands_for_a_vf_is_a_port(card, representors, br_int):
    """With its names and addresses; a plug again changes nothing, and unplug puts all back.

    The port goes also when the virtual functions have gone.
    """
    before = state(br_int)
    vifs = [of_vf(card, number, f"tap-{number}", port=number) for number in range(2)]
    # A kernel before Linux 6.2 takes it down for its name.
    run(f"ip link set dev {representors['pf0vf0']} up")
    own = [link(representors[f"pf0vf{number}"])["address"] for number in range(2)]
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)
        assert os_vif.check(vif, INSTANCE) == ()
    assert br_int.vsctl("list-ports", "br-int").split() == ["tap-0", "tap-1"]
    for number, vif in enumerate(vifs):
        name = f"tap-{number}"
        assert row(br_int, "Interface", name, "ofport", "error")[0].isdecimal()
        assert row(br_int, "Interface", name, "external_ids:iface-id") == [f'"{vif.id}"']
        found = link(name)
        assert (found["master"], found["mtu"]) == ("ovs-system", 1450)
        assert found["altnames"] == [f"os-vif-was-{representors[f'pf0vf{number}']}"]
        assert "UP" in found["flags"]
        # The function has the guest's address; what stands for it has another.
        assert address_of(card, number) == vif.address
        assert found["address"] == own[number] != vif.address
        off = pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        assert off.read_text() == "1\n"
    plugged = state(br_int)
    os_vif.plug(vifs[0], INSTANCE)
    assert changes(plugged, state(br_int)) == []
    os_vif.unplug(vifs[0], INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == "tap-1"
    assert "UP" not in link(representors["pf0vf0"])["flags"]
    assert address_of(card, 0) == NONE
    card.set_vfs(0)
    os_vif.unplug(vifs[1], INSTANCE)
    assert changes(before["switch"], br_int.dump()) == []
    for name in representors.values():
        assert state(br_int)[name] == before[name] | {"mtu": 1450}


@pytest.mark.soak
def test_another_function_releases_the_first(card, representors, br_int):
    """Its representor is out of the bridge, down, and called as before; its address is gone."""
    os_vif.plug(of_vf(card, 0, "tap-1"), INSTANCE)
    second = link(representors["pf0vf1"])["ifindex"]
    os_vif.plug(of_vf(card, 1, "tap-1"), INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == "tap-1"
    assert (link("tap-1")["ifindex"], link("tap-1")["master"]) == (second, "ovs-system")
    first = link(representors["pf0vf0"])
    assert "UP" not in first["flags"]
    assert not {"altnames", "master"} & first.keys()
    assert (address_of(card, 0), address_of(card, 1)) == (NONE, "fa:16:3e:00:00:01")
    assert os_vif.check(of_vf(card, 1, "tap-1"), INSTANCE) == ()
    os_vif.unplug(of_vf(card, 1, "tap-1"), INSTANCE)
    assert (address_of(card, 1), br_int.vsctl("list-ports", "br-int")) == (NONE, "")


def test_flows_of_what_was_plugged_are_offloaded(card, representors, br_int):
    """The card's driver takes them; that of the tests forwards nothing."""
    br_int.vsctl("set", "Open_vSwitch", ".", "other_config:hw-offload=true")
    br_int.restart_vswitchd()
    for number in range(2):
        os_vif.plug(of_vf(card, number, f"tap-{number}", port=number), INSTANCE)
    flows = offloaded(br_int, "tap-0")
    assert any("tap-1" in flow.partition("actions:")[2] for flow in flows), flows
    shown = subprocess.run(
        ["tc", "filter", "show", "dev", "tap-0", "ingress"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "in_hw" in shown.stdout
    for number in range(2):
        os_vif.unplug(of_vf(card, number, port=number), INSTANCE)


def refused(switch, vif: objects.VIFBase) -> str:
    """What a plug says that leaves the host as it was."""
    before = state(switch)
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(vif, INSTANCE)
    assert changes(before, state(switch)) == []
    return str(info.value)


def test_what_is_no_function_with_a_representor_is_refused(card, br_int):
    """One clear error, which names it, before anything is touched."""
    vif = of_vf(card, 0)
    # Without representors.
    assert (
        f"vif.dev_address is {vif.dev_address}: {card.device.name} is not in switchdev mode"
        in (refused(br_int, vif))
    )
    for address, said in (
        (card.device.name, "is a physical function, not a virtual function"),
        ("0000:77:00.1", "there is no PCI device 0000:77:00.1"),
    ):
        vif.dev_address = address
        text = refused(br_int, vif)
        assert f"vif.dev_address is {address}" in text
        assert said in text


@contextlib.contextmanager
def in_the_middle(monkeypatch, happens: Callable[[], None]) -> Iterator[None]:
    """It happens when the kernel's steps are done, and those of the switch are not."""
    commit = ovs_transaction.commit

    def then(ovsdb, steps, *rest, **options):
        if any(type(step).__name__ == "EnsureOvsPort" for step in steps):
            happens()
        return commit(ovsdb, steps, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ovs_transaction, "commit", then)
        yield


@pytest.mark.soak
def test_the_card_changes_in_the_middle(card, representors, br_int, monkeypatch):
    """Its functions or its representors go, or its driver lets go of a function."""
    vif = of_vf(card, 0, "tap-1")
    driver = card.vf(0) / "driver"
    # The function may be a guest's any time: that is no concern of the port.
    name = card.vf(0).name
    with in_the_middle(monkeypatch, lambda: (driver / "unbind").write_text(name)):
        os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.unplug(vif, INSTANCE)
    pathlib.Path("/sys/bus/pci/drivers_probe").write_text(name)

    with in_the_middle(monkeypatch, lambda: card.set_vfs(0)):
        os_vif.plug(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert link(representors["pf0vf0"])["ifname"] == representors["pf0vf0"]
    card.set_vfs(2)

    before = br_int.dump()
    failed = pytest.raises(exception.PlugException, match="EnsureOvsPort failed on tap-1")
    with in_the_middle(monkeypatch, lambda: run("rmmod labrep")), failed as info:
        os_vif.plug(vif, INSTANCE)
    assert "by hand" not in str(info.value)
    assert changes(before, br_int.dump()) == []
    assert address_of(card, 0) == NONE
    run(f"modprobe labrep pf={card.name} vfs=2")
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.unplug(vif, INSTANCE)


@dataclasses.dataclass(frozen=True)
class OnCard(Case):
    """The machine's own card and switch, for the proofs: nothing of the VIF is left behind."""

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        try:
            yield
        finally:
            disable_kill()
            os_vif.unplug(self.vif, INSTANCE)
            run(f"ip link set dev {self.keeps_device} mtu 1500")
            run(f"sysctl -qw net.ipv6.conf.{self.keeps_device}.disable_ipv6=0")


class RunOnCard(CaseRun):
    """The checks of the suite without network namespaces: the card stays in its own."""

    @contextlib.contextmanager
    def host(self) -> Iterator[None]:
        with self.case.prepared():
            yield


@pytest.fixture
def case_run(card, representors, br_int) -> RunOnCard:
    vif = of_vf(card, 0, "tap-1")
    case = OnCard("representor", vif, keeps_device=representors["pf0vf0"])
    return RunOnCard(os_vif._plugin("ovs"), case)


@pytest.mark.soak
def test_a_failure_at_a_step_leaves_the_host_as_it_was(case_run):
    """Each step of a plug, and of an unplug."""
    conformance_checks.check_failures_in_plug(case_run)
    conformance_checks.check_failures_in_unplug(case_run)


@pytest.mark.soak
def test_a_daemon_killed_between_any_two_steps(case_run):
    """The next plug, or unplug, ends well."""
    case_run.stride = 2
    conformance_checks.check_kills_in_plug(case_run)


@pytest.fixture
def card(igb):
    """The card, which gets no addresses by itself: they would change while a test runs."""
    run(f"sysctl -qw net.ipv6.conf.{igb.name}.disable_ipv6=1")
    return igb
