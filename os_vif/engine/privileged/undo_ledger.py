# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ledger of the undo steps that the daemon has issued to callers.

A caller keeps the undo steps of a call until the rest of the plan has succeeded, and sends the
steps back to roll back. Undo steps may restore settings that the policy permits no caller to
change, such as an address of a host's device. The daemon therefore permits an issued list of undo
steps only as a whole, once, within :data:`_LIFETIME` seconds, while the devices are the same, and
only for the user to whom the steps were issued.
:mod:`os_vif.engine.privileged.policy` decides about all other lists of steps.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from os_vif.host import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.kernel_step import KernelStep

#: Lifetime of an entry in seconds. A plan may wait for Open vSwitch for minutes before it fails.
_LIFETIME = 3600
#: Maximal number of steps of all entries of a user; the oldest entries are deleted first.
_CAPACITY = 100_000

#: Expiry time and the index of each device, by network namespace, user and steps.
_issued: OrderedDict[
    tuple[str, int | None, tuple[KernelStep, ...]], tuple[float, list[int | None]]
] = OrderedDict()
_guard = threading.Lock()
_thread = threading.local()


@contextlib.contextmanager
def issued_for(user: int) -> Iterator[None]:
    """Bind the undo steps of this thread to a user, for the duration of a block.

    A private daemon has a single caller, and names no user.
    """
    _thread.user = user
    try:
        yield
    finally:
        _thread.user = None


def _key(
    net: Netlink, steps: Sequence[KernelStep]
) -> tuple[str, int | None, tuple[KernelStep, ...]]:
    return net.netns, getattr(_thread, "user", None), tuple(steps)


def issue(net: Netlink, steps: Sequence[KernelStep]) -> None:
    """Record undo steps that are returned to a caller."""
    if not steps:
        return
    key = _key(net, steps)
    value = (time.monotonic() + _LIFETIME, [_index(net, step) for step in steps])
    with _guard:
        _issued.pop(key, None)
        _issued[key] = value
        # A user deletes no entry of another user.
        own = [issued for issued in _issued if issued[1] == key[1]]
        count = sum(len(noted) for _, _, noted in own)
        for oldest in own:
            if count <= _CAPACITY:
                break
            del _issued[oldest]
            count -= len(oldest[2])


def redeem(net: Netlink, steps: Sequence[KernelStep]) -> bool:
    """Return whether steps were issued for the present devices, and delete the entry."""
    with _guard:
        until, indexes = _issued.pop(_key(net, steps), (0.0, []))
    if time.monotonic() > until:
        return False
    return all(
        index is None or _index(net, step) in (None, index)
        for step, index in zip(steps, indexes, strict=True)
    )


def _index(net: Netlink, step: KernelStep) -> int | None:
    """Return the index of a step's network interface, or None."""
    device = step.device
    # A PCI address, the name of a vDPA device, or a device in a pod.
    if not limits.is_device_name(device):
        return None
    link = net.link(device)
    return None if link is None else link.index
