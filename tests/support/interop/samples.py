# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Objects of every class, with few or many fields, every port profile and every offload.

The objects are the same in each run, so that the written texts can be kept.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from oslo_versionedobjects import fields as ovo_fields

from os_vif import objects
from tests.support import strategies
from tests.support.data import released
from tests.support.strategies import OFFLOADS, PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oslo_versionedobjects import base as ovo

#: The classes of the public releases, and the VIF classes among these classes.
CLASSES = tuple(sorted(released.MANIFESTS[released.RELEASES[-1]]))
VIFS = tuple(n for n in CLASSES if "port_profile" in released.fields_of(n, released.RELEASES[-1]))
#: "minimal" has the required fields, "full" all fields, and "typical" the fields set by nova.
VARIANTS = ("minimal", "typical", "full")
#: Values for fields of an open type.
_OPEN = ("port_profile", "datapath_offload")
_SELDOM = {
    "FixedIP": ("floating_ips",),
    "InstanceInfo": ("project_id",),
    "Route": ("interface",),
    "Subnet": ("dhcp_server",),
    "VIFPortProfileOVSRepresentor": ("create_tap", "multiqueue"),
    "VIFPortProfileFPOpenVSwitch": ("create_port", "hybrid_plug"),
    **dict.fromkeys(VIFS, ("active", "preserve_on_delete")),
    "VIFDirect": ("active", "preserve_on_delete", "vlan_name"),
}
_TYPICAL = {
    "DatapathOffloadRepresentor": {"representor_name": None},
    "FixedIP": {"address": "2001:db8::5"},
    "Network": {"bridge_interface": None, "vlan": None, "mtu": 9000},
    "Route": {"cidr": "::/0", "gateway": "2001:db8::1"},
    "Subnet": {"cidr": "2001:db8::/64", "gateway": "2001:db8::1", "dns": []},
    "VIFBase": {"address": None, "network": None},
    "VIFHostDevice": {"dev_type": "generic"},
    "VIFPortProfileFPTap": {"mac_address": None},
    "VIFPortProfileOpenVSwitch": {"datapath_type": None, "create_tap": False},
    "VIFVHostUser": {"mode": "client"},
}


def build(name: str, variant: str, **values: object) -> ovo.VersionedObject:
    """Return an object. The fields in *values* override a port profile or an offload."""
    cls = getattr(objects, name)
    if variant == "minimal":
        return strategies.make(name, full=False, **values)
    left_out = {*_OPEN}
    if variant == "typical":
        left_out.update(_SELDOM.get(name, ()))
        values = _TYPICAL.get(name, {}) | values
    for field in cls.fields.keys() - left_out - values.keys():
        values[field] = _value(field, cls.fields[field], variant)
    with warnings.catch_warnings(action="ignore", category=PendingDeprecationWarning):
        return cls(**values)


def _value(name: str, field: ovo_fields.Field, variant: str) -> object:
    if isinstance(field, ovo_fields.ListOfObjectsField):
        # A full list has two different members.
        return [build(field.objname, v) for v in VARIANTS[VARIANTS.index(variant) : 0 : -1]]
    if isinstance(field, ovo_fields.ObjectField):
        return build(field.objname, variant)
    return strategies._value(name, field)


def samples() -> Iterator[tuple[str, ovo.VersionedObject]]:
    """Yield all objects, each with a descriptive name."""
    yield from _new()
    for name, obj in _new():
        obj.obj_reset_changes(recursive=True)
        yield f"{name} reset", obj


def _new() -> Iterator[tuple[str, ovo.VersionedObject]]:
    for variant in VARIANTS:
        for name in CLASSES:
            if name in PROFILES:
                yield from _profiles(name, variant)
                continue
            yield f"{name} {variant}", build(name, variant)
            for profile in PROFILES if name in VIFS else ():
                for suffix, port_profile in _profiles(profile, variant):
                    yield f"{name} {suffix}", build(name, variant, port_profile=port_profile)


def _profiles(name: str, variant: str) -> Iterator[tuple[str, ovo.VersionedObject]]:
    """Yield a port profile without an offload, and with each offload."""
    yield f"{name} {variant}", build(name, variant)
    if variant == "typical":
        yield f"{name} typical None", build(name, variant, datapath_offload=None)
    for offload in OFFLOADS:
        datapath_offload = build(offload, variant)
        yield (
            f"{name} {variant} {offload}",
            build(name, variant, datapath_offload=datapath_offload),
        )
