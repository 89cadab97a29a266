# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Run the ovs plugins of the public os-vif 5.3.0 and of this checkout in turn, with a real card.

python -m tests.support.interop.card_turns PYTHON SUBJECT

PYTHON is the interpreter of an environment for the public release, which is in the directory
SUBJECT. The command fails if a device or a port is not as expected.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from oslo_config import cfg

import os_vif
from os_vif.testing.host_snapshots import changes, ip
from os_vif.testing.private_namespaces import run
from testbed import ovs
from testbed.environments import Subject
from testbed.vm import cards
from tests.support.interop.public import Public
from tests.support.ovs.representors import INSTANCE, vif_on_representor


def main(python: str, subject: str) -> None:
    card = cards.igb()
    card.set_vfs(2)
    run(f"ip link set dev {card.name} up; modprobe labrep pf={card.name} vfs=2")
    first = card.representors()["pf0vf0"]
    vif = vif_on_representor(0, "tap-1", datapath_type="system")
    vif.dev_address = card.vf(0).name
    with tempfile.TemporaryDirectory() as directory, ovs.Switch(Path(directory)) as switch:
        # 5.3.0 would give the bridge the datapath of the profile.
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=system")
        public = Public(
            "5.3.0", Path(python), Subject(Path(subject), ()), Path(directory), INSTANCE
        )
        given = {"ovsdb_connection": switch.connection, "ovs_vsctl_timeout": 60}
        privileged = {"helper_command": public.helper}
        public.configure({"vif_plug_ovs_privileged": privileged, "os_vif_ovs": given})
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize()
        for name, value in given.items():
            cfg.CONF.set_override(name, value, group="os_vif_ovs")

        def state() -> dict:
            (link,) = ip("link", "show", first if "tap-1" not in names() else "tap-1")
            kept = {key: link.get(key) for key in ("ifname", "master", "mtu", "ifindex")}
            return kept | {"up": "UP" in link["flags"], "switch": switch.dump()}

        def names() -> set[str]:
            return {link["ifname"] for link in ip("link")}

        free = state()
        # A device plugged by 5.3.0 keeps the name from the driver, and can be unplugged.
        public.plug(vif)
        plugged = state()
        assert (plugged["ifname"], plugged["up"], plugged["master"]) == (first, True, "ovs-system")
        os_vif.plug(vif, INSTANCE)
        assert changes(plugged, state()) == []
        assert os_vif.check(vif, INSTANCE) == ()
        os_vif.unplug(vif, INSTANCE)
        assert [line for line in changes(free, state()) if "mtu" not in line] == []
        # A device plugged here has the planned name. 5.3.0 changes no setting, and can unplug the
        # device.
        os_vif.plug(vif, INSTANCE)
        plugged = state()
        assert (plugged["ifname"], plugged["up"], plugged["master"]) == (
            "tap-1",
            True,
            "ovs-system",
        )
        public.plug(vif)
        assert changes(plugged, state()) == []
        public.unplug(vif)
        assert changes(free["switch"], switch.dump()) == []
        assert not state()["up"]
        # A plug for another port: the device keeps the name.
        other = vif_on_representor(0, "tap-2", port=2, datapath_type="system")
        other.dev_address = vif.dev_address
        os_vif.plug(other, INSTANCE)
        assert switch.vsctl("list-ports", "br-int") == "tap-2"
        assert os_vif.check(other, INSTANCE) == ()
        os_vif.unplug(other, INSTANCE)
        assert [line for line in changes(free, state()) if "mtu" not in line] == []


if __name__ == "__main__":
    main(*sys.argv[1:])
