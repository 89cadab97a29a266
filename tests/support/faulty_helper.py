# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A helper whose daemon kills a process before step K: the daemon or the caller.

``quick_daemons`` reads the variable ``OS_VIF_TEST_KILL`` with ``K:PID``; the PID 0 is the daemon.
"""

from __future__ import annotations

import os
import signal

from oslo_privsep import daemon

from os_vif.plugins import pod_privsep
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.wire import STEPS

VARIABLE = "OS_VIF_TEST_KILL"


def main() -> None:
    k, pid = map(int, os.environ[VARIABLE].split(":"))
    kill_before_step(k, pid)
    daemon.helper_main()


def kill_before_step(k: int, pid: int = 0) -> None:
    """Kill the test daemon, or the process *pid*, before step *k*."""
    begun = 0

    def faulty(apply):
        def applied(step, net):
            nonlocal begun
            if begun == k:
                os.kill(pid or os.getpid(), signal.SIGKILL)
            begun += 1
            return apply(step, net)

        return applied

    steps = {*STEPS.values(), *pod_privsep.vif_plug.registry.values()} - {InPod}
    # Each class once, also if several base classes inherit from the class. An InPod applies another
    # step.
    for step in {next(c for c in s.__mro__ if "apply" in c.__dict__) for s in steps}:
        step.apply = faulty(step.apply)
