# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""CPU time and delay of ``os-vif watch`` on a host with many VIFs.

    .venv/bin/python -m benchmarks.host_watch [--vifs 1000] [--idle 20] [--rounds 20]

Needs root. The host is a private network namespace with a real ovsdb-server, and each VIF has a row,
the devices of a hybrid plug, and a record. ``os-vif watch`` is a process of its own. First the CPU
time of the idle process is read, then devices are deleted one after the other: the delay is the time
from the answer of the kernel to the line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from benchmarks.host_inventory import DatabaseServer, create_host
from os_vif.host.netlink import rtnetlink
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace

#: Seconds without a line after which the first look of the watch counts as complete.
_QUIET = 3.0


def main() -> None:
    """Print the CPU time and the delays of the watch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--vifs", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    hide_state_directory()
    with (
        tempfile.TemporaryDirectory() as directory,
        private_namespace(),
        DatabaseServer(pathlib.Path(directory)) as server,
    ):
        create_host(server, options.vifs, "hybrid")
        config = pathlib.Path(directory, "os-vif.conf")
        config.write_text(f"[os_vif_ovs]\novsdb_connection={server.connection}\n")
        command = pathlib.Path(sys.executable).parent / "os-vif"
        with subprocess.Popen(
            [command, "--config-file", config, "watch"], stdout=subprocess.PIPE
        ) as process:
            measure(process, options)
            process.terminate()


def measure(process: subprocess.Popen, options: argparse.Namespace) -> None:
    """Print the figures of a running watch."""
    begun = time.monotonic()
    lines = read_until_quiet(process)
    print(f"first look: {time.monotonic() - begun - _QUIET:.1f} s, {lines} lines")
    before = cpu_seconds(process.pid)
    time.sleep(options.idle)
    used = cpu_seconds(process.pid) - before
    print(f"CPU of {options.vifs} idle VIFs: {used * 1000:.0f} ms in {options.idle:g} s")
    delays = [delay_of(process, number) for number in range(options.rounds)]
    delays_ms = sorted(round(1000 * delay, 1) for delay in delays)
    print(f"delay in ms: median {statistics.median(delays_ms)}, largest {delays_ms[-1]}")


def delay_of(process: subprocess.Popen, number: int) -> float:
    """Return the seconds from the deletion of a device to the line of the VIF."""
    vif_id = str(uuid.UUID(int=(number << 96) | 0x4000_8000_0000_0000_0000))
    with rtnetlink.opened() as net:
        net.delete(net.require(f"qvb{vif_id[:11]}"))
    begun = time.monotonic()
    while json.loads(process.stdout.readline())["vif"] != vif_id:
        pass
    delay = time.monotonic() - begun
    read_until_quiet(process, 0.3)
    return delay


def read_until_quiet(process: subprocess.Popen, seconds: float = _QUIET) -> int:
    """Read lines until none arrives for some time; return the number of lines."""
    count = 0
    data = b""
    deadline = time.monotonic() + 60
    while select.select([process.stdout], [], [], seconds if count or seconds < 1 else 30)[0]:
        data = os.read(process.stdout.fileno(), 65536)
        count += data.count(b"\n")
        if not data or time.monotonic() > deadline:
            break
    return count


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
