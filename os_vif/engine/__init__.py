# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the engine, which runs or checks a plan of :mod:`os_vif.steps`.

``runner`` orders the steps and rolls back. ``kernel`` calls the privileged daemon, where ``daemon``
asks ``policy`` and applies the steps. ``ovs`` makes transactions in the database of Open vSwitch.
``unchanged`` recognizes the plan of a correctly plugged VIF, which ``memos`` remembers. The modules are imported by the first
plug or check of a process, or by :func:`import_all`.

``[os_vif] privileged_socket`` replaces the private daemons by a shared daemon: ``shared_calls``
calls ``shared_daemon``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.engine.late_import import first_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from os_vif.engine.memos.plan_memo import PlanMemo
    from os_vif.engine.planned.plan_preview import PlannedStep
    from os_vif.steps.plan import Difference, Plan


def run(
    plan: Plan,
    privsep_module: str | None,
    *,
    is_new: bool = False,
    memo: PlanMemo | None = None,
) -> tuple[str, ...]:
    """Call :func:`os_vif.engine.runner.run`."""
    with first_use:
        from os_vif.engine import runner
    return runner.run(plan, privsep_module, is_new=is_new, memo=memo)


def still_holds(memo: PlanMemo) -> bool:
    """Call :func:`os_vif.engine.unchanged.still_holds`."""
    if memo.known is None:
        return False
    with first_use:
        from os_vif.engine import unchanged
    return unchanged.still_holds(memo)


def check(
    plan: Plan, privsep_module: str | None = None, *, is_privileged: bool = False
) -> tuple[Difference, ...]:
    """Call :func:`os_vif.engine.runner.check`."""
    with first_use:
        from os_vif.engine import runner
    return runner.check(plan, privsep_module, is_privileged=is_privileged)


def read_ahead(
    plans: Iterable[tuple[Plan, str | None]],
) -> AbstractContextManager[Mapping[str, Exception]]:
    """Call :func:`os_vif.engine.kernel.read_ahead`."""
    with first_use:
        from os_vif.engine import kernel
    return kernel.read_ahead(plans)


def import_all() -> None:
    """Import the modules of the first plug.

    With a shared privileged daemon, ``os_vif.initialize()`` calls the function, and the first plug
    takes as long as a later plug. Without a shared daemon, the start of a daemon by the first plug
    takes longer than the imports.
    """
    with first_use:
        from os_vif.engine import recording, runner  # noqa: F401 - imported ahead
        from os_vif.engine.ovs import ovs_executor  # noqa: F401 - imported ahead
        from os_vif.host.netlink import messages
        from os_vif.serialization import formats, json_text  # noqa: F401 - for the record of a VIF
        from os_vif.steps import wire  # noqa: F401
    messages.load()


def preview(plan: Plan, privsep_module: str | None = None) -> tuple[PlannedStep, ...]:
    """Call :func:`os_vif.engine.planned.plan_preview.preview`."""
    with first_use:
        from os_vif.engine.planned import plan_preview
    return plan_preview.preview(plan, privsep_module)
