# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The suites for objects of embedders: classes of their own, and classes with a fault."""

from __future__ import annotations

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
