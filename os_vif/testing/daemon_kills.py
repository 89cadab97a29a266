# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Kills a process before step K: the privileged daemon, or the caller of the daemon.

``quick_daemons`` reads the variable ``OS_VIF_TEST_KILL`` with ``K:PID``; the PID 0 is the daemon.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from oslo_privsep import daemon

from os_vif.plugins import pod_privsep
from os_vif.steps.plugin_step import PluginStep
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.wire import STEPS

VARIABLE = "OS_VIF_TEST_KILL"


def main() -> None:
    """Run the daemon of oslo.privsep, which kills a process as the variable tells."""
    # The module has the steps of a plugin.
    context = sys.argv[sys.argv.index("--privsep_context") + 1]
    importlib.import_module(context.rpartition(".")[0])
    k, pid = map(int, os.environ[VARIABLE].split(":"))
    kill_before_step(k, pid)
    daemon.helper_main()


def kill_before_step(k: int, pid: int = 0) -> None:
    """Kill the test daemon, or the process *pid*, before step *k*."""
    begun = 0

    def faulty(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def applied(step: Any, net: Any) -> Any:
            nonlocal begun
            if begun == k:
                os.kill(pid or os.getpid(), signal.SIGKILL)
            begun += 1
            return apply(step, net)

        return applied

    steps: set[type[Any]] = {*STEPS.values(), *pod_privsep.vif_plug.registry.values()}
    steps |= {step for step in _subclasses(PluginStep) if not inspect.isabstract(step)}
    steps -= {InPod}
    # Each class once, also if several base classes inherit from the class. An InPod applies another
    # step.
    classes: set[Any] = {next(c for c in s.__mro__ if "apply" in c.__dict__) for s in steps}
    for step in classes:
        step.apply = faulty(step.apply)


def _subclasses(step: type[Any]) -> Iterator[type[Any]]:
    for derived in step.__subclasses__():
        yield derived
        yield from _subclasses(derived)
