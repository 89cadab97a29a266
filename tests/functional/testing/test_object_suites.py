# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The suites for objects of embedders: classes of their own, and classes with a fault."""

from __future__ import annotations

import subprocess
import sys

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif import objects, serialization
from os_vif.testing import Verdict, back_level, round_trip

ID = "0a0b0c0d-1111-4222-8333-444455556666"


class LossyString(fields.String):
    """A field with a text that is cut on the way to a document."""

    @staticmethod
    def to_primitive(obj, attr, value):
        return value[:3]


class DictOfVifsField(fields.AutoTypedField):
    """A dictionary of VIFs, as kuryr-kubernetes and zun have."""

    AUTO_TYPE = fields.Dict(fields.Object("VIFBase", subclasses=True))


@pytest.fixture
def registered(monkeypatch):
    """Register classes for the duration of a test only."""
    registry = ovo.VersionedObjectRegistry()
    before = {name: list(classes) for name, classes in registry._registry._obj_classes.items()}
    yield ovo.VersionedObjectRegistry.register
    registry._registry._obj_classes.clear()
    registry._registry._obj_classes.update(before)


@pytest.fixture
def nested(registered):
    """Return a VIF class as kuryr and zun define them, with a version of its own."""

    @registered
    class VIFNestedOfTest(objects.VIFBase):
        VERSION = "1.1"
        fields = {"vlan_id": fields.IntegerField(nullable=True), "mtu": fields.IntegerField()}

        def obj_make_compatible(self, primitive, target_version):
            super().obj_make_compatible(primitive, target_version)
            if target_version == "1.0":
                primitive.pop("mtu", None)

    return VIFNestedOfTest


def test_objects_of_every_class_of_os_vif_pass():
    vifs = [objects.VIFBridge, objects.VIFOpenVSwitch, objects.VIFVHostUser, objects.VIFDirect]
    network = objects.Network(bridge="br-int", mtu=1450)
    subjects = [cls(id=ID, plugin="ovs", network=network) for cls in vifs]
    round_trip(subjects).raise_for_failures()
    back_level(subjects).raise_for_failures()


def test_a_class_of_an_embedder_passes_without_a_registration_at_os_vif(nested):
    subject = nested(id=ID, plugin="noop", vlan_id=7, mtu=1400)
    report = round_trip([subject, nested], forms=["ovo"])
    assert report.passed, str(report)
    report = back_level([subject], releases=[])
    assert [(result.check, result.verdict) for result in report.results] == [
        ("version 1.0", Verdict.PASSED)
    ]


def test_a_class_of_an_embedder_with_vifs_is_written_in_versions_of_each_release(registered):
    """oslo.versionedobjects would write the version of the declared class, and no dictionary."""

    @registered
    class StateOfTest(objects.base.VersionedObject):
        VERSION = "1.0"
        fields = {
            "default_vif": fields.ObjectField("VIFBase", subclasses=True),
            "others": DictOfVifsField(),
        }

    profile = objects.VIFPortProfileOpenVSwitch(interface_id=ID, create_port=True)
    port = objects.VIFOpenVSwitch(id=ID, plugin="ovs", port_profile=profile)
    vhost = objects.VIFVHostUser(id=ID, plugin="noop", vif_name="vhu0", path="/run/vhu0")
    state = StateOfTest(default_vif=vhost, others={"eth1": port})
    back_level([state]).raise_for_failures()
    primitive, losses = serialization.downgrade(state, "1.14.0")
    data = primitive["versioned_object.data"]
    assert data["default_vif"] == serialization.downgrade(vhost, "1.14.0")[0]
    assert data["others"] == {"eth1": serialization.downgrade(port, "1.14.0")[0]}
    assert [loss.path for loss in losses] == ["others.eth1.port_profile.create_port"]


def test_an_object_in_a_version_that_the_release_lacks_is_named(monkeypatch):
    monkeypatch.setattr(
        serialization, "downgrade", lambda obj, release: (obj.obj_to_primitive(), [])
    )
    profile = objects.VIFPortProfileOpenVSwitch(interface_id=ID)
    subject = objects.VIFOpenVSwitch(id=ID, plugin="ovs", port_profile=profile)
    report = back_level([subject], releases=["1.14.0", "5.3.0"])
    (failure,) = report.failures
    assert (failure.check, failure.reason) == (
        "1.14.0",
        "port_profile is written as VIFPortProfileOpenVSwitch 1.4; expected version 1.2 at most",
    )


def test_protobuf_is_skipped_where_it_is_not_installed():
    code = """
import sys
sys.modules["google.protobuf"] = None
from os_vif import objects
from os_vif.testing import round_trip
report = round_trip([objects.VIFBridge(id="0a0b0c0d-1111-4222-8333-444455556666", plugin="ovs")])
print([(result.check, result.reason) for result in report.skipped], report.passed)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    reason = "protobuf is not installed: install 'os-vif[protobuf]>=6.0'"
    assert done.stdout == f"{[('protobuf', reason)]} True\n"


def test_an_object_with_names_of_another_library_is_skipped_with_the_reason(registered):
    @registered
    class ElsewhereOfTest(ovo.VersionedObject):
        OBJ_SERIAL_NAMESPACE = "elsewhere"
        fields = {"name": fields.StringField()}

    report = round_trip([ElsewhereOfTest(name="x")])
    assert {result.check for result in report.skipped} == {*serialization.FORMS}
    assert "ElsewhereOfTest with the OBJ_SERIAL_NAMESPACE 'elsewhere'" in report.skipped[0].reason
    assert "expected a class with 'versioned_object'" in report.skipped[0].reason


def test_the_report_lists_the_checks_of_a_reason_once(registered):
    @registered
    class PodState(ovo.VersionedObject):
        OBJ_PROJECT_NAMESPACE = "os_vif"
        fields = {"default_vif": fields.ObjectField("VIFBase", subclasses=True)}

    releases = tuple(serialization.releases())
    lines = str(back_level([PodState()])).splitlines()
    assert [line for line in lines if line.startswith("skipped")] == [
        f"skipped PodState, {releases[0]} to {releases[-1]} ({len(releases)} checks):"
    ]
    assert lines[-1] == "    the release has no class PodState"


def test_a_value_that_changes_on_the_way_is_named(registered):
    @registered
    class VIFLossyOfTest(objects.VIFBase):
        VERSION = "1.0"
        fields = {"zone": fields.Field(LossyString(), nullable=True)}

    report = round_trip([VIFLossyOfTest(id=ID, zone="zone-1")], forms=[])
    (failure,) = report.failures
    assert failure.check == "primitive"
    assert failure.reason == "zone: 'zone-1' became 'zon'"


def test_a_version_that_invents_a_value_is_named(registered):
    @registered
    class VIFInventsOfTest(objects.VIFBase):
        VERSION = "1.1"
        fields = {"mtu": fields.IntegerField()}

        def obj_make_compatible(self, primitive, target_version):
            primitive["mtu"] = 9000

    report = back_level([VIFInventsOfTest(id=ID, mtu=1400)], releases=[])
    (failure,) = report.failures
    assert failure.check == "version 1.0"
    assert failure.reason == "mtu: 1400 became 9000"


def test_a_silent_loss_is_named(monkeypatch):
    real = serialization.downgrade
    monkeypatch.setattr(
        serialization, "downgrade", lambda obj, release: (real(obj, release)[0], [])
    )
    profile = objects.VIFPortProfileOpenVSwitch(interface_id=ID, create_port=True)
    subject = objects.VIFOpenVSwitch(id=ID, plugin="ovs", port_profile=profile)
    (failure,) = back_level([subject], releases=["1.14.0", "5.3.0"]).failures
    assert failure.check == "1.14.0"
    assert failure.reason == (
        "port_profile.create_port is lost without a loss in the report of downgrade()"
    )
