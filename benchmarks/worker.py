# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A process that plugs with the os_vif of the Python environment.

The process prints its versions as a line of JSON, and replies to each line of input with a line.
The program is the same for the two releases of os-vif, and uses only common functions.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import pathlib
import resource
import sys
import time
from concurrent import futures

from oslo_config import cfg

import os_vif
from os_vif.objects import instance_info, vif

#: Distributions whose versions affect the figures. Not every host has all of them.
_PACKAGES = ("os-vif", "pyroute2", "oslo.privsep", "ovs")
_PAGE = resource.getpagesize()


class Worker:
    """The commands of the process, by name."""

    def __init__(self) -> None:
        self._vifs: list[vif.VIFBase] = []
        self._instance = instance_info.InstanceInfo(
            uuid="0c9fd1c4-52d1-4c39-8f0a-6e1b2d3c4f50", name="guest"
        )

    def load(self, vifs: list[dict]) -> dict:
        """Replace the VIFs by stored VIFs."""
        self._vifs = [vif.VIFBase.obj_from_primitive(primitive) for primitive in vifs]
        return {}

    def start_daemon(self, module: str) -> dict:
        """Start the privileged daemon of a plugin ahead of the first plug."""
        from oslo_privsep import priv_context

        importlib.import_module(module).vif_plug.start(priv_context.Method.ROOTWRAP)
        return {}

    def privileged_in_process(self, module: str) -> dict:
        """Run the privileged part of a plugin in the process, without a daemon."""
        importlib.import_module(module).vif_plug.set_client_mode(False)
        return {}

    def call(self, action: str, which: list[int], threads: int) -> dict:
        """Plug or unplug VIFs.

        :returns: elapsed seconds.
        """
        act = getattr(os_vif, action)
        wall = time.perf_counter()
        if threads == 1:
            for index in which:
                act(self._vifs[index], self._instance)
        else:
            with futures.ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda index: act(self._vifs[index], self._instance), which))
        return {"wall": time.perf_counter() - wall}

    def call_many(self, action: str, which: list[int]) -> dict:
        """Plug or unplug VIFs at once, with a release that has ``plug_many()``.

        :returns: elapsed seconds.
        """
        act = getattr(os_vif, f"{action}_many")
        wall = time.perf_counter()
        results = act([(self._vifs[index], self._instance) for index in which])
        wall = time.perf_counter() - wall
        for result in results:
            if result.error is not None:
                raise result.error
        return {"wall": wall}

    def cpu(self) -> dict:
        """Return the CPU time of all threads of the process, in seconds."""
        return {"cpu": time.process_time()}

    def size(self) -> dict:
        """Return bytes of memory and open descriptors of the process and of privileged daemons."""
        return {"client": _size("self"), "daemon": [_size(pid) for pid in _daemons()]}


def _daemons() -> list[str]:
    """Return the process ids of the privileged daemons in the network namespace.

    A daemon is not a child of the process that started the daemon.
    """
    here = pathlib.Path("/proc/self/ns/net").stat().st_ino
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            there = (process / "ns/net").stat().st_ino
        except OSError:
            continue
        if there == here and b"--privsep_context" in words:
            found.append(process.name)
    return found


def _size(pid: str) -> dict:
    process = pathlib.Path("/proc", pid)
    return {
        "rss": int((process / "statm").read_text().split()[1]) * _PAGE,
        "descriptors": len(list((process / "fd").iterdir())),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions | {"os_vif": os_vif.__file__}


def main() -> None:
    (configuration,) = sys.argv[1:]
    # Only replies go to the standard output: output of libraries goes to the standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    cfg.CONF(["--config-file", configuration], project="os-vif-benchmark")
    os_vif.initialize()
    worker = Worker()
    print(json.dumps(_versions()), file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(worker, asked.pop("do"))(**asked)), file=answers)


if __name__ == "__main__":
    main()
