# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs on representors, and a host with veth devices in place of representors."""

from __future__ import annotations

import time

import os_vif
from os_vif import objects
from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif


def vif_on_representor(number: int, name: str | None = None, port: int = 1, **profile: object):
    """Return a VIF for the port of a virtual function, with the name of the representor."""
    offload = objects.DatapathOffloadRepresentor(representor_name=name)
    vif = ovs_vif(objects.VIFHostDevice, number=port, datapath_offload=offload, **profile)
    vif.dev_address = f"0000:03:01.{number}"
    return vif


def link(name: str) -> dict:
    (found,) = ip("link", "show", name)
    return found


def dpdk(number: int) -> objects.VIFHostDevice:
    return vif_on_representor(number, datapath_type="netdev")


INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


class Host:
    """A card with veth devices as representors. The sysfs of files follows renamed devices."""

    def __init__(self, sysfs: Sysfs) -> None:
        self.sysfs = sysfs
        for number in range(3):
            run(f"ip link add name rep{number} type veth peer name far{number}")
        self._names = {link["ifindex"]: link["ifname"] for link in ip("link")}

    def follow(self) -> None:
        now = {link["ifindex"]: link["ifname"] for link in ip("link")}
        moved = [index for index, name in self._names.items() if now.get(index, name) != name]
        for index in moved:
            self.sysfs.rename(self._names[index], f"moved{index}")
        for index in moved:
            self.sysfs.rename(f"moved{index}", now[index])
            self._names[index] = now[index]

    def plug(self, vif: objects.VIFBase) -> None:
        os_vif.plug(vif, INSTANCE)
        self.follow()
        # Without a wait for vswitchd, a port may be opened after the return of plug.
        deadline = time.monotonic() + 30
        while differing := [d for d in os_vif.check(vif, INSTANCE) if not d.pending]:
            assert time.monotonic() < deadline, differing
            time.sleep(0.05)

    def unplug(self, vif: objects.VIFBase) -> None:
        os_vif.unplug(vif, INSTANCE)
        self.follow()
