# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Classes, versions and fields of each release, and the expected output for each reader.

``released.json`` has every combination of class, version and fields of the public releases. The
file and the manifests were read from the released packages, so that no expectation depends on the
code under test.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_HERE = Path(__file__).parent

#: Class versions by class name, for each release.
MANIFESTS = json.loads(
    (_HERE.parents[1] / "interop" / "corpus" / "manifests.json").read_text("utf-8")
)
RELEASES = tuple(MANIFESTS)
ROWS = json.loads((_HERE / "released.json").read_text("utf-8"))
#: The newest release of each distinct manifest, oldest first.
NEWEST = tuple({tuple(m.items()): release for release, m in MANIFESTS.items()}.values())
#: All versions of each class, including withdrawn versions.
VERSIONS = tuple(sorted({(row["object"], row["version"]) for row in ROWS}))


def _age(release):
    return RELEASES.index(release)


def in_release(row, release):
    """Return whether the class had the version and fields of *row* in a release."""
    return any(_age(a) <= _age(release) <= _age(b) for a, b in row["releases"])


def newest_with(name, version):
    """Return the newest release with a version of the class."""
    return next(r for r in reversed(RELEASES) if MANIFESTS[r].get(name) == version)


def fields_of(name, release):
    """Return the types of the fields of a class in a release, by name."""
    return next(r["fields"] for r in ROWS if r["object"] == name and in_release(r, release))


def fields_at(name, version, *, on_vif=False):
    """Return the fields of a version of a class.

    :param on_vif: whether the reader keeps the addresses on the VIF, as only 1.8.0 does.
    """
    rows = [r for r in ROWS if (r["object"], r["version"]) == (name, version)]
    return next(
        (row["fields"] for row in rows if in_release(row, "1.8.0") == on_vif), rows[0]["fields"]
    )


def partial(name, release):
    """Return the manifest that oslo's ``obj_tree_get_versions(name)`` returns in *release*."""
    tree = {}
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name not in tree:
            tree[name] = MANIFESTS[release][name]
            types = " ".join(fields_of(name, release).values())
            waiting += re.findall(r"Object\((\w+)", types)
    return tree


def number(version):
    return tuple(map(int, version.split(".")))


def agreed_versions(manifest):
    """Return the oldest versions among the releases that agree with a partial manifest."""
    versions = {}
    for release in RELEASES:
        if manifest.items() <= MANIFESTS[release].items():
            for name, version in MANIFESTS[release].items():
                versions[name] = min(version, versions.get(name, version), key=number)
    return versions | manifest


def expected(obj, versions):
    """Return class, version and data of *obj* for a reader of the versions.

    Return None if the reader knows neither the class nor an ancestor of the class.
    """
    name = next((c.__name__ for c in type(obj).__mro__ if c.__name__ in versions), None)
    if name is None:
        return None
    known = fields_at(name, versions[name], on_vif=versions["VIFBase"] == "1.1")
    data = {}
    for field in obj.fields:
        if field in known and obj.obj_attr_is_set(field):
            item = _expected_value(obj, field, getattr(obj, field), versions)
            if item is not None or getattr(obj, field) is None:
                data[field] = item
    if "fixed_ips" in known and (addresses := [*_addresses(obj)]):
        items = [expected(ip, versions) for ip in addresses]
        data["fixed_ips"] = ("FixedIPList", versions["FixedIPList"], {"objects": items})
    return name, versions[name], data


def _expected_value(obj, field, value, versions):
    if hasattr(value, "obj_to_primitive"):
        return expected(value, versions)
    if isinstance(value, list) and value and hasattr(value[0], "obj_to_primitive"):
        return [expected(item, versions) for item in value]
    return obj.fields[field].to_primitive(obj, field, value)


def _addresses(vif):
    if vif.obj_attr_is_set("network") and vif.network is not None:
        for subnet in vif.network.subnets.objects:
            if subnet.obj_attr_is_set("ips"):
                yield from subnet.ips.objects


def actual(primitive):
    """Return a primitive in the form of :func:`expected`."""
    if isinstance(primitive, list):
        return [actual(item) for item in primitive]
    if not isinstance(primitive, dict):
        return primitive
    if "versioned_object.name" not in primitive:
        return {key: actual(value) for key, value in primitive.items()}
    return (
        primitive["versioned_object.name"],
        primitive["versioned_object.version"],
        actual(primitive["versioned_object.data"]),
    )
