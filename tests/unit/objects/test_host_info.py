# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Information about a host: the plugins, and the versions common with a peer."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif import exception, objects
from os_vif.objects import host_info
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import CLASSES, PROFILES, VIFS, load

SETTLED = [row for row in released.VERSIONS if row not in [("VIFBase", "1.1"), ("Subnet", "1.1")]]


def vif_info(name, low="1.0", high="1.0", **more):
    return objects.HostVIFInfo(vif_object_name=name, min_version=low, max_version=high, **more)


def profile_info(name, low="1.0", high="1.0"):
    return objects.HostPortProfileInfo(profile_object_name=name, min_version=low, max_version=high)


def plugin_info(name, *vifs):
    return objects.HostPluginInfo(
        plugin_name=name, vif_info=[vif_info(vif, supported_port_profiles=[]) for vif in vifs]
    )


def host(**plugins):
    return objects.HostInfo(plugin_info=[plugin_info(n, *vifs) for n, vifs in plugins.items()])


def names(info):
    """Return the names of the VIF classes of each plugin of a host."""
    return {p.plugin_name: [v.vif_object_name for v in p.vif_info] for p in info.plugin_info}


@pytest.mark.parametrize("make_info", [vif_info, profile_info])
@pytest.mark.parametrize("name", CLASSES)
def test_common_version_with_a_host_of_today(name, make_info):
    """For a host that reads all versions, the common version is the current version."""
    current = getattr(objects, name).VERSION
    assert make_info(name, "1.0", current).get_common_version() == current


@pytest.mark.parametrize("make_info", [vif_info, profile_info])
@pytest.mark.parametrize(("name", "version"), SETTLED)
def test_common_version_with_an_older_host(name, version, make_info):
    """For an older host, the common version is the newest version of the host."""
    assert make_info(name, "1.0", version).get_common_version() == version


@pytest.mark.parametrize("make_info", [vif_info, profile_info])
@pytest.mark.parametrize("name", CLASSES)
def test_common_version_with_a_newer_host(name, make_info):
    """For a newer host, the common version is the version of this library."""
    current = getattr(objects, name).VERSION
    assert make_info(name, "1.0", "1.10").get_common_version() == current
    assert make_info(name, current, "2.0").get_common_version() == current


@pytest.mark.parametrize("name", ["VIFBase", "Subnet"])
def test_common_version_is_never_withdrawn(name):
    """The two withdrawn versions of 1.8.0 are never the common version."""
    assert vif_info(name, "1.0", "1.1").get_common_version() == "1.0"
    with pytest.raises(exception.NoSupportedVIFVersion):
        vif_info(name, "1.1", "1.1").get_common_version()


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (vif_info("VIFVHostUser", "1.2", "1.9"), exception.NoSupportedVIFVersion),
        (vif_info("VIFVHostUser", "0.1", "0.9"), exception.NoSupportedVIFVersion),
        (vif_info("VIFVHostUser", "1.1", "1.0"), exception.NoSupportedVIFVersion),
        (
            profile_info("VIFPortProfileOpenVSwitch", "1.5", "1.9"),
            exception.NoSupportedPortProfileVersion,
        ),
        (
            profile_info("VIFPortProfileBase", "0.1", "0.9"),
            exception.NoSupportedPortProfileVersion,
        ),
    ],
)
def test_no_common_version_says_what_there_is(info, error):
    """The error names the class, both limits, and the versions of this library."""
    with pytest.raises(error) as caught:
        info.get_common_version()
    text = str(caught.value)
    name = info.vif_object_name if "vif_object_name" in info.fields else info.profile_object_name
    for word in (name, info.min_version, info.max_version, getattr(objects, name).VERSION):
        assert word in text
    assert issubclass(error, exception.ExceptionBase)


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (vif_info("VIFQuantum"), exception.NoMatchingVIFClass),
        (profile_info("VIFPortProfileQuantum"), exception.NoMatchingPortProfileClass),
    ],
)
def test_common_version_of_an_unknown_class_names_it(info, error):
    """The error for a class that is not registered names the class."""
    with pytest.raises(error, match="Quantum"):
        info.get_common_version()


def test_plugin_is_asked_for_its_vifs():
    """``has_vif`` and ``get_vif`` take the name of the class."""
    plugin = plugin_info("ovs", "VIFBridge", "VIFOpenVSwitch")
    assert plugin.has_vif("VIFBridge")
    assert not plugin.has_vif("VIFDirect")
    assert plugin.get_vif("VIFOpenVSwitch") is plugin.vif_info[1]


def test_unknown_vif_of_a_plugin_is_named():
    """The message has the name, not a template."""
    with pytest.raises(exception.NoMatchingVIFClass, match="VIFDirect") as caught:
        plugin_info("ovs", "VIFBridge").get_vif("VIFDirect")
    assert "%" not in str(caught.value)


def test_host_is_asked_for_its_plugins():
    """``has_plugin`` and ``get_plugin`` take the name of the plugin."""
    info = host(noop=["VIFVHostUser"], ovs=["VIFBridge"])
    assert info.has_plugin("ovs")
    assert not info.has_plugin("vrouter")
    assert info.get_plugin("noop") is info.plugin_info[0]


def test_unknown_plugin_of_a_host_is_named():
    """The message has the name, not a template."""
    with pytest.raises(exception.NoMatchingPlugin, match="vrouter") as caught:
        host(ovs=["VIFBridge"]).get_plugin("vrouter")
    assert "%" not in str(caught.value)


@pytest.mark.parametrize(
    ("permitted", "left"),
    [
        (["VIFBridge"], {"ovs": ["VIFBridge"]}),
        (["VIFVHostUser"], {"noop": ["VIFVHostUser"], "ovs": ["VIFVHostUser"]}),
        (["VIFBridge", "VIFBridge", "VIFQuantum"], {"ovs": ["VIFBridge"]}),
        (iter(["VIFVHostUser"]), {"noop": ["VIFVHostUser"], "ovs": ["VIFVHostUser"]}),
        (["VIFQuantum"], {}),
        ([], {}),
    ],
)
def test_filter_keeps_permitted_vifs_and_plugins_that_have_any(permitted, left):
    """The filter removes plugins without a VIF class, and changes the host in place."""
    info = host(noop=["VIFVHostUser"], ovs=["VIFBridge", "VIFVHostUser"], empty=[])
    assert info.filter_vif_types(permitted) is None
    assert names(info) == left


def test_plugin_is_filtered_in_place():
    """The filter of a plugin may leave no VIF class."""
    plugin = plugin_info("ovs", "VIFBridge", "VIFVHostUser")
    plugin.filter_vif_types(["VIFBridge"])
    assert [vif.vif_object_name for vif in plugin.vif_info] == ["VIFBridge"]
    plugin.filter_vif_types([])
    assert plugin.vif_info == []


DESCRIBED = {getattr(objects, v): [getattr(objects, p) for p in PROFILES] for v in VIFS}


def test_description_states_the_versions_that_the_classes_have():
    """The description has the first and the current version of each VIF class and profile class."""
    info = host_info.describe("ovs", DESCRIBED)
    assert info.plugin_name == "ovs"
    assert [vif.vif_object_name for vif in info.vif_info] == list(VIFS)
    for vif in info.vif_info:
        assert vif.min_version == "1.0"
        assert vif.max_version == released.MANIFESTS["5.3.0"][vif.vif_object_name]
        profiles = vif.supported_port_profiles
        assert {p.profile_object_name: (p.min_version, p.max_version) for p in profiles} == {
            name: ("1.0", released.MANIFESTS["5.3.0"][name]) for name in PROFILES
        }


def test_description_agrees_with_itself():
    """Each described class has a common version with this library: the newest version."""
    for vif in host_info.describe("ovs", DESCRIBED).vif_info:
        assert vif.get_common_version() == vif.max_version
        for profile in vif.supported_port_profiles:
            assert profile.get_common_version() == profile.max_version


def test_description_without_profiles_or_vifs():
    """A VIF may go without a profile, and a plugin without a VIF."""
    (vif,) = host_info.describe("noop", {objects.VIFVHostUser: ()}).vif_info
    assert vif.supported_port_profiles == []
    assert host_info.describe("empty", {}).vif_info == []


def test_description_goes_to_every_release():
    """A release whose HostVIFInfo has no port profiles gets the VIF classes only."""
    info = objects.HostInfo(plugin_info=[host_info.describe("ovs", DESCRIBED)])
    for release in released.NEWEST:
        manifest = released.MANIFESTS[release]
        primitive = info.obj_to_primitive(version_manifest=history.manifest(release))
        assert released.actual(primitive) == released.expected(info, manifest)
        again = load(json.loads(json.dumps(primitive)))
        assert names(again) == names(info)


@pytest.fixture
def vendor_class():
    """Return the VIF class of a vendor, with versions of the vendor."""

    @ovo.VersionedObjectRegistry.register
    class AcmeHostVif(objects.VIFBase):
        VERSION = "1.4"
        fields = {"slot": fields.IntegerField()}

    yield AcmeHostVif
    del ovo.VersionedObjectRegistry.obj_classes()["AcmeHostVif"]


def test_class_of_a_vendor_is_described_in_its_own_version(vendor_class):
    """A class without a declared history has only the current version."""
    (vif,) = host_info.describe("acme", {vendor_class: []}).vif_info
    assert (vif.vif_object_name, vif.min_version, vif.max_version) == ("AcmeHostVif", "1.4", "1.4")
    assert vif.get_common_version() == "1.4"
    with pytest.raises(exception.NoSupportedVIFVersion):
        vif_info("AcmeHostVif", "1.0", "1.3").get_common_version()


def test_old_plugins_may_describe_stale_versions():
    """Out-of-tree plugins describe at most version 1.0, so the common version is 1.0."""
    info = vif_info(
        "VIFVHostUser", supported_port_profiles=[profile_info("VIFPortProfileOVSRepresentor")]
    )
    assert info.get_common_version() == "1.0"
    assert info.supported_port_profiles[0].get_common_version() == "1.0"
