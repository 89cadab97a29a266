# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A side of ``benchmarks.serialization``: works on VIFs with the os_vif of the Python environment.

The process prints its versions as a line of JSON. For each line with the name of a case and two
numbers, the process runs the case with the VIFs between the numbers, and prints the seconds of CPU
time. The program is the same for the two releases of os-vif.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import json
import logging
import pathlib
import platform
import random
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from oslo_serialization import jsonutils

import os_vif
from os_vif.objects import base, fixed_ip, network, route, subnet, vif

#: Number of VIFs, and number of networks.
VIFS, NETWORKS = 5000, 50
LOADS, DUMPS = "loads", "dumps"
OVO_LOADS, OVO_DUMPS = "OVO form: loads", "OVO form: dumps"
CLONE, COMPARE = "obj_clone", "comparison"
TO, FROM = "obj_to_primitive", "obj_from_primitive"
CONSTRUCT = "construction"
#: Releases with stored objects to read. Kuryr 2.1.0 has the oldest os-vif of its requirements.
STORED = ("1.14.0", "4.2.0", "1.8.0", "kuryr-2.1.0")
OLD_LOADS = {release: f"OVO form of {release}: loads" for release in STORED}
#: Release 5.3.0 refuses the subnets of 1.8.0, and reads the objects of 1.14.0 in that row.
NEAREST = {"1.8.0": "1.14.0"}
MANIFEST = "obj_to_primitive for 1.14.0"
#: Cases of the present os-vif alone.
TO_DOCUMENT, NEWER = "to_document", "document 2.7 with an unknown field: loads"
PROTO_LOADS, PROTO_DUMPS = "protobuf: loads", "protobuf: dumps"
DOWNGRADE = "downgrade to 1.14.0"


def random_uuid(order: random.Random) -> str:
    """Return a random UUID."""
    return str(uuid.UUID(int=order.getrandbits(128), version=4))


def list_settings() -> list[dict[str, Any]]:
    """Return the settings of each VIF as plain data, the same in every process."""
    order = random.Random(7)  # noqa: S311 - not for cryptography
    networks = [
        {"id": random_uuid(order), "label": f"network-{number}", "number": number}
        for number in range(NETWORKS)
    ]
    return [
        {
            "id": random_uuid(order),
            "mac": f"fa:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
            "number": number,
            "network": networks[number % NETWORKS],
        }
        for number in range(VIFS)
    ]


def build_vif(settings: dict[str, Any]) -> vif.VIFOpenVSwitch:
    """Create a VIF in the form of nova-compute."""
    return vif.VIFOpenVSwitch(
        id=settings["id"],
        address=settings["mac"],
        active=True,
        preserve_on_delete=False,
        has_traffic_filtering=True,
        plugin="ovs",
        vif_name=f"tap{settings['id'][:11]}",
        bridge_name="br-int",
        network=network.Network(
            id=settings["network"]["id"],
            bridge="br-int",
            label=settings["network"]["label"],
            mtu=1450,
            multi_host=False,
            should_provide_bridge=False,
            should_provide_vlan=False,
            bridge_interface=None,
            vlan=None,
            subnets=subnet.SubnetList(
                objects=[
                    build_subnet(f"10.{settings['network']['number']}", settings["number"], 4),
                    build_subnet(
                        f"2001:db8:{settings['network']['number']:x}", settings["number"], 6
                    ),
                ]
            ),
        ),
        port_profile=vif.VIFPortProfileOpenVSwitch(
            interface_id=settings["id"],
            profile_id="default",
            datapath_type="system",
            create_port=False,
            datapath_offload=None,
        ),
    )


def build_subnet(prefix: str, number: int, version: int) -> subnet.Subnet:
    """Create a subnet with two addresses of the port."""
    first, second = 2 * number + 16, 2 * number + 17
    if version == 4:  # noqa: PLR2004
        cidr, router = f"{prefix}.0.0/16", f"{prefix}.0.1"
        ips = [f"{prefix}.{n >> 8}.{n & 255}" for n in (first, second)]
        dns = [f"{prefix}.0.2", f"{prefix}.0.3"]
        routes = [("192.0.2.0/24", f"{prefix}.0.4"), ("198.51.100.0/24", f"{prefix}.0.5")]
    else:
        cidr, router = f"{prefix}::/64", f"{prefix}::1"
        ips = [f"{prefix}::{n:x}" for n in (first, second)]
        dns = [f"{prefix}::2", f"{prefix}::3"]
        routes = [("2001:db8:aaaa::/64", f"{prefix}::4"), ("2001:db8:bbbb::/64", f"{prefix}::5")]
    return subnet.Subnet(
        cidr=cidr,
        gateway=router,
        dns=dns,
        ips=fixed_ip.FixedIPList(
            objects=[fixed_ip.FixedIP(address=ip, floating_ips=[]) for ip in ips]
        ),
        routes=route.RouteList(
            objects=[
                route.Route(cidr=to, gateway=through, interface="eth0") for to, through in routes
            ]
        ),
    )


def public_dumps(obj: Any) -> str:
    """Write an object as users of the public os-vif do."""
    return jsonutils.dumps(obj.obj_to_primitive())


def public_loads(text: str) -> Any:
    """Read an object as users of the public os-vif do."""
    return base.VersionedObject.obj_from_primitive(jsonutils.loads(text))


def read_stored(folder: pathlib.Path, release: str) -> list[str]:
    """Return the VIFs as a release stored them."""
    texts: list[str] = json.loads((folder / f"{release}.json").read_text("utf-8"))
    return texts


def newer_document(text: str) -> str:
    """Return a document as a newer minor version may write the VIF, with a field unknown today."""
    return text.replace("os-vif/2.0", "os-vif/2.7", 1).replace("{", '{"queue_depth":64,', 1)


def cases(folder: pathlib.Path) -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    """Return the cases: a function, and the argument for each VIF.

    :param folder: contains the objects stored by older releases, and ``manifest.json``.
    """
    all_settings = list_settings()
    vifs = [build_vif(settings) for settings in all_settings]
    primitives = [obj.obj_to_primitive() for obj in vifs]
    pairs = list(zip(vifs, [build_vif(settings) for settings in all_settings], strict=True))
    texts = [public_dumps(obj) for obj in vifs]
    documents, dumps, loads = texts, public_dumps, public_loads
    ovo_dumps, ovo_loads = public_dumps, public_loads
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    own_cases: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {}
    nearest = NEAREST
    if importlib.util.find_spec("os_vif.serialization"):
        from os_vif import serialization

        dumps, loads = serialization.dumps, serialization.loads
        ovo_loads = loads

        def ovo_dumps(obj: Any) -> str:
            return serialization.dumps(obj, form="ovo")

        documents = [dumps(obj) for obj in vifs]
        nearest = {}
        messages = [serialization.dumps(obj, form="protobuf") for obj in vifs]
        own_cases = {
            TO_DOCUMENT: (serialization.to_document, vifs),
            NEWER: (loads, [newer_document(text) for text in documents]),
            PROTO_LOADS: (loads, messages),
            PROTO_DUMPS: (lambda obj: serialization.dumps(obj, form="protobuf"), vifs),
            DOWNGRADE: (lambda obj: serialization.downgrade(obj, "1.14.0"), vifs),
        }
    verify(vifs, documents, texts, dumps, loads)
    return {
        LOADS: (loads, documents),
        DUMPS: (dumps, vifs),
        OVO_LOADS: (ovo_loads, texts),
        OVO_DUMPS: (ovo_dumps, vifs),
        CLONE: (lambda obj: obj.obj_clone(), vifs),
        COMPARE: (lambda pair: pair[0] == pair[1], pairs),
        TO: (lambda obj: obj.obj_to_primitive(), vifs),
        FROM: (base.VersionedObject.obj_from_primitive, primitives),
        CONSTRUCT: (build_vif, all_settings),
        MANIFEST: (lambda obj: obj.obj_to_primitive(version_manifest=manifest), vifs),
        **{
            OLD_LOADS[release]: (ovo_loads, read_stored(folder, nearest.get(release, release)))
            for release in STORED
        },
        **own_cases,
    }


def verify(
    vifs: list[Any],
    documents: list[str],
    texts: list[str],
    dumps: Callable[[Any], str],
    loads: Callable[[str], Any],
) -> None:
    """Raise SystemExit if an object that was written and read differs from the original."""
    for obj, document, text in zip(vifs[::100], documents[::100], texts[::100], strict=True):
        read_object = loads(document)
        if dumps(read_object) != dumps(loads(document)) or repr(read_object) != repr(obj):
            raise SystemExit(f"{document} is read as {read_object!r}")
        data = loads(text).obj_to_primitive()["versioned_object.data"]
        if data.keys() != obj.obj_to_primitive()["versioned_object.data"].keys():
            raise SystemExit(f"{text} is read as {data!r}")
    if len(set(documents)) != VIFS:
        raise SystemExit("two VIFs are the same")


def measure_seconds(function: Callable[[Any], Any], arguments: list[Any]) -> float:
    """Return the CPU seconds of a function for all arguments, without garbage collection."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        for argument in arguments:
            function(argument)
        return time.process_time() - start
    finally:
        gc.enable()


def main() -> None:
    os_vif.objects.register_all()
    names = ("os-vif", "oslo.versionedobjects", "oslo.serialization", "netaddr")
    versions = {name: importlib.metadata.version(name) for name in names}
    cases_by_name = cases(pathlib.Path(sys.argv[1]))
    logging.disable(logging.WARNING)
    # Later collections skip the millions of objects of the cases.
    gc.freeze()
    sizes = {name: len(cases_by_name[name][1][0]) for name in (LOADS, OVO_LOADS)}
    versions["python"] = platform.python_version()
    print(json.dumps({"versions": versions, "sizes": sizes}), flush=True)
    for line in sys.stdin:
        case, first, last = line.rsplit(maxsplit=2)
        function, arguments = cases_by_name[case]
        print(measure_seconds(function, arguments[int(first) : int(last)]), flush=True)


if __name__ == "__main__":
    main()
