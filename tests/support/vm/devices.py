# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Devices of virtual machines: VIFs, drivers and offloaded flows."""

from __future__ import annotations

import time
from pathlib import Path

from os_vif import objects
from os_vif.testing.private_namespaces import run
from testbed.ovs import Switch
from tests.support.ovs.representors import vif_on_representor


def of_vf(card, number: int, name: str | None = None, port: int = 1) -> objects.VIFHostDevice:
    vif = vif_on_representor(number, name, port, datapath_type="system")
    vif.dev_address = card.vf(number).name
    return vif


def offloaded(switch: Switch, name: str) -> list[str]:
    """Return the offloaded flows for packets of a representor's function, as Open vSwitch reports
    them.

    A representor drops packets sent to the representor: packets of a VF are injected behind it.
    """
    run(f"""set -e
    ip link add name inject type veth peer name behind
    ip link set dev inject up; ip link set dev behind up
    tc qdisc add dev behind ingress
    tc filter add dev behind ingress matchall action mirred ingress redirect dev {name}
    """)
    _send("inject")
    flows = switch.appctl("ovs-vswitchd", "dpctl/dump-flows", "-m", "type=offloaded").splitlines()
    run("ip link del dev inject")
    return [
        flow
        for flow in flows
        if "offloaded:yes" in flow and "dp:tc" in flow and f"in_port({name})" in flow
    ]


def bind(device: Path, driver: str) -> None:
    (device / "driver/unbind").write_text(device.name)
    (device / "driver_override").write_text(driver)
    Path("/sys/bus/pci/drivers_probe").write_text(device.name)
    assert (device / "driver").resolve().name == driver


def _send(device: str) -> None:
    """Send IPv4 packets until the switch has a flow for the packets."""
    import socket

    frame = bytes.fromhex("020000000099 020000000007 0800 45000014000100004011") + bytes(50)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for _ in range(8):
            sock.send(frame)
            time.sleep(0.2)
