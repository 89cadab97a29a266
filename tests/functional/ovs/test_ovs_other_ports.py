# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A port of another kind has the name of a VIF's port: told by check, refused or made right."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.host_snapshots import changes, differences, snapshot
from os_vif.testing.private_namespaces import run
from os_vif.vif_fields import get
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.ovs.representors import dpdk, vif_on_representor
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP, VHOST_USER
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

#: Types of a port that is no network device, and their options.
TYPES = {
    "vxlan": ("type=vxlan", "options:remote_ip=192.0.2.1", "options:key=7"),
    "gre": ("type=gre", "options:remote_ip=192.0.2.1"),
    "geneve": ("type=geneve", "options:remote_ip=flow"),
    "patch": ("type=patch", "options:peer=nothing"),
    "internal": ("type=internal",),
    "tap": ("type=tap",),
    "dpdkvhostuserclient": ("type=dpdkvhostuserclient", "options:vhost-server-path=/run/v"),
}
#: By the way of plugging: the VIF, and the port that is a network device.
WAYS = {
    "hypervisor": (ovs_vif, "tap0a0b0c0d-11", "br-int"),
    "port": (lambda: ovs_vif(create_port=True), "tap0a0b0c0d-11", "br-int"),
    "tap": (lambda: ovs_vif(**TAP), "tap0a0b0c0d-11", "br-int"),
    "own-bridge": (lambda: ovs_vif(**TAP, datapath_type="netdev"), "tap0a0b0c0d-11", "pb0a0b0c0d-111"),
    "hybrid": (lambda: ovs_vif(HYBRID), "qvo0a0b0c0d-11", "br-int"),
    "trunk": (lambda: ovs_vif(bridge="tbr-1", create_port=True), "tap0a0b0c0d-11", "tbr-1"),
    "hybrid-trunk": (lambda: ovs_vif(HYBRID, bridge="tbr-1"), "qvo0a0b0c0d-11", "tbr-1"),
    "representor": (lambda: vif_on_representor(1), "rep1", "br-int"),
}  # fmt: skip


def told(vif) -> list[str]:
    return [str(difference) for difference in os_vif.check(vif, INSTANCE)]


def assert_refused(vif, said: str) -> None:
    """And the host is as before."""
    before = snapshot()
    with pytest.raises(exception.PlugException, match=said):
        os_vif.plug(vif, INSTANCE)
    assert differences(before) == []


@pytest.fixture(params=WAYS)
def way(request, br_int, ovs_options):
    require_tun()
    if request.param == "representor":
        request.getfixturevalue("host")
    ovs_options(per_port_bridge=request.param == "own-bridge")
    make, name, bridge = WAYS[request.param]
    if bridge != "br-int":
        br_int.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev")
    return make(), name, bridge


@pytest.mark.short_form(3)
def test_a_port_of_a_type_of_its_own_is_told_and_refused(br_int, way):
    """For every way of plugging that wants a network device; the port stays as it is."""
    vif, name, bridge = way
    for kind, settings in TYPES.items():
        br_int.vsctl("add-port", bridge, name, "--", "set", "Interface", name, *settings)
        # For these vswitchd has made a network device, which the plan meets first.
        with_device = kind in ("internal", "tap")
        assert f"{name}: type is {kind}, should be the type of a network device" in told(vif)
        met = "|failed on .*: .* is a (hardware )?device" if with_device else ""
        said = f"{name} is a port of type {kind}, not of a network device; remove"
        assert_refused(vif, said + met)
        br_int.vsctl("del-port", name)


@pytest.mark.short_form(3)
def test_a_bond_and_its_members_are_told_and_refused(br_int, way):
    """A port of several interfaces, or of one with another name."""
    vif, name, bridge = way
    for members in (("one", "two"), (name, "two"), ("one",)):
        if len(members) > 1:
            br_int.vsctl("add-bond", bridge, name, *members)
        else:
            br_int.vsctl("--id=@i", "create", "Interface", "name=one", "--", "--id=@p", "create",
                         "Port", f"name={name}", "interfaces=@i", "--",
                         "add", "Bridge", bridge, "ports", "@p")  # fmt: skip
        text = f"a port with the interfaces {', '.join(sorted(members))}"
        lines = [line for line in told(vif) if line.startswith(f"{name}: port is")]
        assert lines == [
            f"{name}: port is {text}, should be a port with one Interface of its own name"
        ]
        assert_refused(vif, f"{name} is {text}, not .*with one Interface of its own name; remove")
        br_int.vsctl("del-port", name)
    br_int.vsctl("add-bond", bridge, "bond9", name, "two")
    text = f"an interface of the port bond9 in {bridge}"
    (line,) = [line for line in told(vif) if line.startswith(f"{name}: port is")]
    assert line.startswith(f"{name}: port is {text}, should be ")
    assert_refused(vif, f"{name} is {text}, not a port.*; remove")


def test_the_port_of_the_hypervisor_is_taken_as_it_is(br_int):
    """A VIF whose port the hypervisor adds; before it has, and afterwards; also without a name."""
    nameless = ovs_vif()
    del nameless.vif_name
    for vif in (nameless, ovs_vif()):
        os_vif.plug(vif, INSTANCE)
        assert all(difference.pending for difference in os_vif.check(vif, INSTANCE))
    run(f"ip link add name {ovs_vif().vif_name} type veth peer name guest")
    br_int.vsctl("add-port", "br-int", ovs_vif().vif_name, "--", "set", "Interface",
                 ovs_vif().vif_name, f"external_ids:iface-id={ovs_vif().id}")  # fmt: skip
    before = br_int.dump()
    os_vif.plug(ovs_vif(), INSTANCE)
    assert told(ovs_vif()) == []
    assert changes(before, br_int.dump()) == []


@pytest.mark.short_form(3)
def test_a_port_of_another_bridge_is_told_and_refused(br_int, way):
    """Whatever its type."""
    vif, name, bridge = way
    if isinstance(vif, objects.VIFOpenVSwitch) and not get(vif.port_profile, "create_port"):
        # The bridge is the hypervisor's choice.
        br_int.vsctl("add-br", "br-other", "--", "add-port", "br-other", name)
        os_vif.plug(vif, INSTANCE)
        assert br_int.vsctl("port-to-br", name) == "br-other"
        return
    br_int.vsctl("add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev")
    for settings in (("type=vxlan", "options:remote_ip=192.0.2.1"), ("type=system",)):
        br_int.vsctl("add-port", "br-other", name, "--", "set", "Interface", name, *settings)
        if not bridge.startswith("pb"):
            assert f"{name}: port is in br-other, should be in {bridge}" in told(vif)
        assert_refused(vif, f"{name} is in br-other, and not taken from there")
        br_int.vsctl("del-port", name)


@pytest.mark.parametrize("kind", ["vxlan", "patch", "internal"])
def test_a_representor_does_not_get_the_name_of_such_a_port(br_int, host, kind):
    """Whether the port says that it is the VIF's, or not."""
    vif = vif_on_representor(1, "tap-1")
    br_int.vsctl("add-port", "br-int", "tap-1", "--", "set", "Interface", "tap-1", *TYPES[kind])
    taken = "representor_name is tap-1; expected a name that nothing else has"
    with pytest.raises(exception.PlanException, match=taken):
        os_vif.check(vif, INSTANCE)
    assert_refused(vif, taken)
    br_int.vsctl("set", "Interface", "tap-1", f"external_ids:iface-id={vif.id}")
    if kind != "internal":
        assert f"tap-1: type is {kind}, should be the type of a network device" in told(vif)
        taken = f"tap-1 is a port of type {kind}, not of a network device; remove"
    assert_refused(vif, taken)


@pytest.mark.parametrize("settings", [("type=system",), ("type=afxdp", "options:n_rxq=1")])
def test_other_words_for_a_network_device_hold(br_int, settings):
    """And stay: an operator has set them."""
    vif = ovs_vif(create_port=True)
    name = vif.vif_name
    run(f"ip link add name {name} type veth peer name guest")
    br_int.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, *settings)
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Interface", name, "type") == [settings[0].removeprefix("type=")]
    assert [line for line in told(vif) if "ofport" not in line] == []


@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_port_of_vhost_user_is_made_right(br_int, mode):
    """Its type says whose it is; of the type before nothing is left, and an undo gives it back."""
    vif = ovs_vif(VHOST_USER, mode=mode)
    name = f"vhu{vif.id[:11]}"
    wanted = {"client": "dpdkvhostuser", "server": "dpdkvhostuserclient"}[mode]
    for kind, settings in TYPES.items():
        if kind == wanted:
            continue
        br_int.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, *settings)
        assert f"{name}: type is {kind}, should be {wanted}" in told(vif)
        os_vif.plug(vif, INSTANCE)
        options = br_int.vsctl("get", "Interface", name, "options")
        assert row(br_int, "Interface", name, "type") == [wanted]
        assert "remote_ip" not in options
        assert "peer" not in options
        assert [line for line in told(vif) if "ofport" not in line] == []
        os_vif.unplug(vif, INSTANCE)
        assert br_int.vsctl("list-ports", "br-int") == ""


@pytest.mark.parametrize("kind", ["", "vxlan", "dpdkvhostuserclient"])
def test_the_port_of_a_representor_of_dpdk_is_made_right(br_int, host, kind):
    """vswitchd is to open the representor by the card's address."""
    vif = dpdk(1)
    name = f"vfr{vif.id[:11]}"
    settings = TYPES.get(kind, ("type=system",))
    br_int.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, *settings)
    assert f"{name}: type is {kind or 'system'}, should be dpdk" in told(vif)
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Interface", name, "type") == ["dpdk"]
    assert "remote_ip" not in br_int.vsctl("get", "Interface", name, "options")
    assert [line for line in told(vif) if "ofport" not in line] == []


@pytest.mark.parametrize("make", [lambda: ovs_vif(VHOST_USER), lambda: dpdk(1)])
def test_a_bond_is_no_port_of_user_space(br_int, host, make):
    """Nor is a port of another bridge, or a member of a bond."""
    vif = make()
    name = f"{'vhu' if isinstance(vif, VHOST_USER) else 'vfr'}{vif.id[:11]}"
    br_int.vsctl("add-bond", "br-int", name, "one", "two")
    text = "a port with the interfaces one, two"
    assert f"{name}: port is {text}, should be a port with one Interface of its own name" in told(
        vif
    )
    assert_refused(vif, f"{name} is {text}, not with one Interface of its own name; remove")
    br_int.vsctl("del-port", name, "--", "add-bond", "br-int", "bond9", name, "two")
    text = "an interface of the port bond9 in br-int"
    assert f"{name}: port is {text}, should be in br-int" in told(vif)
    assert_refused(vif, f"{name} is {text}, not a port itself; remove")
    br_int.vsctl("del-port", "bond9", "--", "add-br", "br-other", "--",
                 "set", "Bridge", "br-other", "datapath_type=netdev", "--",
                 "add-port", "br-other", name, "--", "set", "Interface", name, *TYPES["vxlan"])  # fmt: skip
    assert f"{name}: port is in br-other, should be in br-int" in told(vif)
    assert_refused(vif, f"{name} is in br-other, and not taken from there")


def test_the_options_of_vhost_user_stay_when_its_mode_changes(br_int):
    """An operator's number of queues has a meaning in both."""
    vif = ovs_vif(VHOST_USER, mode="client")
    name = f"vhu{vif.id[:11]}"
    os_vif.plug(vif, INSTANCE)
    br_int.vsctl("set", "Interface", name, "options:tx-retries-max=3")
    os_vif.plug(ovs_vif(VHOST_USER, mode="server"), INSTANCE)
    assert 'tx-retries-max="3"' in br_int.vsctl("get", "Interface", name, "options")


def test_the_patch_ports_of_a_bridge_of_its_own_are_made_right(br_int, ovs_options):
    """They are a VIF's by their names."""
    require_tun()
    ovs_options(per_port_bridge=True)
    vif = ovs_vif(**TAP, datapath_type="netdev")
    far = f"ibp{vif.id}"
    br_int.vsctl("add-port", "br-int", far, "--", "set", "Interface", far, *TYPES["vxlan"])
    assert f"{far}: type is vxlan, should be patch" in told(vif)
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Interface", far, "type", "options") == [
        "patch",
        f"{{peer=pbp{vif.id}}}",
    ]
    assert told(vif) == []
