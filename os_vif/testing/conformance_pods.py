# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The conformance suite for a VIF of a pod: the host with pods, and the checks of namespaces."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import os_vif
from os_vif import exception, objects
from os_vif.engine import runner
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.sandbox import Sandbox
from os_vif.steps.plan import Difference, Plan
from os_vif.steps.pod.pod_veth import TAG
from os_vif.testing.conformance_case import PodCase
from os_vif.testing.conformance_run import (
    DEFAULT_TIMEOUT_S,
    CaseRun,
    CheckFailedError,
    kill_positions,
)
from os_vif.testing.host_snapshots import State, snapshot, without_addresses, without_devices
from os_vif.testing.private_namespaces import joined_namespace, mounted_tmpfs, run

#: The directory of the names of network namespaces, as ``ip netns`` has it.
_NAMESPACES = pathlib.Path("/run/netns")


class PodRun(CaseRun):
    """A case of a pod: the host has a pod for each VIF, and the states are of host and pod."""

    case: PodCase
    loses_devices = True

    def __init__(
        self, plugin: Any, case: PodCase, stride: int = 1, timeout: float = DEFAULT_TIMEOUT_S
    ) -> None:
        super().__init__(plugin, case, stride, timeout)
        self._guard = threading.Lock()
        self._numbers = itertools.count()
        #: The name of the pod of each VIF, by the id of the VIF.
        self._pods: dict[str, str] = {}

    @property
    def named_module(self) -> str:
        return PRIVSEP_MODULE

    @property
    def has_plans(self) -> bool:
        return True

    def require_plans(self) -> None:
        """Accept each plugin: a plugin without plans cannot plug pods."""

    @contextlib.contextmanager
    def host(self) -> Iterator[None]:
        """Provide the host of the case, with a pod for ``Case.vif``."""
        with super().host():
            if not _NAMESPACES.exists():
                _NAMESPACES.mkdir()
            with mounted_tmpfs(_NAMESPACES):
                self._pods.clear()
                self.new_pod(self.vif)
                yield

    def new_pod(self, vif: objects.VIFBase) -> None:
        """Create a pod for a VIF, in which the loopback device keeps its address when set down."""
        with self._guard:
            self._create_pod(vif)

    def _create_pod(self, vif: objects.VIFBase) -> None:
        name = f"pod{next(self._numbers)}"
        run(f"ip netns add {name}")
        for state in ("up", "down"):
            run(f"ip -n {name} link set lo {state}")
        self._pods[vif.id] = name

    def end_pod(self) -> None:
        """End the pod of ``Case.vif``."""
        run(f"ip netns del {self._pods[self.vif.id]}")

    def sandbox(self, vif: objects.VIFBase | None = None) -> Sandbox:
        """Return the sandbox of a VIF; create the pod of a further VIF."""
        vif = vif or self.vif
        with self._guard:
            if vif.id not in self._pods:
                self._create_pod(vif)
        case = self.case
        return Sandbox(
            str(_NAMESPACES / self._pods[vif.id]),
            case.ifname,
            default_gateway=case.default_gateway,
            bridge_addresses=tuple(case.bridge_addresses),
        )

    def plug(self, vif: objects.VIFBase | None = None) -> None:
        with self.limited("plug_pod()"):
            os_vif.plug_pod(vif or self.vif, self.instance, self.sandbox(vif))

    def unplug(self, vif: objects.VIFBase | None = None) -> None:
        with self.limited("unplug_pod()"):
            os_vif.unplug_pod(vif or self.vif, self.instance, self.sandbox(vif))

    def changing_unplug(self) -> bool:
        before = self.take_snapshot()
        self.unplug()
        return before != self.take_snapshot()

    def plan(self, *, unplug: bool = False) -> Plan:
        action = "unplug" if unplug else "plug"
        with self.limited("plan_pod()"):
            return os_vif.plan_pod(self.vif, self.instance, self.sandbox(), action)

    def differences(self, vif: objects.VIFBase | None = None) -> tuple[Difference, ...]:
        return os_vif.check_pod(vif or self.vif, self.instance, self.sandbox(vif))

    def take_snapshot(self) -> State:
        """Return the state of the host, and of the pod of ``Case.vif`` if the pod exists."""
        state = {"host": _comparable(snapshot())}
        path = _NAMESPACES / self._pods[self.vif.id]
        if path.exists():
            with joined_namespace(path):
                state["pod"] = _comparable(snapshot())
        return state

    def without_unrestored(self, state: State) -> State:
        """Leave out the loopback device of the pod, too, which no unplug sets down."""
        kept = {"host": without_devices(state["host"], self.case.unrestored)}
        if "pod" in state:
            kept["pod"] = without_devices(state["pod"], ("lo",))
        return kept


def _comparable(state: State) -> State:
    """Return a snapshot in which the devices of a pod and of a pod created again are equal."""
    state = without_addresses(state)
    for link in state["links"]:
        # Index and namespace of the peer, and the name that records the namespace of the pod.
        link.pop("link_index", None)
        link.pop("link_netnsid", None)
        names = link.pop("altnames", [])
        link["altnames"] = [TAG if name.startswith(TAG) else name for name in names]
    return state


def check_ended_pod(run: PodRun) -> None:
    """End the pod after each step of a plug; require that an unplug leaves nothing on the host."""
    reference = run.without_unrestored(run.reference.before)["host"]
    with run.host():
        steps = len(run.plan())
    for k in (*kill_positions(steps, run.stride), steps):
        when = f"the pod ended after step {k} of plug"
        with run.host():
            plan = run.plan()
            if k == steps:
                run.plug()
            else:
                runner.run(Plan(*plan.steps[:k], switch=plan.switch), PRIVSEP_MODULE)
            run.end_pod()
            try:
                runner.run(plan, PRIVSEP_MODULE)
            except exception.StepFailed as error:
                if "by hand" in str(error):
                    raise CheckFailedError(
                        f"{when}, a step could not be undone: {error}"
                    ) from error
            os_vif.unplug_pod(run.vif, run.instance, Sandbox(None, run.case.ifname))
            run.require_state(f"{when}, and an unplug left", {"host": reference}, restored=False)
            run.require_no_record(f"{when}, and an unplug followed")


#: The checks of a :class:`PodCase` after the checks of every case, by name.
POD_CHECKS: dict[str, Callable[[PodRun], None]] = {"ended pod": check_ended_pod}
