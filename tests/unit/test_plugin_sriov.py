# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plans of the ``sriov`` plugin, on a simulated sysfs."""

from __future__ import annotations

import pathlib

import pytest

from os_vif import exception, objects
from os_vif.plugins.sriov import SriovPlugin
from os_vif.steps import (
    DeleteLink,
    DeleteVdpa,
    EnsureMacvlan,
    EnsureVdpa,
    ReleaseVf,
    SetLink,
    SetSysctl,
    SetVf,
)
from os_vif.steps.plan import Plan
from os_vif.testing.fake_card import Sysfs
from testbed import snippets

PF, VF, OTHER = "0000:03:00.0", "0000:03:02.1", "0000:03:02.3"
MAC = "fa:16:3e:00:00:01"
INSTANCE = objects.InstanceInfo(name="guest")
#: The common fields of all VIFs of the tests.
COMMON = {
    "id": "0a0b0c0d-1111-4222-8333-444455556666",
    "address": MAC,
    "plugin": "sriov",
    "network": objects.Network(mtu=1450),
}


@pytest.fixture(autouse=True)
def host(monkeypatch, tmp_path) -> Sysfs:
    """Create two virtual functions with different drivers."""
    sysfs = Sysfs(tmp_path)
    sysfs.physical(PF, "eth0", ["0000:03:02.0", VF, OTHER])
    sysfs.below(VF, "eth5")
    sysfs.shown(monkeypatch)
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
    """A base profile has no settings of a virtual function either."""
    expected = Plan(SetVf("eth0", 1, VF, COMMON["id"], mac=MAC))
    for profile in ({}, {"port_profile": objects.VIFPortProfileBase()}):
        assert plugin.plan_plug(host_device(**profile), INSTANCE) == expected


def test_what_the_profile_has_is_planned(plugin):
    """Unset fields and None leave a setting unchanged; zero and false are values."""
    profile = objects.VIFPortProfileSRIOV(vlan=0, trusted=False, link_state="auto", vlan_qos=None)
    plan = plugin.plan_plug(host_device(port_profile=profile), INSTANCE)
    step = SetVf("eth0", 1, VF, COMMON["id"], MAC, vlan=0, trusted=False, link_state="auto")
    assert plan == Plan(step)


@pytest.mark.parametrize(
    ("mode", "made", "address"),
    [("vepa", "vepa", None), ("bridge", "bridge", None), ("passthrough", "passthru", MAC)],
)
def test_a_macvtap_device_comes_after_what_is_below_it(plugin, mode, made, address):
    """The card gets the VLAN before a device is up; in passthrough mode also the MAC address."""
    profile = objects.VIFPortProfileSRIOV(vlan=42)
    plan = plugin.plan_plug(direct(mode=mode, port_profile=profile), INSTANCE)
    assert plan == Plan(
        SetVf("eth0", 1, VF, COMMON["id"], address, vlan=42,
              link="eth5", link_ipv6=False, link_up=True, link_address=address),
        EnsureMacvlan("macvtap0", "eth5", made, tap=True),
        SetSysctl("macvtap0", "disable_ipv6", 1, only_managed=True),
        SetLink("macvtap0", address=MAC, up=True),
    )  # fmt: skip


def test_an_unplug_needs_nothing_of_the_host(plugin):
    """The virtual function may have disappeared."""
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
        (
            host_device(port_profile=objects.VIFPortProfileSRIOV(vlan_qos=3)),
            "vif.port_profile.vlan is None; expected a number from 0 to 4094",
        ),
        (
            direct(
                port_profile=objects.VIFPortProfileBase(
                    datapath_offload=objects.DatapathOffloadVDPA(device_name="vdpa0")
                )
            ),
            "vif.port_profile.datapath_offload is DatapathOffloadVDPA; expected none",
        ),
        (
            host_device(
                port_profile=objects.VIFPortProfileBase(
                    datapath_offload=objects.DatapathOffloadVDPA()
                )
            ),
            "vif.port_profile.datapath_offload.device_name is unset",
        ),
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
    """The error is raised before any change."""
    with pytest.raises(exception.InvalidField) as info:
        plugin.plan_plug(vif, INSTANCE)
    assert said in str(info.value)


def test_a_mode_that_is_unset_is_named(plugin):
    """An unset mode has no default."""
    vif = direct()
    names = vif.fields.keys() - {"mode"}
    without = objects.VIFDirect(**{name: getattr(vif, name) for name in names if name in vif})
    with pytest.raises(exception.InvalidField, match=r"vif\.mode is unset; expected one of vepa"):
        plugin.plan_plug(without, INSTANCE)


def test_the_plugin_says_what_it_plugs(plugin):
    """The plugin describes both classes, with the port profile."""
    info = plugin.describe()
    for name in ("VIFDirect", "VIFHostDevice"):
        profiles = info.get_vif(name).supported_port_profiles
        assert "VIFPortProfileSRIOV" in [profile.profile_object_name for profile in profiles]


VDPA = objects.VIFPortProfileSRIOV(
    datapath_offload=objects.DatapathOffloadVDPA(device_name="vdpa0")
)


def test_a_vdpa_device_goes_before_what_it_is_on(plugin):
    """The device and the MAC address are those of the offload, or by default those of the VIF."""
    assert plugin.plan_unplug(host_device(port_profile=VDPA), INSTANCE) == Plan(
        DeleteVdpa("vdpa0", f"pci/{VF}", MAC), ReleaseVf(VF, COMMON["id"])
    )
    other = "02:00:00:00:00:07"
    offload = objects.DatapathOffloadVDPA(
        device_name="vdpa0", management_device="auxiliary/mlx5_core.sf.4", mac_address=other
    )
    vif = host_device(port_profile=objects.VIFPortProfileSRIOV(datapath_offload=offload))
    assert plugin.plan_plug(vif, INSTANCE).steps[1:] == (
        EnsureVdpa("vdpa0", "auxiliary/mlx5_core.sf.4", other),
    )


PAGE = pathlib.Path(__file__).parents[2] / "doc/source/operators/sriov.rst"


@pytest.mark.parametrize(
    ("caption", "vif"),
    [
        (
            "plan of a host device",
            host_device(
                port_profile=objects.VIFPortProfileSRIOV(
                    vlan=42, vlan_qos=3, trusted=False, spoof_check=True, max_tx_rate=1000
                )
            ),
        ),
        (
            "plan of a macvtap device",
            direct(mode="passthrough", port_profile=objects.VIFPortProfileSRIOV(vlan=42)),
        ),
        ("plan of a vDPA device", host_device(port_profile=VDPA)),
    ],
)
def test_the_page_shows_the_plan_as_it_is(plugin, caption, vif):
    """The page contains each line of the plan."""
    (block,) = (b for b in snippets.blocks(PAGE.read_text(), "text") if b.caption == caption)
    assert block.text.strip() == str(plugin.plan_plug(vif, INSTANCE))
