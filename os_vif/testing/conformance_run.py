# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host of a conformance check: a case, its plugin, and snapshots of the expected states."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import os_vif
from os_vif import call_errors, objects
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, Plan
from os_vif.testing import daemon_kills, quick_daemons, time_limits
from os_vif.testing.conformance_case import Case
from os_vif.testing.host_snapshots import (
    State,
    changes,
    snapshot,
    without_addresses,
    without_devices,
)
from os_vif.testing.private_namespaces import private_namespace, private_state_directory

#: The daemon for plugins without a daemon.
DAEMON = "os_vif.plugins.pod_privsep"
#: For the kernel to change IPv6 addresses and carriers after the reply to a request, in seconds.
_SETTLE_S = 2.0
#: The longest time of a call of a plugin, in seconds, unless the caller states another time.
DEFAULT_TIMEOUT_S = 60.0
#: The greatest number of differences in a reason.
_SHOWN = 12
#: The greatest length of a difference in a reason.
_WIDTH = 400


class CheckFailedError(Exception):
    """A check found a fault; the text tells the fault."""


class NotApplicableError(Exception):
    """A check does not apply to a case; the text tells the reason."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """The states of a host before a plug, when plugged, and when unplugged."""

    before: State
    plugged: State
    unplugged: State
    #: The number of steps that the privileged daemon applies, with the record of the VIF.
    plug_steps: int
    unplug_steps: int
    #: True if all steps of the unplug hold, so that the daemon only deletes the record.
    deletes_only_record: bool


class CaseRun:
    """A case and its plugin, with the operations that the checks share.

    :param plugin: the loaded plugin.
    :param case: the case.
    :param stride: interrupt at each *stride*-th step.
    :param timeout: the longest time of a call of the plugin, in seconds.
    """

    #: Whether the rollback of an unplug may report a device that is not created again.
    loses_devices = False

    def __init__(
        self, plugin: Any, case: Case, stride: int = 1, timeout: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self.plugin, self.case, self.stride, self.timeout = plugin, case, stride, timeout
        self.vif, self.instance = case.vif, case.instance_info

    @contextlib.contextmanager
    def host(self) -> Iterator[None]:
        """Provide the host of the case in a private network namespace, without a daemon."""
        quick_daemons.stop_daemons()
        with private_namespace(), private_state_directory(), self.case.prepared():
            try:
                yield
            finally:
                disable_kill()

    def plug(self, vif: objects.VIFBase | None = None) -> None:
        with self.limited("plug()"):
            os_vif.plug(vif or self.vif, self.instance)

    def unplug(self, vif: objects.VIFBase | None = None) -> None:
        with self.limited("unplug()"):
            os_vif.unplug(vif or self.vif, self.instance)

    def changing_unplug(self) -> bool:
        """Unplug the VIF; return whether a step changed the host."""
        with self.limited("unplug()"):
            return bool(os_vif.apply(self.vif, self.instance, "unplug").changed)

    def differences(self, vif: objects.VIFBase | None = None) -> tuple[Difference, ...]:
        """Return the differences of a plugged VIF."""
        return os_vif.check(vif or self.vif, self.instance)

    def take_snapshot(self) -> State:
        """Return the state of the host, without the addresses of recreated devices."""
        return without_addresses(snapshot())

    def without_unrestored(self, state: State) -> State:
        """Leave out the devices of ``Case.unrestored``."""
        return without_devices(state, self.case.unrestored)

    def settled_snapshot(self) -> State:
        """Return a snapshot once two are equal."""
        deadline = time.monotonic() + _SETTLE_S
        state = self.take_snapshot()
        while time.monotonic() < deadline:
            before, state = state, self.take_snapshot()
            if before == state:
                break
        return state

    def plan(self, *, unplug: bool = False) -> Plan:
        with self.limited("plan_unplug()" if unplug else "plan_plug()"):
            return os_vif.plan(self.vif, self.instance, unplug)

    @contextlib.contextmanager
    def limited(self, what: str) -> Iterator[None]:
        """Limit the time of a call of the plugin.

        :param what: the call, for the error.
        :raises CheckFailedError: if the call takes longer than ``timeout``. The error names the
            first step of a plug that does not hold on the host, which is the hanging step unless
            the step has changed the host already.
        """
        try:
            with time_limits.limited(what, self.timeout, quick_daemons.daemon_names):
                yield
        except time_limits.CallTimeoutError as error:
            text = str(error)
            if what == "plug()" and (step := self._first_missing_step()):
                text += f"; the first step that does not hold is {step}"
            raise CheckFailedError(text) from error

    def _first_missing_step(self) -> str | None:
        """Return the class and the device of the first step of a plug that does not hold."""
        with (
            contextlib.suppress(Exception),  # the host is as the interrupted plug has left it
            time_limits.limited("check()", self.timeout, quick_daemons.daemon_names),
        ):
            for difference in self.differences():
                return f"{difference.step} of {difference.device}"
        return None

    def require_plans(self) -> None:
        """Raise NotApplicableError for a plugin that plugs or unplugs without a plan."""
        without = [a for a in ("plug", "unplug") if not call_errors.has_plan(self.plugin, a)]
        if without:
            name = type(self.plugin).__name__
            missing = " and ".join(f"{action}()" for action in without)
            raise NotApplicableError(
                f"{name} overrides {missing} and has no plan: the check needs "
                "plan_plug() and plan_unplug()"
            )

    @property
    def privsep_module(self) -> str:
        """The module of the privileged daemon that runs the plans of the VIF."""
        return self.named_module or DAEMON

    @property
    def named_module(self) -> str | None:
        """The module of the privileged daemon that the plugin names."""
        named: str | None = self.plugin.privsep_module
        return named

    @property
    def has_plans(self) -> bool:
        """True if the plugin plugs and unplugs by plans."""
        return all(call_errors.has_plan(self.plugin, action) for action in ("plug", "unplug"))

    def enforced_differences(self, vif: objects.VIFBase | None = None) -> list[Difference]:
        """Return the differences of a plugged VIF that do not wait for the hypervisor."""
        with self.limited("check()"):
            found = self.differences(vif)
        return [difference for difference in found if not difference.pending]

    def require_check_clean(self, when: str, vif: objects.VIFBase | None = None) -> None:
        """Require that ``os_vif.check()`` finds no difference; plugins without plans pass.

        :raises CheckFailedError: with the differences.
        """
        if self.has_plans and (found := self.enforced_differences(vif)):
            raise CheckFailedError(shortened(f"os_vif.check() {when} found", map(str, found)))

    def require_state(self, when: str, *expected: State, restored: bool = True) -> None:
        """Require that the host reaches one of several states.

        :param when: the moment, for the error.
        :param restored: False to ignore the devices of ``Case.unrestored``.
        :raises CheckFailedError: with the differences from the first state.
        """
        deadline = time.monotonic() + _SETTLE_S
        ends = expected
        if not restored:
            ends = tuple(self.without_unrestored(end) for end in expected)
        while True:
            now = self.take_snapshot()
            if not restored:
                now = self.without_unrestored(now)
            found = [changes(end, now) for end in ends]
            if [] in found:
                return
            if time.monotonic() > deadline:
                raise CheckFailedError(shortened(when, found[0]))
            time.sleep(0.02)

    def require_unplugged(self, when: str) -> None:
        """Require the state before the plug, and no record of the VIF."""
        reference = self.reference
        self.require_state(when, reference.unplugged, reference.before, restored=False)
        self.require_no_record(when)

    def require_no_record(self, when: str) -> None:
        """Require that the VIF has no record.

        :param when: the moment, for the error.
        :raises CheckFailedError: if there is a record.
        """
        if has_record(self.vif):
            raise CheckFailedError(f"{when}: there still is a record of the VIF")

    def converge(self, by: str, when: str) -> None:
        """Plug or unplug the VIF after an interruption; require the state that the call promises.

        :param by: ``plug`` or ``unplug``.
        :param when: the interruption, for the error.
        """
        if by == "unplug":
            self.unplug()
            self.require_unplugged(when)
            if not self.case.unrestored:
                return
            # Devices that remain may have the progress of the interrupted call.
            when = f"{when}, then plug"
        self.plug()
        self.require_check_clean(when)
        self.require_state(when, self.reference.plugged, restored=by == "plug")

    @functools.cached_property
    def reference(self) -> Reference:
        """The states of the host, read in a network namespace of their own."""
        with self.host():
            before = self.settled_snapshot()
            plug_steps = kernel_steps(self.plan()) if self.has_plans else 0
            self.plug()
            plugged = self.settled_snapshot()
            unplug_steps = kernel_steps(self.plan(unplug=True)) if self.has_plans else 0
            deletes_only_record = not self.changing_unplug() and bool(unplug_steps)
            if deletes_only_record:
                unplug_steps = 1
            return Reference(
                before,
                plugged,
                self.settled_snapshot(),
                plug_steps,
                unplug_steps,
                deletes_only_record,
            )


def shortened(when: str, lines: Iterable[str]) -> str:
    """Return a sentence with a list of at most twelve lines."""
    listed = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..." for line in lines]
    more = [f"... and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    return "\n".join([f"{when}:", *(f"  {line}" for line in [*listed[:_SHOWN], *more])])


def kernel_steps(plan: Plan) -> int:
    """Return the number of steps in the daemon, with the step for the record of the VIF."""
    if not len(plan):
        return 0
    return sum(isinstance(step, KernelStep) for step in plan) + 1


def has_record(vif: objects.VIFBase) -> bool:
    """Return whether the VIF has a record, complete or incomplete."""
    with rtnetlink.opened() as net:
        return vif_records.has_record(net, vif.id)


def disable_kill() -> None:
    """Stop the daemons, and start the next daemons without a kill."""
    quick_daemons.stop_daemons()
    os.environ.pop(daemon_kills.VARIABLE, None)


def kill_before_step(k: int) -> None:
    """Make the next daemon kill itself before step *k*."""
    quick_daemons.stop_daemons()
    os.environ[daemon_kills.VARIABLE] = f"{k}:0"


def failure_positions(steps: int, stride: int) -> range:
    """Return the positions of a failing step, up to the end: there, the rollback is of all steps."""
    return range(steps % stride, steps + 1, stride)


def kill_positions(steps: int, stride: int) -> range:
    """Return the interrupted steps: the last step of each stride, at least one step."""
    stride = min(stride, steps)
    return range(stride - 1, steps, stride) if steps else range(0)
