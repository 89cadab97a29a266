# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The classes of 5.3.0: names, fields, versions and modules."""

from __future__ import annotations

import collections
import hashlib
import importlib

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import objects
from os_vif.objects import fields
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.data import released
from tests.support.data.processes import run_python
from tests.support.generated.vocabulary import PARENTS
from tests.support.strategies import ADDED, ALL, CLASSES

objects.register_all()

#: The fields of release 5.3.0. A new field, or a new type of a field, needs a new version.
FINGERPRINTS = {
    "DatapathOffloadBase": "1.0-77509ea1ea0dd750d5864b9bd87d3f9d",
    "DatapathOffloadRepresentor": "1.0-802a5dff22f73046df3742c815c51421",
    "FixedIP": "1.0-d1a0ec7e7b6ce021a784c54d44cce009",
    "FixedIPList": "1.0-15ecf022a68ddbb8c2a6739cfc9f8f5e",
    "HostInfo": "1.0-4dba5ce236ea2dc559de8764995dd247",
    "HostPluginInfo": "1.0-5204e579864981c9891ecb5d1c9329f2",
    "HostPortProfileInfo": "1.0-e0bc9228c1456b220830d67b05bc4bf2",
    "HostVIFInfo": "1.1-00fdbeba3f9bb3bd2a723c17023ba182",
    "InstanceInfo": "1.0-84104d3435046b1a282ac8265ec2a976",
    "Network": "1.1-27a8a3e236d1d239121668a590130154",
    "Route": "1.0-5ca049cb82c4d4ec5edb1b839c1429c7",
    "RouteList": "1.0-15ecf022a68ddbb8c2a6739cfc9f8f5e",
    "Subnet": "1.0-6a8c192ef7492120d1a5e0fd08e44272",
    "SubnetList": "1.0-15ecf022a68ddbb8c2a6739cfc9f8f5e",
    "VIFBase": "1.0-4a5a8881dc999752cb050dd443458b6a",
    "VIFBridge": "1.0-e78d355f3505361fafbf0797ffad484a",
    "VIFDirect": "1.0-05c939280f4025fd1f7efb921a835c57",
    "VIFGeneric": "1.0-c72e637ed620f0135ea50a9409a3f389",
    "VIFHostDevice": "1.0-bb090f1869c3b4df36efda216ab97a61",
    "VIFNestedDPDK": "1.0-fdbaf6b20afd116529929b21aa7158dc",
    "VIFOpenVSwitch": "1.0-e78d355f3505361fafbf0797ffad484a",
    "VIFPortProfile8021Qbg": "1.1-b3011621809dca9216b50579ce9d6b19",
    "VIFPortProfile8021Qbh": "1.1-226b61b2e76ba452f7b31530cff80ac9",
    "VIFPortProfileBase": "1.1-4982d1621df12ebd1f3b07948f3d0e5f",
    "VIFPortProfileFPBridge": "1.1-49f1952bf50bab7a95112c908534751f",
    "VIFPortProfileFPOpenVSwitch": "1.4-20904c1dcdac0641cabf7b02525973bd",
    "VIFPortProfileFPTap": "1.1-fd178229477604dfb65de5ce929488e5",
    "VIFPortProfileK8sDPDK": "1.1-e2a2abd112b14e0239e76b99d9b252ae",
    "VIFPortProfileOVSRepresentor": "1.4-82b7292ee4cd6f808b724d2f5648932b",
    "VIFPortProfileOpenVSwitch": "1.4-54fb321f2b70c37d392fadc226c889e7",
    "VIFVHostUser": "1.1-1f95b43be1f884f090ca1f4d79adfd35",
}

MODULES = {
    "fixed_ip": ("FixedIP", "FixedIPList"),
    "host_info": ("HostInfo", "HostPluginInfo", "HostPortProfileInfo", "HostVIFInfo"),
    "instance_info": ("InstanceInfo",),
    "network": ("Network",),
    "route": ("Route", "RouteList"),
    "subnet": ("Subnet", "SubnetList"),
    "vif": tuple(name for name in FINGERPRINTS if name.startswith(("VIF", "Datapath"))),
}


#: The names of field types in released.json.
TYPES = {
    ovo_fields.BooleanField: "Boolean",
    ovo_fields.IPAddressField: "IPAddress",
    ovo_fields.IPNetworkField: "IPNetwork",
    ovo_fields.IntegerField: "Integer",
    ovo_fields.MACAddressField: "MACAddress",
    ovo_fields.PCIAddressField: "PCIAddress",
    ovo_fields.StringField: "String",
    ovo_fields.UUIDField: "UUID",
    fields.ListOfIPAddressField: "List<IPAddress>",
}


def fingerprint(cls):
    """Return the fingerprint that oslo's ``ObjectVersionChecker`` computes for a class."""
    data = (sorted(cls.fields.items()), [])
    if hasattr(cls, "child_versions"):
        data += (collections.OrderedDict(cls.child_versions),)
    digest = hashlib.md5(repr(data).encode(), usedforsecurity=False).hexdigest()
    return f"{cls.VERSION}-{digest}"


def described(field):
    """Return a field in the notation of released.json."""
    if isinstance(field, ovo_fields.ListOfObjectsField):
        text = f"List<Object({field.objname})>"
    elif isinstance(field, ovo_fields.ObjectField):
        text = f"Object({field.objname}{',subclasses' if field._type._subclasses else ''})"
    elif isinstance(field, ovo_fields.BaseEnumField):
        text = f"{type(field._type).__name__}{field.valid_values}"
    else:
        text = TYPES[type(field)]
    if field.nullable:
        text += " nullable"
    if field.default is not ovo_fields.UnspecifiedDefault:
        text += f" default={field.default}"
    return text


def history_fields(cls):
    """Return the fields that the histories of a class and of the parents add."""
    return {
        field
        for ancestor in cls.__mro__
        for version in vars(ancestor).get("history", ())
        if not version.until
        for field in version.adds
    }


def test_vocabulary_is_that_of_5_3_0():
    """The vocabulary has exactly the classes of 5.3.0, of the present version, and of kuryr."""
    assert sorted(FINGERPRINTS) == sorted(released.MANIFESTS["5.3.0"]) == sorted(CLASSES)
    assert sorted(history.vocabulary()) == sorted(ALL)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_class_has_the_fingerprint_of_5_3_0(name):
    """Version, names, types, nullability and defaults of all fields are those of 5.3.0."""
    assert fingerprint(getattr(objects, name)) == FINGERPRINTS[name]


def test_oslo_computes_the_fingerprints_of_5_3_0():
    """The checker of oslo, which other projects run, computes the same fingerprints."""
    fixture = pytest.importorskip(
        "oslo_versionedobjects.fixture", reason="it needs the package fixtures"
    )
    registry = ovo.VersionedObjectRegistry.obj_classes()
    checker = fixture.ObjectVersionChecker({name: registry[name] for name in FINGERPRINTS})
    assert checker.test_hashes(FINGERPRINTS) == ({}, {})


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_field_without_a_version_changes_the_fingerprint(name):
    """An added field without a new version changes the fingerprint."""
    cls = getattr(objects, name)
    same = type(name, (cls,), {"fields": dict(cls.fields)})
    more = type(name, (cls,), {"fields": cls.fields | {"more": ovo_fields.StringField()}})
    assert fingerprint(same) == FINGERPRINTS[name]
    assert fingerprint(more) != FINGERPRINTS[name]
    assert more.VERSION == cls.VERSION


def test_default_and_nullability_change_the_fingerprint():
    """A nullable field or another default changes the fingerprint."""
    cls = objects.VIFPortProfileOpenVSwitch
    name = cls.__name__
    for field in (
        ovo_fields.BooleanField(default=True),
        ovo_fields.BooleanField(default=False, nullable=True),
    ):
        other = type(name, (cls,), {"fields": cls.fields | {"create_port": field}})
        assert fingerprint(other) != FINGERPRINTS[name]


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fields_are_those_of_5_3_0(name):
    """Each field has the type, nullability, default and choices that it has in 5.3.0."""
    cls = getattr(objects, name)
    assert {field: described(cls.fields[field]) for field in cls.fields} == released.fields_of(
        name, "5.3.0"
    )


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_version_is_that_of_5_3_0(name):
    """Every class has the version of 5.3.0, since 5.3.0 refuses newer versions."""
    assert released.MANIFESTS["5.3.0"][name] == getattr(objects, name).VERSION


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in MODULES for name in MODULES[module]]
)
def test_class_is_found_in_its_module_and_in_the_package(module, name):
    """``objects.vif.VIFBridge`` and ``objects.VIFBridge`` are one class."""
    cls = getattr(importlib.import_module(f"os_vif.objects.{module}"), name)
    assert getattr(objects, name) is cls
    assert getattr(getattr(objects, module), name) is cls
    assert cls.obj_name() == name


def test_modules_hold_all_classes():
    """The seven modules of 5.3.0 hold the whole vocabulary."""
    assert sorted(name for names in MODULES.values() for name in names) == sorted(FINGERPRINTS)


@pytest.mark.parametrize("module", [*MODULES, "base", "fields"])
def test_modules_are_attributes_of_the_package_without_registering(module):
    """``os_vif.objects.vif`` works in a process that never called ``register_all``."""
    script = f"from os_vif import objects; print(objects.{module}.__name__)"
    assert run_python(script).strip() == f"os_vif.objects.{module}"


def test_unknown_attribute_of_the_package_is_named():
    """The AttributeError names the unknown class."""
    with pytest.raises(AttributeError, match="VIFBrigde"):
        _ = objects.VIFBrigde


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_class_derives_from_the_class_it_derives_from_in_5_3_0(name):
    """Plugins and nova use ``isinstance``."""
    cls = getattr(objects, name)
    parent = objects.base.VersionedObject
    if name in PARENTS:
        parent = getattr(objects, PARENTS[name])
    assert next(c for c in cls.__mro__[1:] if issubclass(c, ovo.VersionedObject)) is parent


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_class_is_in_the_shared_registry_of_oslo(name):
    """The registry of nova, neutron and kuryr has the class once, in the namespace os_vif."""
    assert ovo.VersionedObjectRegistry.obj_classes()[name] == [getattr(objects, name)]
    assert getattr(objects, name).OBJ_PROJECT_NAMESPACE == "os_vif"
    assert getattr(objects, name).OBJ_SERIAL_NAMESPACE == "versioned_object"


def test_registering_again_changes_nothing():
    """Any caller may call ``register_all``."""
    before = {n: list(c) for n, c in ovo.VersionedObjectRegistry.obj_classes().items()}
    objects.register_all()
    objects.register_all()
    assert {n: list(c) for n, c in ovo.VersionedObjectRegistry.obj_classes().items()} == before


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_version_is_the_last_of_the_history_that_is_not_withdrawn(name):
    """``VERSION`` is the last version of the history that is not withdrawn."""
    cls = getattr(objects, name)
    assert [v for v in vars(cls)["history"] if not v.until][-1].number == cls.VERSION


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_history_adds_up_to_the_fields(name):
    """The histories of a class and of the parents add exactly the fields of the class."""
    cls = getattr(objects, name)
    assert history_fields(cls) == set(cls.fields)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_history_states_every_version_that_was_released(name):
    """The history has each released version, oldest first, and withdrawn versions."""
    numbers = [version.number for version in vars(getattr(objects, name))["history"]]
    assert sorted(numbers) == [v for n, v in released.VERSIONS if n == name]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_each_release_has_the_fields_of_the_history(name):
    """The history gives the fields of the class in every release."""
    cls = getattr(objects, name)
    for release in released.RELEASES:
        if name in released.MANIFESTS[release]:
            fields = cls.fields.keys() - history.absent_fields(cls, release)
            assert fields == released.fields_of(name, release).keys() - {"fixed_ips"}, release


@pytest.mark.parametrize("name", ADDED)
def test_a_class_of_ours_states_its_history(name):
    """A class that no public release has declares a history too."""
    cls = getattr(objects, name)
    assert history_fields(cls) == set(cls.fields)
    assert vars(cls)["history"][-1].number == cls.VERSION
    assert history.newest_release_with(cls, cls.VERSION) == CURRENT_RELEASE
    module = objects.host_offer if "Offer" in name else objects.vif
    assert getattr(module, name) is cls


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("vlan", 4095, "vlan is 4095; expected a whole number of 0 to 4094"),
        ("vlan", -1, "vlan is -1; expected"),
        ("vlan", "7", "vlan is '7'; expected"),
        ("vlan", True, "vlan is True; expected"),
        ("vlan_qos", 8, "vlan_qos is 8; expected a whole number of 0 to 7"),
        ("vlan_proto", "802.1q", "802.1q"),
        ("trusted", "no", "trusted is 'no'; expected True or False"),
        ("spoof_check", 0, "spoof_check is 0; expected True or False"),
        ("max_tx_rate", 2**32, "max_tx_rate is 4294967296; expected"),
        ("link_state", "up", "up is invalid"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(field, value, expected):
    """The constructor and an assignment refuse the value."""
    with pytest.raises(ValueError, match=expected):
        objects.VIFPortProfileSRIOV(**{field: value})
    profile = objects.VIFPortProfileSRIOV()
    with pytest.raises(ValueError, match=expected):
        setattr(profile, field, value)
    assert field not in profile


@pytest.mark.parametrize(("name", "version"), [("VIFBase", "1.1"), ("Subnet", "1.1")])
def test_withdrawn_number_is_not_the_current_number(name, version):
    """The two withdrawn versions of 1.8.0 are not the version of a class."""
    cls = getattr(objects, name)
    assert history.withdrawn_version(cls, version).since == "1.8.0"
    assert version != cls.VERSION
    assert history.withdrawn_version(cls, cls.VERSION) is None


@pytest.mark.parametrize(
    ("enum", "values"),
    [
        (fields.VIFDirectMode, {"VEPA": "vepa", "PASSTHROUGH": "passthrough", "BRIDGE": "bridge"}),
        (fields.VIFVHostUserMode, {"CLIENT": "client", "SERVER": "server"}),
        (fields.VIFHostDeviceDevType, {"ETHERNET": "ethernet", "GENERIC": "generic"}),
    ],
)
def test_enumerations_are_plain_strings(enum, values):
    """Consumers compare values such as ``VIFVHostUserMode.SERVER`` with strings."""
    assert {name: getattr(enum, name) for name in values} == values
    assert tuple(values.values()) == enum.ALL
    assert getattr(fields, f"{enum.__name__}Field")().valid_values == enum.ALL


@pytest.mark.parametrize(
    "field", [fields.PCIAddressField, fields.ListOfIPAddressField, fields.VIFDirectModeField]
)
def test_fields_of_os_vif_serve_in_other_classes(field):
    """Out-of-tree objects declare fields of these types."""
    assert isinstance(field(nullable=True), ovo_fields.Field)
    assert field(nullable=True).coerce(None, "field", None) is None
