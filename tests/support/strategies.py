# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixed and random objects of every class of the vocabulary."""

from __future__ import annotations

import copy
import ipaddress

from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import objects
from os_vif.objects import fields

UUID = "11111111-1111-4111-8111-111111111111"

#: The classes of os-vif that no public release has.
ADDED = (
    "DatapathOffloadVDPA",
    "GuestOffer",
    "HostOffer",
    "OfferedClass",
    "OfferedPlugin",
    "OfferedVersion",
    "VIFPortProfileSRIOV",
)
#: The classes of kuryr-kubernetes.
KURYR = ("PodState", "VIFDPDKNested", "VIFMacvlanNested", "VIFSriov", "VIFVlanNested")
#: The classes of the public releases.
CLASSES = tuple(sorted({*objects.__all__} - {"register_all", *KURYR, *ADDED}))
ALL = (*CLASSES, *ADDED, *KURYR)
OFFLOADS = tuple(name for name in CLASSES if name.startswith("DatapathOffload"))
PROFILES = tuple(name for name in CLASSES if name.startswith("VIFPortProfile"))
VIFS = tuple(name for name in CLASSES if name.startswith("VIF") and name not in PROFILES)

#: Classes that a field accepts, for fields of an open type.
SUBCLASSES = {
    "VIFPortProfileBase": (*PROFILES, "VIFPortProfileSRIOV"),
    "DatapathOffloadBase": (*OFFLOADS, "DatapathOffloadVDPA"),
    "VIFBase": (*VIFS, *KURYR[1:]),
}
#: The class that a fully set object has in such a field.
TYPICAL = {
    "VIFPortProfileBase": "VIFPortProfileOpenVSwitch",
    "DatapathOffloadBase": "DatapathOffloadRepresentor",
    "VIFBase": "VIFBridge",
}

_BY_NAME = {
    "max_version": "1.1",
    "min_version": "1.0",
    "profile_object_name": "VIFPortProfileOpenVSwitch",
    "representor_address": "0000:03:00.2",
    "vif_object_name": "VIFVHostUser",
}
_BY_TYPE = {
    ovo_fields.BooleanField: True,
    ovo_fields.IPAddressField: "10.0.0.5",
    ovo_fields.IPNetworkField: "10.0.0.0/24",
    ovo_fields.IntegerField: 1450,
    ovo_fields.MACAddressField: "fa:16:3e:00:00:01",
    ovo_fields.PCIAddressField: "0000:03:00.1",
    ovo_fields.UUIDField: UUID,
    ovo_fields.ListOfStringsField: ["some", "thing"],
    fields.GuestMemoryField: "shared",
    fields.RangeField: 7,
    fields.TrueOrFalseField: True,
    fields.VIFLinkStateField: "enable",
    fields.VIFVlanProtocolField: "802.1ad",
    fields.ListOfIPAddressField: ["10.0.0.2", "2001:db8::2"],
    fields.VIFDirectModeField: "vepa",
    fields.VIFHostDeviceDevTypeField: "ethernet",
    fields.VIFVHostUserModeField: "server",
}


def _value(name, field):
    if isinstance(field, ovo_fields.ListOfObjectsField):
        return [make(field.objname)]
    if isinstance(field, ovo_fields.ObjectField):
        return make(TYPICAL.get(field.objname, field.objname))
    if isinstance(field, fields.DictOfVIFsField):
        return {"eth1": make("VIFVlanNested")}
    if name in _BY_NAME:
        return _BY_NAME[name]
    return _BY_TYPE.get(type(field), f"some-{name}")


def make(name, *, full=True, **values):
    """Return an object of the class *name*.

    :param full: set every field, at every depth; otherwise only the identity.
    :param values: fields with other values.
    """
    cls = getattr(objects, name)
    for field in cls.fields:
        if field not in values and (full or field in ("id", "plugin", "uuid")):
            values[field] = _value(field, cls.fields[field])
    return cls(**values)


def load(primitive):
    """Return the object of a primitive, read as consumers do."""
    return objects.base.VersionedObject.obj_from_primitive(primitive)


def nested(obj):
    """Yield an object and every nested object."""
    yield obj
    for name in obj.fields:
        value = getattr(obj, name) if obj.obj_attr_is_set(name) else None
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ovo.VersionedObject):
                yield from nested(item)


def snapshot(value):
    """Return the whole content of an object, including private attributes."""
    if isinstance(value, list):
        return [snapshot(item) for item in value]
    if isinstance(value, ovo.VersionedObject):
        return {name: snapshot(vars(value)[name]) for name in vars(value)}
    return copy.copy(value)


def nested_primitives(value):
    """Yield an OVO primitive and every nested primitive of an object."""
    if isinstance(value, dict):
        if "versioned_object.name" in value:
            yield value
        for item in value.values():
            yield from nested_primitives(item)
    elif isinstance(value, list):
        for item in value:
            yield from nested_primitives(item)


_addresses = st.ip_addresses().map(str)


@st.composite
def _networks(draw):
    address = draw(st.ip_addresses())
    prefix = draw(st.integers(0, address.max_prefixlen))
    return str(ipaddress.ip_interface((address, prefix)))


def _hexadecimal(width, largest):
    return st.integers(0, largest).map(lambda number: f"{number:0{width}x}")


_macs = st.lists(_hexadecimal(2, 0xFF), min_size=6, max_size=6).map(":".join)
_pci_addresses = st.tuples(
    _hexadecimal(4, 0xFFFF), _hexadecimal(2, 0xFF), _hexadecimal(2, 0x1F), _hexadecimal(1, 7)
).map("{0[0]}:{0[1]}:{0[2]}.{0[3]}".format)

_STRATEGIES = {
    ovo_fields.BooleanField: st.booleans(),
    ovo_fields.IPAddressField: _addresses,
    ovo_fields.IPNetworkField: _networks(),
    ovo_fields.IntegerField: st.integers(-(2**31), 2**31),
    ovo_fields.MACAddressField: _macs,
    ovo_fields.PCIAddressField: _pci_addresses,
    ovo_fields.StringField: st.text(max_size=8),
    ovo_fields.UUIDField: st.uuids().map(str),
    ovo_fields.ListOfStringsField: st.lists(st.text(max_size=8), max_size=2),
    fields.GuestMemoryField: st.sampled_from(fields.GuestMemory.ALL),
    fields.ListOfIPAddressField: st.lists(_addresses, max_size=2),
    fields.TrueOrFalseField: st.booleans(),
    fields.VIFLinkStateField: st.sampled_from(fields.VIFLinkState.ALL),
    fields.VIFVlanProtocolField: st.sampled_from(fields.VIFVlanProtocol.ALL),
    fields.VIFDirectModeField: st.sampled_from(fields.VIFDirectMode.ALL),
    fields.VIFHostDeviceDevTypeField: st.sampled_from(fields.VIFHostDeviceDevType.ALL),
    fields.VIFVHostUserModeField: st.sampled_from(fields.VIFVHostUserMode.ALL),
}


def _field_values(field):
    if isinstance(field, fields.DictOfVIFsField):
        return st.dictionaries(st.text(max_size=4), any_objects(SUBCLASSES["VIFBase"]), max_size=2)
    if isinstance(field, ovo_fields.ListOfObjectsField):
        values = st.lists(any_object(field.objname), max_size=2)
    elif isinstance(field, ovo_fields.ObjectField):
        values = st.sampled_from(SUBCLASSES.get(field.objname, (field.objname,))).flatmap(
            any_object
        )
    elif isinstance(field, fields.RangeField):
        values = st.integers(field._type.least, field._type.most)
    else:
        values = _STRATEGIES[type(field)]
    return st.none() | values if field.nullable else values


def any_object(name):
    """Return a strategy for objects of a class. Any field may be unset, or None if permitted."""
    cls = getattr(objects, name)
    values = {
        field: st.deferred(lambda f=field: _field_values(cls.fields[f])) for field in cls.fields
    }
    return st.fixed_dictionaries({}, optional=values).map(lambda kwargs: cls(**kwargs))


def any_objects(names=CLASSES):
    """Return a strategy for objects of any of the classes."""
    return st.sampled_from(names).flatmap(any_object)
