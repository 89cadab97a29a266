# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects for tests of documents, and plain data created without the library."""

from __future__ import annotations

import random
from pathlib import Path

import netaddr
from oslo_versionedobjects import base as ovo

from os_vif import objects
from tests.support.data import released
from tests.support.interop import samples
from tests.support.strategies import KURYR, UUID, make

CORPUS = Path(released.__file__).parents[2] / "interop" / "corpus" / "corpus_public.jsonl"

#: Fields that accept a subclass.
OPEN = {"additional_vifs", "datapath_offload", "default_vif", "port_profile"}

#: A VIF of nova or kuryr as a document.
VIF = {
    "apiVersion": "os-vif/2.0",
    "kind": "VIFOpenVSwitch",
    "active": True,
    "address": "fa:16:3e:00:00:01",
    "bridge_name": "br-int",
    "has_traffic_filtering": True,
    "id": UUID,
    "network": {
        "bridge": "br-int",
        "id": "22222222-2222-4222-8222-222222222222",
        "label": "private",
        "mtu": 1450,
        "multi_host": False,
        "should_provide_bridge": False,
        "should_provide_vlan": False,
        "subnets": [
            {
                "cidr": "10.0.0.0/24",
                "dns": ["8.8.8.8"],
                "gateway": "10.0.0.1",
                "ips": [{"address": "10.0.0.5", "floating_ips": []}],
                "routes": [],
            },
            {"cidr": "2001:db8::/64", "ips": [{"address": "2001:db8::5"}]},
        ],
        "vlan": None,
    },
    "plugin": "ovs",
    "port_profile": {
        "kind": "VIFPortProfileOpenVSwitch",
        "datapath_offload": {
            "kind": "DatapathOffloadRepresentor",
            "representor_address": "0000:03:00.2",
            "representor_name": "rep0",
        },
        "interface_id": UUID,
    },
    "preserve_on_delete": False,
    "vif_name": "tap11111111-11",
}


def vif():
    """Return the object of the document :data:`VIF`."""
    subnets = [
        objects.Subnet(
            cidr="10.0.0.0/24",
            dns=["8.8.8.8"],
            gateway="10.0.0.1",
            ips=objects.FixedIPList(
                objects=[objects.FixedIP(address="10.0.0.5", floating_ips=[])]
            ),
            routes=objects.RouteList(objects=[]),
        ),
        objects.Subnet(
            cidr="2001:db8::/64",
            ips=objects.FixedIPList(objects=[objects.FixedIP(address="2001:db8::5")]),
        ),
    ]
    network = objects.Network(
        id="22222222-2222-4222-8222-222222222222",
        bridge="br-int",
        label="private",
        mtu=1450,
        vlan=None,
        subnets=objects.SubnetList(objects=subnets),
    )
    offload = objects.DatapathOffloadRepresentor(
        representor_name="rep0", representor_address="0000:03:00.2"
    )
    return objects.VIFOpenVSwitch(
        id=UUID,
        address="fa:16:3e:00:00:01",
        plugin="ovs",
        active=True,
        preserve_on_delete=False,
        has_traffic_filtering=True,
        vif_name="tap11111111-11",
        bridge_name="br-int",
        network=network,
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id=UUID, datapath_offload=offload
        ),
    )


def every_object():
    """Return objects of every class by name, with few and with many fields, including kuryr's."""
    yield from samples.samples()
    for name in KURYR:
        for full in (False, True):
            yield f"{name} {'full' if full else 'minimal'}", make(name, full=full)


def fill_lists(value):
    """Set the members of unset lists: an object with an unset list has no document."""
    if isinstance(value, ovo.VersionedObject):
        if list(value.fields) == ["objects"] and "objects" not in value:
            value.objects = []
        for name in value.fields:
            if name in value:
                fill_lists(getattr(value, name))
    items = value if isinstance(value, list) else ()
    for item in value.values() if isinstance(value, dict) else items:
        fill_lists(item)
    return value


def document_fields(value, *, name=""):
    """Return the fields of an object as nested plain data, with kinds for fields of open types."""
    if isinstance(value, list):
        return [document_fields(item, name=name) for item in value]
    if isinstance(value, dict):
        return {key: document_fields(item, name=name) for key, item in value.items()}
    if isinstance(value, (netaddr.IPAddress, netaddr.IPNetwork)):
        return str(value)
    if not isinstance(value, ovo.VersionedObject):
        return value
    found = {n: document_fields(getattr(value, n), name=n) for n in value.fields if n in value}
    if name and list(value.fields) == ["objects"]:
        return found["objects"]
    return ({"kind": type(value).__name__} if name in OPEN else {}) | found


def shuffled(data, seed):
    """Return plain data with the names of every object in random order."""
    order = random.Random(seed)  # noqa: S311
    if isinstance(data, dict):
        names = list(data)
        order.shuffle(names)
        return {name: shuffled(data[name], seed + 1) for name in names}
    return [shuffled(item, seed + 1) for item in data] if isinstance(data, list) else data


def primitive_of(name, version, **data):
    """Return the OVO primitive of an object."""
    return {
        "versioned_object.name": name,
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": version,
        "versioned_object.data": data,
    }
