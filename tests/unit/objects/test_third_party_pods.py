# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects of consumers that contain VIFs, and classes registered before os-vif's classes."""

from __future__ import annotations

import json

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception

from os_vif import objects
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.data.processes import run_python
from tests.support.data.third_party import checked_primitive, expected_vif, peer, written_for_many
from tests.support.strategies import UUID, load, make

#: Releases that keep addresses where everybody keeps them.
RELEASES = [release for release in released.NEWEST if release != "1.8.0"]


@pytest.fixture
def state(classes, new):
    """Return the state of a pod with three VIFs."""
    return classes.TestPodState(
        default_vif=make("VIFOpenVSwitch"),
        additional_vifs={"eth1": new("TestSriov"), "eth2": make("VIFVHostUser")},
    )


def test_pod_state_round_trips(state):
    """An object with VIFs in a field and in a dict survives writing and reading."""
    again = load(json.loads(json.dumps(state.obj_to_primitive())))
    assert again == state == state.obj_clone()
    assert type(again) is type(state)
    assert again.default_vif.obj_name() == "VIFOpenVSwitch"
    assert {key: vif.obj_name() for key, vif in again.additional_vifs.items()} == {
        "eth1": "TestSriov",
        "eth2": "VIFVHostUser",
    }


@pytest.mark.parametrize("name", ["VIFBridge", "VIFOpenVSwitch", "VIFDirect", "VIFHostDevice"])
@pytest.mark.parametrize("release", RELEASES)
def test_pod_state_for_a_complete_manifest(name, release, state):
    """oslo passes the manifest to the VIF, which follows the manifest at every depth."""
    state.default_vif = make(name)
    manifest = peer(release, TestPodState="1.0")
    data = checked_primitive(state, version_manifest=manifest)[2]
    assert data["default_vif"] == released.expected(state.default_vif, manifest)
    assert data["additional_vifs"].keys() == {"eth1", "eth2"}


@pytest.mark.parametrize("name", ["TestVlanNested", "TestMacvlanNested", "TestDpdkNested"])
@pytest.mark.parametrize("release", RELEASES)
def test_pod_state_with_a_vif_of_its_own(name, release, state, new):
    """VIF classes of the consumer follow the manifest."""
    state.default_vif = new(name)
    manifest = peer(release, TestPodState="1.0", **{name: "1.0"})
    expected = expected_vif(state.default_vif, peer(release))
    assert checked_primitive(state, version_manifest=manifest)[2]["default_vif"] == expected


@pytest.mark.parametrize("release", RELEASES)
def test_pod_state_for_a_partial_manifest(release, state):
    """The manifest is the result of oslo for the object of the consumer."""
    manifest = released.partial("VIFBase", release)
    data = checked_primitive(state, version_manifest=manifest | {"TestPodState": "1.0"})[2]
    expected = released.expected(state.default_vif, released.agreed_versions(manifest))
    assert data["default_vif"] == expected


def test_pod_state_for_todays_partial_manifest(state):
    """The manifest is the result of oslo in this process."""
    manifest = ovo.obj_tree_get_versions("TestPodState")
    assert {"TestPodState", "VIFBase", "Network", "VIFPortProfileBase"} <= set(manifest)
    ours = {n: v for n, v in manifest.items() if n != "TestPodState"}
    data = checked_primitive(state, version_manifest=manifest)[2]
    assert data["default_vif"] == released.expected(
        state.default_vif, released.agreed_versions(ours)
    )


def test_pod_state_cannot_be_written_for_1_8_0(state):
    """oslo passes the version of VIFBase to the VIF; in 1.8.0 no subclass has this version."""
    with pytest.raises(exception.InvalidTargetVersion):
        state.obj_to_primitive(version_manifest=peer("1.8.0", TestPodState="1.0"))


BEFORE_US = """
import json
from oslo_versionedobjects.base import VersionedObjectRegistry
from tests.support.data import third_party
classes = third_party.register()
assert "Network" not in VersionedObjectRegistry.obj_classes()
from os_vif import objects
objects.register_all()
print(json.dumps(third_party.written_for_many(classes)))
"""


def test_classes_may_be_registered_before_ours(classes):
    """A process with another order of registration writes and reads the same data."""
    assert json.loads(run_python(BEFORE_US)) == written_for_many(classes)


def test_classes_of_others_are_no_part_of_a_release(classes):
    """The vocabulary and the manifests have no class of a third party."""
    assert not vars(classes).keys() & history.vocabulary().keys()
    assert all(not vars(classes).keys() & history.manifest(r).keys() for r in RELEASES)
    assert classes.TestVlanNested(id=UUID).fields.keys() > objects.VIFBase.fields.keys()
