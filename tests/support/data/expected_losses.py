# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Expected losses of an object for each reader, computed from the released packages."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo

from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.data import released

#: The classes of kuryr-kubernetes: the base class, the fields, and the versions with their
#: releases. The version None ends the class.
KURYR = {
    "VIFVlanNested": ("VIFBase", ("vif_name", "vlan_id"), {"0.1.0": "1.0"}),
    "VIFMacvlanNested": ("VIFBase", ("vif_name",), {"0.2.0": "1.0"}),
    "VIFDPDKNested": ("VIFNestedDPDK", ("vif_name",), {"2.0.0": "1.0"}),
    "VIFSriov": (
        "VIFDirect",
        ("physnet", "pod_name", "pod_link"),
        {"0.6.0": "1.0", "1.1.0": "1.1", "7.0.0": None},
    ),
    "PodState": (None, ("default_vif", "additional_vifs"), {"0.5.0": "1.0"}),
}
#: Releases of kuryr with different classes, and the os-vif release of the same time.
PEERS = {
    "kuryr-0.1.0": "1.4.0",
    "kuryr-0.4.7": "1.7.0",
    "kuryr-0.5.4": "1.7.0",
    "kuryr-0.6.1": "1.7.0",
    "kuryr-1.1.2": "1.7.0",
    "kuryr-2.1.0": "1.12.0",
    "kuryr-6.0.1": "1.12.0",
    "kuryr-10.0.0": "1.12.0",
}
RELEASES = (*released.NEWEST, *PEERS)


def _age(release):
    return tuple(map(int, release.split(".")))


def versions(release):
    """Return the class versions of a release, by class name."""
    if release not in PEERS:
        return released.MANIFESTS[release]
    number = _age(release.removeprefix("kuryr-"))
    known = dict(released.MANIFESTS[PEERS[release]])
    for name, (_, _, since) in KURYR.items():
        reached = [version for first, version in since.items() if _age(first) <= number]
        if reached and reached[-1]:
            known[name] = reached[-1]
    return known


def fields_of(name, known):
    """Return the fields of a class for a reader of the versions."""
    if name not in KURYR:
        on_vif = known["VIFBase"] == "1.1"
        return set(released.fields_at(name, known[name], on_vif=on_vif))
    parent, fields, _ = KURYR[name]
    if name == "VIFSriov" and known[name] == "1.0":
        fields = ("physnet",)
    return {*fields} | (fields_of(parent, known) if parent else set())


def join(path, name):
    """Return the path of a field or of an item of a list or table."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    odd = not name.isascii() or not name.replace("_", "").isalnum()
    return f"{path}[{name!r}]" if odd else f"{path}.{name}".lstrip(".")


def lost_paths(obj, known, path="", vif=None):
    """Return the paths of all values that a reader of the versions cannot store.

    :param vif: the VIF around ``obj``: release 1.8.0 stores addresses in the VIF.
    """
    mine = type(obj).__name__
    name = next((c.__name__ for c in type(obj).__mro__ if c.__name__ in known), None)
    if name is None:
        return {path}
    found = {path} if name != mine else set()
    vif = obj if "port_profile" in obj.fields else vif
    fields = fields_of(name, known)
    for field in obj.fields:
        if not obj.obj_attr_is_set(field):
            continue
        value = getattr(obj, field)
        inner = path if list(obj.fields) == ["objects"] else join(path, field)
        if field in fields:
            found |= _lost_value(value, known, inner, vif)
        elif field == "ips" and vif is not None and _moves(obj, vif):
            pass
        elif (mine, field, value) != ("Network", "mtu", None):
            found.add(inner)
    if known["VIFBase"] != "1.1":
        elsewhere = [address(ip) for ip in addresses_of_subnets(obj)]
        for n, ip in enumerate(addresses_of_vif(obj)):
            if address(ip) not in elsewhere:
                found.add(join(join(path, "fixed_ips"), n))
    return found


def _lost_value(value, known, path, vif):
    if isinstance(value, ovo.VersionedObject):
        return lost_paths(value, known, path, vif)
    items = enumerate(value) if isinstance(value, list) else ()
    items = value.items() if isinstance(value, dict) else items
    return {
        gone
        for key, item in items
        if isinstance(item, ovo.VersionedObject)
        for gone in lost_paths(item, known, join(path, key), vif)
    }


def _moves(subnet, vif):
    """Return whether a reader assigns the addresses of a subnet; an empty list is lost."""
    if "objects" in subnet.ips and subnet.ips.objects:
        return True
    addresses = [
        ip.address
        for ip in (*addresses_of_vif(vif), *addresses_of_subnets(vif))
        if "address" in ip
    ]
    return "cidr" in subnet and any(ip in subnet.cidr for ip in addresses)


def addresses_of_vif(vif):
    """Return the addresses in the VIF itself, outside the fields of the class."""
    listing = vars(vif).get("fixed_ips")
    return listing.objects if listing is not None and "objects" in listing else []


def addresses_of_subnets(vif):
    """Yield the addresses in the subnets of a VIF."""
    network = vif.network if "network" in vif else None
    subnets = network.subnets if network is not None and "subnets" in network else ()
    for subnet in subnets.objects if subnets != () and "objects" in subnets else ():
        if "ips" in subnet and "objects" in subnet.ips:
            yield from subnet.ips.objects


def address(ip):
    """Return the values of an address."""
    return flat(ip)


def flat(value, path=""):
    """Return every value in an object by path. The value of an object is its class."""
    if isinstance(value, ovo.VersionedObject):
        found = {path: type(value).__name__}
        for name in value.fields:
            if name in value:
                inner = path if list(value.fields) == ["objects"] else join(path, name)
                found |= flat(getattr(value, name), inner)
        return found
    items = enumerate(value) if isinstance(value, list) else ()
    items = value.items() if isinstance(value, dict) else items
    found = {} if isinstance(value, (list, dict)) else {path: value}
    if isinstance(value, (list, dict)):
        found[f"{path} has"] = len(value)
    for key, item in items:
        found |= flat(item, join(path, key))
    return found


def has_all_manifests():
    """Return whether each distinct manifest of a peer is our manifest or in :data:`PEERS`."""
    manifests = [history.manifest(peer) for peer in PEERS]
    others = {peer for peer in history.peers() if history.manifest(peer) not in manifests}
    return others == {CURRENT_RELEASE}
