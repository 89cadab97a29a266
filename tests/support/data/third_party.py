# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Classes derived from classes of os-vif, as kuryr, zun and vendors derive classes.

No real project uses the names, so that the classes hide no registered class.
"""

from __future__ import annotations

import contextlib
import copy
import json
from types import SimpleNamespace

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import vif
from os_vif.objects.versioning import history
from tests.support.data import released
from tests.support.strategies import load, make

#: The version of the parent class for each version of AcmeOvsProfile.
PARENT_VERSIONS = {"1.0": "1.1", "1.1": "1.2", "1.2": "1.4"}


#: The own fields of each VIF class, with a value.
VIFS = {
    "TestVlanNested": {"vif_name": "eth0", "vlan_id": 7},
    "TestMacvlanNested": {"vif_name": "eth0"},
    "TestSriov": {"physnet": "net0", "pod_name": "pod", "mode": "vepa", "vif_name": "vf0"},
    "TestDpdkNested": {"vif_name": "eth0", "dev_driver": "uio", "pci_address": "0000:03:00.1"},
    "AcmeWithdrawnVif": {"slot": 1, "lane": 2},
}
PROFILES = {
    "AcmeOvsProfile": {"color": "red", "shade": "dark", "create_tap": True},
    "AcmePlainProfile": {"color": "red"},
}


class DictOfVifs(fields.AutoTypedField):
    AUTO_TYPE = fields.Dict(fields.Object(vif.VIFBase.__name__, subclasses=True))


def register():
    """Define and register all classes, as modules of third parties do when imported."""
    registered = ovo.VersionedObjectRegistry.register

    @registered
    class TestVlanNested(vif.VIFBase):
        VERSION = "1.0"
        fields = {"vif_name": fields.StringField(), "vlan_id": fields.IntegerField()}

    @registered
    class TestMacvlanNested(vif.VIFBase):
        # The class has no VERSION of its own.
        fields = {"vif_name": fields.StringField()}

    @registered
    class TestSriov(vif.VIFDirect):
        VERSION = "1.1"
        fields = {"physnet": fields.StringField(), "pod_name": fields.StringField()}

    @registered
    class TestDpdkNested(vif.VIFNestedDPDK):
        VERSION = "1.0"
        fields = {"vif_name": fields.StringField()}

    @registered
    class TestPodState(ovo.VersionedObject, ovo.ComparableVersionedObject):
        VERSION = "1.0"
        OBJ_PROJECT_NAMESPACE = "os_vif"
        OBJ_SERIAL_NAMESPACE = "versioned_object"
        fields = {
            "default_vif": fields.ObjectField(
                vif.VIFBase.__name__, subclasses=True, nullable=False
            ),
            "additional_vifs": DictOfVifs(default={}),
        }

    @registered
    class AcmeWithdrawnVif(vif.VIFBase):
        # The second version of the class, unrelated to VIFBase 1.1 of release 1.8.0.
        VERSION = "1.1"
        fields = {"slot": fields.IntegerField(), "lane": fields.IntegerField()}

        def obj_make_compatible(self, primitive, target_version):
            super().obj_make_compatible(primitive, "1.0")
            if target_version == "1.0":
                primitive.pop("lane", None)

    @registered
    class AcmeAddressedVif(vif.VIFBase):
        # A field with a name from release 1.8.0.
        VERSION = "1.0"
        fields = {"fixed_ips": fields.ObjectField("FixedIPList")}

    @registered
    class AcmeHistoryField(vif.VIFBase):
        VERSION = "1.0"
        fields = {"history": fields.StringField()}

    @registered
    class AcmeHistoryMethod(vif.VIFBase):
        VERSION = "1.0"

        def history(self):
            return "a story"

    @registered
    class AcmeOvsProfile(vif.VIFPortProfileOpenVSwitch):
        VERSION = "1.2"
        fields = {"color": fields.StringField(), "shade": fields.StringField()}

        def obj_make_compatible(self, primitive, target_version):
            super().obj_make_compatible(primitive, PARENT_VERSIONS[target_version])
            if target_version == "1.0":
                primitive.pop("shade", None)

    @registered
    class AcmePlainProfile(vif.VIFPortProfileBase):
        VERSION = "1.7"
        fields = {"color": fields.StringField()}

    @registered
    class AcmeHeirProfile(vif.VIFPortProfileOpenVSwitch):
        # The class inherits obj_make_compatible.
        VERSION = "1.9"
        fields = {"color": fields.StringField()}

    @registered
    class AcmeOffload(vif.DatapathOffloadBase):
        VERSION = "1.3"
        fields = {"queue": fields.IntegerField()}

    return SimpleNamespace(**{n: c for n, c in locals().items() if n.startswith(("Test", "Acme"))})


def object_factory(classes):
    """Return a function that creates an object of a class with all inherited fields set."""

    def new(name, **more):
        values = VIFS | PROFILES | {"AcmeOffload": {"queue": 3}}
        ours = {"VIF": make("VIFBase"), "Profile": make("VIFPortProfileOpenVSwitch")}
        template = ours["VIF" if name in VIFS else "Profile"]
        cls = getattr(classes, name)
        for field in cls.fields.keys() & template.fields.keys() - more.keys():
            more[field] = getattr(template, field)
        return cls(**more | values[name])

    return new


@contextlib.contextmanager
def registered_classes():
    """Register the classes for the duration of a block."""
    classes = register()
    try:
        yield classes
    finally:
        for name in vars(classes):
            del ovo.VersionedObjectRegistry.obj_classes()[name]


def expected_vif(vif, versions, version=None):
    """Return the expected output for a reader: own name and fields, and inherited fields as
    known.
    """
    (base,) = (c for c in type(vif).__mro__ if c.__name__ == "VIFBase")
    ours = {field: getattr(vif, field) for field in base.fields if vif.obj_attr_is_set(field)}
    _, _, data = released.expected(base(**ours), versions)
    for field in vif.fields:
        if field not in base.fields and vif.obj_attr_is_set(field):
            data[field] = getattr(vif, field)
    return vif.obj_name(), version or vif.VERSION, data


def checked_primitive(obj, *args, **kwargs):
    """Return the primitive of an object after two checks: it can be read, and the object is
    unchanged.
    """
    before = copy.deepcopy(obj.obj_to_primitive())
    primitive = obj.obj_to_primitive(*args, **kwargs)
    assert obj.obj_to_primitive() == before
    load(json.loads(json.dumps(primitive)))
    return released.actual(primitive)


def peer(release, **more):
    """Return the complete manifest of a release, and the versions of further classes of the
    peer.
    """
    return history.manifest(release) | more


def written_for_many(classes):
    """Return the primitives of each VIF for several readers; all primitives were read again."""
    primitives = []
    for obj in map(object_factory(classes), VIFS):
        listed = {obj.obj_name(): obj.VERSION}
        old = [peer(release, **listed) for release in ("1.2.1", "1.8.0", "1.14.0")]
        for manifest in (None, {"Network": "1.0"}, *old):
            primitives.append(obj.obj_to_primitive(version_manifest=manifest))
            assert type(load(primitives[-1])) is type(obj)
    return primitives
