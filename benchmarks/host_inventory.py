# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration and memory of ``os_vif.inventory()`` on a host with many ports.

    .venv/bin/python -m benchmarks.host_inventory [--ports 1600] [--rounds 5] [--kind port|hybrid]

Needs root. The host is a private network namespace with a real ovsdb-server. Each port has a row
with the ``external_ids`` of os-vif, a network device, and a record. Each round is a new process, so
the memory is the peak of the process (``ru_maxrss``), and the first call reads cold caches.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pathlib
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from typing import Self

from oslo_config import cfg

import os_vif
from os_vif import objects, serialization
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.host.state.vif_records import VifRecord
from os_vif.testing import open_vswitch
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace, run

_MTU = 1450
_INSTANCE = "b0000000-0000-4000-8000-000000000000"


class HostSwitch(open_vswitch.Switch):
    """A private Open vSwitch whose folder also has the commands that create the devices."""

    @property
    def directory(self) -> pathlib.Path:
        """Return the folder of the database."""
        return self._directory


class DatabaseServer(HostSwitch):
    """A private ovsdb-server without ovs-vswitchd, which would open each device."""

    def __enter__(self) -> Self:
        self.create_database()
        self.vsctl("--no-wait", "init")
        return self


def main() -> None:
    """Print the duration and the memory of the inventory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", choices=("port", "hybrid"), default="port")
    parser.add_argument("--profile", action="store_true", help="print a profile of one call")
    parser.add_argument("--measure", metavar="CONNECTION", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.ports)
        return
    hide_state_directory()
    with (
        tempfile.TemporaryDirectory() as directory,
        private_namespace(),
        DatabaseServer(pathlib.Path(directory)) as server,
    ):
        create_host(server, options.ports, options.kind)
        if options.profile:
            profile(server.connection)
            return
        rounds = [run_round(server.connection, options.ports) for _ in range(options.rounds)]
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        print(f"{name}: median {statistics.median(values):.3f}, of {sorted(values)}")


def run_round(connection: str, ports: int) -> dict[str, float]:
    """Return the figures of a new process."""
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name]
    arguments = ["--measure", connection, "--ports", str(ports)]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def profile(connection: str) -> None:
    """Print a profile of the inventory."""
    os_vif.initialize()
    cfg.CONF([], project="benchmark", default_config_files=[], default_config_dirs=[])
    cfg.CONF.set_override("ovsdb_connection", connection, group="os_vif_ovs")
    os_vif.inventory()
    profiler = cProfile.Profile()
    profiler.runcall(os_vif.inventory)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def measure(connection: str, ports: int) -> None:
    """Print the figures of two inventories in this process, as JSON."""
    os_vif.initialize()
    cfg.CONF([], project="benchmark", default_config_files=[], default_config_dirs=[])
    cfg.CONF.set_override("ovsdb_connection", connection, group="os_vif_ovs")
    figures = {}
    for name in ("first call", "second call"):
        begun, worked = time.perf_counter(), time.process_time()
        inventory = os_vif.inventory()
        figures[f"{name}, seconds"] = round(time.perf_counter() - begun, 3)
        figures[f"{name}, seconds of CPU"] = round(time.process_time() - worked, 3)
        states = {str(entry.state) for entry in inventory}
        if len(inventory) != ports or inventory.errors or "unknown" in states:
            raise SystemExit(f"{len(inventory)} VIFs, {inventory.errors}, {states}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures["peak memory, MB"] = round(peak / 1000, 1)
    print(json.dumps(figures))


def create_host(server: HostSwitch, ports: int, kind: str, *, devices: bool = True) -> None:
    """Create the rows, the devices and the records of VIFs.

    :param devices: False for VIFs whose devices have gone.
    """
    server.vsctl("--no-wait", "add-br", "br-int")
    # New devices have the settings of a plug.
    for key in (
        "ipv6/conf/default/disable_ipv6=1",
        "ipv4/conf/default/arp_ignore=1",
        "ipv4/conf/default/arp_announce=2",
    ):
        run(f"sysctl -qw net/{key}")
    commands: list[str] = []
    with rtnetlink.opened() as net:
        for batch in (range(first, min(first + 200, ports)) for first in range(0, ports, 200)):
            rows: list[str] = []
            for number in batch:
                vif_id = str(uuid.UUID(int=(number << 96) | 0x4000_8000_0000_0000_0000))
                mac = f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}"
                rows += port_rows(kind, vif_id, mac)
                commands += devices_of(kind, vif_id[:11])
                document = serialization.dumps(vif_of(kind, vif_id, mac))
                record = VifRecord(vif_id, "nova", time.time(), document, _INSTANCE)
                vif_records.write_record(net, record)
            server.vsctl("--no-wait", *rows[1:])
    if devices:
        pathlib.Path(scratch := f"{server.directory}/devices").write_text("\n".join(commands))
        run(f"ip -batch {scratch}")


def port_rows(kind: str, vif_id: str, mac: str) -> list[str]:
    """Return the arguments of ovs-vsctl that add the port of a VIF."""
    name = f"{'tap' if kind == 'port' else 'qvo'}{vif_id[:11]}"
    ids = (
        f"iface-id={vif_id}",
        "iface-status=active",
        f'attached-mac="{mac}"',
        f"vm-uuid={_INSTANCE}",
    )
    wanted = (f"external_ids:{pair}" for pair in ids)
    return ["--", "add-port", "br-int", name, "--", "set", "Interface", name, *wanted]


def devices_of(kind: str, beginning: str) -> list[str]:
    """Return the commands of ip(8) that create the devices of a VIF."""
    if kind == "hybrid":
        return hybrid_devices(beginning)
    name = f"tap{beginning}"
    return [f"tuntap add dev {name} mode tap", f"link set dev {name} mtu {_MTU}"]


def hybrid_devices(beginning: str) -> list[str]:
    """Return the commands of ip(8) that create the devices of a hybrid VIF."""
    qbr, qvb, qvo = (f"{prefix}{beginning}" for prefix in ("qbr", "qvb", "qvo"))
    return [
        f"link add name {qbr} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"link add name {qvb} mtu {_MTU} type veth peer name {qvo} mtu {_MTU}",
        f"link set dev {qbr} alias os-vif up",
        f"link set dev {qvb} alias os-vif master {qbr} promisc on up",
        f"link set dev {qvo} alias os-vif promisc on up",
    ]


def vif_of(kind: str, vif_id: str, mac: str) -> objects.VIFBase:
    """Return a VIF of a kind."""
    cls = objects.VIFOpenVSwitch if kind == "port" else objects.VIFBridge
    bridge = "br-int" if kind == "port" else f"qbr{vif_id[:11]}"
    return cls(
        id=vif_id,
        address=mac,
        plugin="ovs",
        vif_name=f"tap{vif_id[:11]}",
        bridge_name=bridge,
        has_traffic_filtering=True,
        network=objects.Network(bridge="br-int", mtu=_MTU),
        port_profile=objects.VIFPortProfileOpenVSwitch(interface_id=vif_id, create_port=True),
    )


if __name__ == "__main__":
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    main()
