# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemons of the process under test."""

from __future__ import annotations

import os
import pathlib

from os_vif.plugins import pod_privsep, sriov_privsep
from os_vif.testing.quick_daemons import daemon_name
from vif_plug_linux_bridge import privsep
from vif_plug_ovs import privsep as ovs_privsep

DAEMON = "vif_plug_linux_bridge.privsep"


def daemon_pid(plugin: str = "linux_bridge") -> int:
    """Return the process id of the privileged daemon in the network namespace of the test."""
    return context_pid(f"vif_plug_{plugin}.privsep.vif_plug")


def context_pid(context: str) -> int:
    """Return the process id of the daemon of a context in the network namespace of the test."""
    ours = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116
    pids = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            theirs = (process / "ns/net").stat().st_ino
        except OSError:
            continue
        if theirs == ours and name == daemon_name(context):
            pids.append(int(process.name))
    (pid,) = pids
    return pid


#: The contexts of all privileged daemons.
CONTEXTS = (
    privsep.vif_plug,
    ovs_privsep.vif_plug,
    sriov_privsep.vif_plug,
    pod_privsep.vif_plug,
)


def descriptors(pid: int | str) -> int:
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
