# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of ``os_vif.collect()`` on a host with many ports of gone virtual machines.

    .venv/bin/python -m benchmarks.host_collection [--ports 1600] [--kept 9] [--devices]

Needs root. The host is a private network namespace with a real Open vSwitch. Each port has a row
with the ``external_ids`` of os-vif, a record, and with ``--devices`` a network device. The figure is
the time of the collection alone, with a running privileged daemon.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

from oslo_config import cfg

import os_vif
from benchmarks.host_inventory import HostSwitch, create_host
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace


def main() -> None:
    """Print the duration of a collection."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=1600)
    parser.add_argument("--kept", type=int, default=9)
    parser.add_argument("--devices", action="store_true", help="the devices of the ports exist")
    options = parser.parse_args()
    hide_state_directory()
    with (
        tempfile.TemporaryDirectory() as directory,
        private_namespace(),
        HostSwitch(pathlib.Path(directory)) as switch,
    ):
        create_host(switch, options.ports, "port", devices=options.devices)
        os_vif.initialize()
        cfg.CONF([], project="benchmark", default_config_files=[], default_config_dirs=[])
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        cfg.CONF.set_override("ovs_vsctl_timeout", 120, group="os_vif_ovs")
        collect_stale(options.kept)


def collect_stale(kept: int) -> None:
    """Collect all VIFs except the first; print the duration."""
    ids = sorted(entry.id for entry in os_vif.inventory())
    # The first collection starts the privileged daemon, and unplugs a single VIF.
    os_vif.collect(ids[:-1], older_than=0, observations=1, pending=True)
    begun, worked = time.perf_counter(), time.process_time()
    report = os_vif.collect(ids[:kept], older_than=0, observations=1, pending=True)
    seconds, own = time.perf_counter() - begun, time.process_time() - worked
    left = len(os_vif.inventory())
    if report.failed or len(report.removed) != len(ids) - kept - 1 or left != kept:
        raise SystemExit(f"{len(report.removed)} removed, {report.failed[:3]}, {left} left")
    print(
        f"{len(report.removed)} of {len(ids)} VIFs collected in {seconds:.2f} s, "
        f"{1000 * seconds / len(report.removed):.2f} ms each; {own:.2f} s of CPU in this process"
    )


if __name__ == "__main__":
    main()
