# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ledger of the undo steps that the daemon has issued to callers.

A caller keeps the undo steps of a call until the rest of the plan has succeeded, and sends the
steps back to roll back. Undo steps may restore settings that the policy permits no caller to
change, such as an address of a host's device. The daemon therefore permits an issued list of undo
steps only as a whole, once, within :data:`_LIFETIME` seconds, and while the devices are the same.
:mod:`os_vif.engine.privileged.policy` decides about all other lists of steps.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.kernel_step import KernelStep

#: Lifetime of an entry in seconds. A plan may wait for Open vSwitch for minutes before it fails.
_LIFETIME = 3600
#: Maximal number of steps of all entries; the oldest entries are deleted first.
_CAPACITY = 100_000

#: Expiry time and the index of each device, by network namespace and steps.
_issued: OrderedDict[tuple[str, tuple[KernelStep, ...]], tuple[float, list[int | None]]] = (
    OrderedDict()
)
_guard = threading.Lock()


def issue(net: Netlink, steps: Sequence[KernelStep]) -> None:
    """Record undo steps that are returned to a caller."""
    if not steps:
        return
    key = (net.netns, tuple(steps))
    value = (time.monotonic() + _LIFETIME, [_index(net, step) for step in steps])
    with _guard:
        _issued.pop(key, None)
        _issued[key] = value
        count = sum(len(noted) for _, noted in _issued)
        while count > _CAPACITY:
            (_, oldest), _ = _issued.popitem(last=False)
            count -= len(oldest)


def redeem(net: Netlink, steps: Sequence[KernelStep]) -> bool:
    """Return whether steps were issued for the present devices, and delete the entry."""
    with _guard:
        until, indexes = _issued.pop((net.netns, tuple(steps)), (0.0, []))
    if time.monotonic() > until:
        return False
    return all(
        index is None or _index(net, step) in (None, index)
        for step, index in zip(steps, indexes, strict=True)
    )


def _index(net: Netlink, step: KernelStep) -> int | None:
    """Return the index of a step's network interface, or None."""
    device = step.device
    # A PCI address, or the name of a vDPA device, is not the name of a network interface.
    if ":" in device:
        return None
    link = net.link(device)
    return None if link is None else link.index
