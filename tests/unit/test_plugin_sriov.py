# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the ``sriov`` plugin plans, on a host that is made of files."""

from __future__ import annotations

import pytest

from os_vif import exception, objects
from os_vif.host import sriov
from os_vif.host.plan import Plan
from os_vif.host.steps import DeleteLink, EnsureMacvlan, ReleaseVf, SetLink, SetVf, Sysctl
from os_vif.plugins.sriov import SriovPlugin
from tests.sysfs import Sysfs

PF, VF, OTHER = "0000:03:00.0", "0000:03:02.1", "0000:03:02.3"
MAC = "fa:16:3e:00:00:01"
INSTANCE = objects.InstanceInfo(name="guest")
#: What all VIFs of these tests have.
COMMON = {
    "id": "0a0b0c0d-1111-4222-8333-444455556666",
    "address": MAC,
    "plugin": "sriov",
    "network": objects.Network(mtu=1450),
}


@pytest.fixture(autouse=True)
def host(monkeypatch, tmp_path) -> Sysfs:
    """Two virtual functions; the driver of the second one is another."""
    sysfs = Sysfs(tmp_path)
    sysfs.physical(PF, "eth0", ["0000:03:02.0", VF, OTHER])
    sysfs.below(VF, "eth5")
    monkeypatch.setattr(sriov, "SYS", tmp_path)
    return sysfs


@pytest.fixture
def plugin() -> SriovPlugin:
    return SriovPlugin.load("sriov")


def host_device(**fields) -> objects.VIFHostDevice:
    return objects.VIFHostDevice(**{"dev_type": "ethernet", "dev_address": VF, **COMMON, **fields})


def direct(**fields) -> objects.VIFDirect:
    given = {"vif_name": "macvtap0", "dev_address": VF, "mode": "vepa"}
    return objects.VIFDirect(**{**given, **COMMON, **fields})


def test_only_the_mac_address_is_planned_without_a_profile(plugin):
    """Another profile than ours says nothing of a virtual function either."""
    expected = Plan(SetVf("eth0", 1, VF, COMMON["id"], mac=MAC))
    for profile in ({}, {"port_profile": objects.VIFPortProfileBase()}):
        assert plugin.plan_plug(host_device(**profile), INSTANCE) == expected


def test_what_the_profile_has_is_planned(plugin):
    """What is unset, or None, is left as it is; so is nothing that is false or zero."""
    profile = objects.VIFPortProfileSRIOV(vlan=0, trusted=False, link_state="auto", vlan_qos=None)
    plan = plugin.plan_plug(host_device(port_profile=profile), INSTANCE)
    step = SetVf("eth0", 1, VF, COMMON["id"], MAC, vlan=0, trusted=False, link_state="auto")
    assert plan == Plan(step)


@pytest.mark.parametrize(
    ("mode", "made", "address"),
    [("vepa", "vepa", None), ("bridge", "bridge", None), ("passthrough", "passthru", MAC)],
)
def test_a_macvtap_device_comes_after_what_is_below_it(plugin, mode, made, address):
    """The card knows the MAC address and the VLAN before anything is up."""
    profile = objects.VIFPortProfileSRIOV(vlan=42)
    plan = plugin.plan_plug(direct(mode=mode, port_profile=profile), INSTANCE)
    assert plan == Plan(
        SetVf("eth0", 1, VF, COMMON["id"], MAC, vlan=42,
              link="eth5", link_ipv6=False, link_up=True, link_address=address),
        EnsureMacvlan("macvtap0", "eth5", made, tap=True),
        Sysctl("macvtap0", "disable_ipv6", 1, only_ours=True),
        SetLink("macvtap0", address=MAC, up=True),
    )  # fmt: skip


def test_an_unplug_needs_nothing_of_the_host(plugin):
    """The virtual function may have gone."""
    gone = "0000:ff:1f.7"
    release = ReleaseVf(gone, COMMON["id"])
    assert plugin.plan_unplug(host_device(dev_address=gone), INSTANCE) == Plan(release)
    assert plugin.plan_unplug(direct(dev_address=gone), INSTANCE) == Plan(
        DeleteLink("macvtap0"), release
    )


@pytest.mark.parametrize(
    ("vif", "said"),
    [
        (host_device(address=None), "vif.address is unset"),
        (host_device(dev_address=PF), f"vif.dev_address is {PF} is a physical function"),
        (host_device(dev_address="0000:03:1f.7"), "there is no PCI device 0000:03:1f.7"),
        (direct(dev_address=OTHER), f"{OTHER}, which has no network device here"),
        (direct(vif_name="a/b"), "vif.vif_name is 'a/b'; expected a device name"),
        (objects.VIFBridge(**COMMON), "vif is a VIFBridge; expected a VIFHostDevice or VIFDirect"),
        (
            host_device(
                port_profile=objects.VIFPortProfileBase(
                    datapath_offload=objects.DatapathOffloadRepresentor()
                )
            ),
            "vif.port_profile.datapath_offload is DatapathOffloadRepresentor",
        ),
    ],
)
def test_a_vif_that_cannot_be_plugged_is_refused_by_its_field(plugin, vif, said):
    """Before anything is touched."""
    with pytest.raises(exception.InvalidField) as info:
        plugin.plan_plug(vif, INSTANCE)
    assert said in str(info.value)


def test_a_mode_that_is_unset_is_named(plugin):
    """Nothing is guessed."""
    vif = direct()
    names = vif.fields.keys() - {"mode"}
    without = objects.VIFDirect(**{name: getattr(vif, name) for name in names if name in vif})
    with pytest.raises(exception.InvalidField, match=r"vif\.mode is unset; expected one of vepa"):
        plugin.plan_plug(without, INSTANCE)


def test_the_plugin_says_what_it_plugs(plugin):
    """Both kinds, with our profile."""
    info = plugin.describe()
    for name in ("VIFDirect", "VIFHostDevice"):
        profiles = info.get_vif(name).supported_port_profiles
        assert "VIFPortProfileSRIOV" in [profile.profile_object_name for profile in profiles]
