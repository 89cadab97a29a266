# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Read and write VIFs in a store, with the first os_vif on the module path.

    python store_writer.py seed STORE PLACE COUNT
    python store_writer.py read STORE PLACE
    python store_writer.py write STORE PLACE FORM JOURNAL LEAST STOP

`seed` creates VIFs as a public release writes them, and prints the path of the os_vif. `read`
prints the VIFs as a public release reads them, or fails. `write` increments the counters of random
VIFs, and adds each write confirmed by the store to the journal; the command ends when the file
STOP exists and LEAST writes are complete. FORM is `public`, which any release can write, or, with
this library, `document` or a release to write for.

The stores and recipes come from doc/source/developers/persistence.rst, as modules.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import random
import sys
from pathlib import Path

import os_vif
from os_vif import objects

#: Half of the writes go to this number of VIFs, so that writers conflict.
CROWDED = 8


def address(number: int) -> str:
    return "fa:16:3e:" + ":".join(f"{number:06x}"[n : n + 2] for n in (0, 2, 4))


def vif(number: int):
    """Return a VIF of one of several kinds. Two fields have the counter, so that a mixture is
    visible.
    """
    subnet = objects.subnet.Subnet(
        cidr="192.0.2.0/24",
        ips=objects.fixed_ip.FixedIPList(
            objects=[objects.fixed_ip.FixedIP(address=f"192.0.2.{number % 250 + 1}")]
        ),
    )
    more = {
        "id": f"5a1d3c2e-0b7f-4f6a-9d52-{number:012x}",
        "address": address(number),
        "network": objects.network.Network(
            label="0", mtu=0, subnets=objects.subnet.SubnetList(objects=[subnet])
        ),
    }
    profile = objects.vif.VIFPortProfileOpenVSwitch(profile_id="p", create_port=True)
    kinds = (
        lambda: objects.vif.VIFBridge(bridge_name="br", vif_name=f"tap{number}", **more),
        lambda: objects.vif.VIFOpenVSwitch(port_profile=profile, **more),
        lambda: objects.vif.VIFVHostUser(path="/vhu", mode="server", port_profile=profile, **more),
    )
    return kinds[number % len(kinds)]()


def count(one) -> None:
    number = int(one.network.label) + 1
    one.network.label, one.network.mtu = str(number), number


def seen(one) -> list:
    """Return the compared values: the counter in both fields, and the constant fields."""
    ips = [str(ip.address) for subnet in one.network.subnets.objects for ip in subnet.ips.objects]
    return [int(one.network.label), one.network.mtu, one.address, *ips]


def load(text: str):
    """Read a VIF as a program without knowledge of documents does."""
    return objects.vif.VIFBase.obj_from_primitive(json.loads(text))


def dump(one) -> str:
    return json.dumps(one.obj_to_primitive())


def update(store, key: str):
    """Update a VIF by the recipe for any release."""
    while True:
        text, revision = store.get(key)
        one = load(text)
        count(one)
        if store.swap(key, dump(one), revision):
            return one


def seed(store, number: str) -> None:
    for n in range(int(number)):
        if not store.swap(f"port-{n:05}", dump(vif(n)), None):
            raise SystemExit(f"port-{n:05} is there")
    print(os_vif.__file__)  # noqa: T201


def read(store) -> None:
    print(json.dumps({key: seen(load(store.get(key)[0])) for key in store.keys()}))  # noqa: T201, SIM118


def write(store, form: str, journal: str, least: str, stop: str) -> None:
    act = update
    if form != "public":
        import recipes

        from os_vif import serialization

        release = None if form == "document" else form
        dumps = functools.partial(serialization.dumps, release=release)
        act = functools.partial(recipes.update, change=count, write=dumps)
    keys = store.keys()
    with Path(journal).open("w", encoding="ascii", buffering=1) as file:
        for done in itertools.count():
            if done >= int(least) and Path(stop).exists():
                return
            key = random.choice(keys[:CROWDED] if done % 2 else keys)  # noqa: S311
            one = act(store, key)
            file.write(f"{key} {one.network.label}\n")


def main(action: str, store: str, place: str, *arguments: str) -> None:
    objects.register_all()
    made = getattr(importlib.import_module(store.lower()), store)(place)
    {"seed": seed, "read": read, "write": write}[action](made, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
