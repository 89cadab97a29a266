# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The classes of kuryr-kubernetes in os-vif, with and without the classes of kuryr itself."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception

from os_vif import objects
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.data.processes import run_python
from tests.support.strategies import KURYR, UUID, load, make

#: The classes of kuryr in short: the same names and versions, in separate classes.
THEIRS = """
from oslo_versionedobjects import base as ovo, fields as f
from os_vif.objects import vif
@ovo.VersionedObjectRegistry.register
class VIFVlanNested(vif.VIFBase):
    VERSION = "1.0"
    fields = {"vif_name": f.StringField(), "vlan_id": f.IntegerField()}
@ovo.VersionedObjectRegistry.register
class VIFSriov(vif.VIFDirect):
    VERSION = "1.0"
    fields = {"physnet": f.StringField()}
"""
OURS = "from os_vif import objects; objects.register_all()"
SEEN = """
import json
from os_vif import serialization
from os_vif.objects import kuryr
vif = VIFVlanNested(id="i", vif_name="tap1", vlan_id=7)
document = serialization.dumps(vif)
primitive = json.dumps(vif.obj_to_primitive())
for text in (document, primitive):
    again = serialization.loads(text)
    assert type(again) is VIFVlanNested and again.vlan_id == 7, type(again)
    assert again.obj_clone().vif_name == "tap1"
old = json.dumps(VIFSriov(id="i", physnet="p").obj_to_primitive())
assert serialization.loads(old).physnet == "p"
state = kuryr.PodState(default_vif=vif, additional_vifs={"eth1": VIFSriov(id="i", physnet="q")})
assert serialization.loads(serialization.dumps(state)).vifs["eth1"].physnet == "q"
assert serialization.dumps(vif, release="kuryr-10.0.0")
print("ok")
"""


@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours", "theirs"])
def test_kuryr_s_own_classes_are_used_whoever_comes_first(order):
    """os-vif reads and writes the classes that kuryr registered."""
    assert run_python("\n".join([*order, SEEN])) == "ok\n"


def test_names_that_are_taken_lead_to_the_class_of_who_took_them():
    """Every module returns the same class for a name."""
    code = f"{THEIRS}\nfrom os_vif import objects\nprint(objects.VIFVlanNested is VIFVlanNested)"
    assert run_python(code) == "True\n"


@pytest.mark.parametrize("name", KURYR)
def test_a_kind_of_kuryr_is_read_as_it_was_written(name):
    """A class of kuryr survives JSON and a clone."""
    obj = make(name)
    text = json.dumps(obj.obj_to_primitive())
    assert json.dumps(load(json.loads(text)).obj_to_primitive()) == text
    assert json.dumps(obj.obj_clone().obj_to_primitive()) == text


@pytest.mark.parametrize(
    ("release", "had"),
    [
        ("kuryr-0.1.0", {"VIFVlanNested": "1.0"}),
        ("kuryr-0.4.7", {"VIFVlanNested": "1.0", "VIFMacvlanNested": "1.0"}),
        (
            "kuryr-1.0.1",
            {"VIFVlanNested": "1.0", "VIFMacvlanNested": "1.0", "PodState": "1.0", "VIFSriov": "1.0"},
        ),
        (
            "kuryr-6.0.1",
            {**dict.fromkeys(KURYR, "1.0"), "VIFSriov": "1.1"},
        ),
        ("kuryr-10.0.0", {name: "1.0" for name in KURYR if name != "VIFSriov"}),
        ("6.0.0", {**dict.fromkeys(KURYR, "1.0"), "VIFSriov": "1.1"}),
        ("5.3.0", {}),
    ],
)  # fmt: skip
def test_the_manifest_of_a_peer_has_the_kinds_that_it_had(release, had):
    """The manifest of a kuryr release has the classes of the release."""
    manifest = history.manifest(release)
    assert {name: version for name, version in manifest.items() if name in KURYR} == had


@pytest.mark.parametrize(
    ("release", "beside"),
    [
        ("kuryr-0.1.0", "1.4.0"),
        ("kuryr-0.3.0", "1.7.0"),
        ("kuryr-1.1.2", "1.7.0"),
        ("kuryr-2.0.0", "1.12.0"),
        ("kuryr-10.0.0", "1.12.0"),
    ],
)
def test_a_peer_has_the_oldest_os_vif_that_it_may_run_with(release, beside):
    """A newer os-vif reads everything that the oldest permitted os-vif reads."""
    manifest = history.manifest(release)
    assert {name: v for name, v in manifest.items() if name not in KURYR} == history.manifest(
        beside
    )


def test_this_library_is_a_peer_with_all_that_it_has():
    """The manifest of this library has each class in the current version."""
    assert CURRENT_RELEASE in history.peers()
    assert history.manifest(CURRENT_RELEASE) == {
        name: cls.VERSION for name, cls in history.vocabulary().items()
    }


def test_a_virtual_function_is_written_for_a_kuryr_that_did_not_know_its_pod():
    """VIFSriov 1.0 lacks pod_name and pod_link; kuryr 7.0.0 lacks VIFSriov."""
    vif = make("VIFSriov")
    old = vif.obj_to_primitive(version_manifest=history.manifest("kuryr-1.0.1"))
    assert old["versioned_object.version"] == "1.0"
    assert not {"pod_name", "pod_link"} & old["versioned_object.data"].keys()
    with pytest.raises(exception.UnsupportedObjectError):
        vif.obj_to_primitive(version_manifest=history.manifest("kuryr-7.0.0"))


def test_a_pod_has_its_first_interface_and_the_others():
    """A state without further interfaces has an empty dict of further interfaces."""
    state = objects.PodState(default_vif=objects.VIFBridge(id=UUID))
    assert state.additional_vifs == {}
    assert list(state.vifs) == ["eth0"]
    state.additional_vifs["eth1"] = objects.VIFVlanNested(id=UUID)
    assert list(state.vifs) == ["eth0", "eth1"]


@pytest.mark.parametrize("name", KURYR)
def test_a_partial_manifest_leaves_kuryr_s_kinds_as_they_are(name):
    """Kuryr registers its classes itself, so they do not decide which release of os-vif matches."""
    obj = make(name)
    manifest = ovo.obj_tree_get_versions("VIFBridge")
    primitive = obj.obj_to_primitive(version_manifest=manifest | {name: obj.VERSION})
    assert primitive["versioned_object.name"] == name
    assert primitive["versioned_object.version"] == obj.VERSION


def test_kuryr_s_kinds_are_registered_only_when_they_are_needed():
    """The registry has no class of kuryr before the first read object of such a class."""
    code = f"""
{OURS}
from oslo_versionedobjects import base as ovo
from os_vif.objects.versioning import history
registered = ovo.VersionedObjectRegistry.obj_classes
objects.VIFBridge(id="i").obj_to_primitive(version_manifest=history.manifest("1.14.0"))
ours = [n for n, c in registered().items() if c[0].OBJ_PROJECT_NAMESPACE == "os_vif"]
assert len(ours) == 38, ours
primitive = {{"versioned_object.name": "VIFVlanNested", "versioned_object.version": "1.0",
             "versioned_object.namespace": "os_vif", "versioned_object.data": {{"vlan_id": 7}}}}
print(objects.base.VersionedObject.obj_from_primitive(primitive).vlan_id)
"""
    assert run_python(code) == "7\n"
