# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A process that plugs the VIF of ``linux_bridge.py``, through whichever os_vif its Python has.

It says what it runs, as a line of JSON; then, for each line that it reads, it plugs and answers
with the seconds that took. This program is the same for both os_vif, and so uses only what both
have.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time

from oslo_config import cfg

import os_vif
from os_vif.objects import instance_info, network, vif

BRIDGE, UPLINK, MTU = "brq-bench", "uplink", 1500


def description() -> tuple[vif.VIFBridge, instance_info.InstanceInfo]:
    """A VIF whose bridge is to be made and to get an uplink; and whom it is for."""
    bridge = vif.VIFBridge(
        id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90",
        address="fa:16:3e:00:00:01",
        plugin="linux_bridge",
        vif_name="tap5a1d3c2e-0b",
        bridge_name=BRIDGE,
        # As with Neutron: iptables is not what is measured.
        has_traffic_filtering=True,
        network=network.Network(
            id="7c2e6a0e-9c3f-4c53-8a0f-2f1f1f0f7b11",
            bridge=BRIDGE,
            bridge_interface=UPLINK,
            mtu=MTU,
            multi_host=False,
            should_provide_bridge=True,
            should_provide_vlan=False,
        ),
    )
    guest = instance_info.InstanceInfo(uuid="0c9fd1c4-52d1-4c39-8f0a-6e1b2d3c4f50", name="guest")
    return bridge, guest


def main() -> None:
    (configuration,) = sys.argv[1:]
    # Only answers go there: what a library prints goes where errors do.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    cfg.CONF(["--config-file", configuration], project="os-vif-benchmark")
    os_vif.initialize()
    bridge, guest = description()
    names = ("os-vif", "pyroute2", "oslo.privsep")
    print(json.dumps({name: importlib.metadata.version(name) for name in names}), file=answers)
    for _ in sys.stdin:
        start = time.perf_counter()
        os_vif.plug(bridge, guest)
        print(time.perf_counter() - start, file=answers)


if __name__ == "__main__":
    main()
