# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the ovs plugin says of itself is so: each VIF and profile, in each version, is plugged."""

from __future__ import annotations

import json

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.plugins.ovs import OvsPlugin
from os_vif.testing.fake_card import card
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
PORT = {
    "VIFBridge": "qvo0a0b0c0d-11",
    "VIFOpenVSwitch": "tap0a0b0c0d-11",
    "VIFVHostUser": "vhu0a0b0c0d-11",
    "VIFHostDevice": "rep0",
}


def between(cls: str, least: str, most: str) -> list[str]:
    """The versions of a class that were ever released, from one to another."""
    numbers = [version.number for version in history.declared_history(getattr(objects, cls))]
    assert numbers[0] == least
    assert most in numbers
    return numbers[: numbers.index(most) + 1]


def described() -> list[tuple[str, str, str, str]]:
    """Each VIF with each profile, and each version of either."""
    return [
        (vif.vif_object_name, version, profile.profile_object_name, of_profile)
        for vif in OvsPlugin(None).describe().vif_info
        for version in between(vif.vif_object_name, vif.min_version, vif.max_version)
        for profile in vif.supported_port_profiles
        for of_profile in between(
            profile.profile_object_name, profile.min_version, profile.max_version
        )
    ]


def test_it_is_what_the_registry_of_plugins_answers(br_int):
    """host_info() has it; nothing that can be plugged is left out."""
    (info,) = (p for p in os_vif.host_info().plugin_info if p.plugin_name == "ovs")
    assert {vif.vif_object_name for vif in info.vif_info} == PORT.keys()


@pytest.fixture
def _card(br_int, tmp_path):
    run("ip link add name rep0 type veth peer name far")
    with card(tmp_path / "sys"):
        yield


@pytest.mark.usefixtures("_card")
def test_each_version_that_is_described_is_plugged(br_int):
    """As it is written by whoever knows no newer one."""
    for vif, version, profile, of_profile in described():
        fields = {"create_port": True} if vif == "VIFOpenVSwitch" else {}
        made = ovs_vif(getattr(objects, vif), **fields)
        known = made.port_profile
        made.port_profile = getattr(objects, profile)(
            interface_id=known.interface_id, profile_id="p",
            **({"create_port": True} if "create_port" in known else {}),
        )  # fmt: skip
        manifest = history.manifest("5.3.0") | {vif: version, profile: of_profile}
        stored = json.dumps(made.obj_to_primitive(version, manifest))
        read = objects.base.VersionedObject.obj_from_primitive(json.loads(stored))
        os_vif.plug(read, INSTANCE)
        assert [d for d in os_vif.check(read, INSTANCE) if not d.pending] == []
        # libvirt's: before 1.3 of the profile, it alone adds the port.
        own = vif == "VIFOpenVSwitch" and "create_port" not in read.port_profile
        assert br_int.vsctl("list-ports", "br-int") == ("" if own else PORT[vif])
        os_vif.unplug(read, INSTANCE)
        assert br_int.vsctl("list-ports", "br-int") == ""


@pytest.mark.parametrize("cls", ["VIFDirect", "VIFGeneric", "VIFNestedDPDK"])
def test_what_is_not_described_is_refused(br_int, cls):
    """By name, with what is taken."""
    vif = getattr(objects, cls)(
        id="10000000-0000-4000-8000-000000000000", plugin="ovs", address="fa:16:3e:00:00:01",
        port_profile=objects.VIFPortProfileOpenVSwitch(interface_id="p"),
    )  # fmt: skip
    with pytest.raises(exception.PlugException, match=f"vif is a {cls}; expected a VIFOpenVSw"):
        os_vif.plug(vif, INSTANCE)
