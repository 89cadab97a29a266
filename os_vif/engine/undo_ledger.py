# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The undo of calls that this process has carried out, as it was given to the callers.

The caller of the privileged side keeps the undo of a call until its later work has succeeded, and
sends it back if that fails. It may restore what no caller may ask for on its own, as the address
of a host's device. So it is permitted whole, once, while the devices are the same, and for
:data:`_LIFETIME` seconds. Any other list of steps is held to the rules of
:mod:`os_vif.engine.policy`.
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

#: Seconds. Open vSwitch may take minutes before a plan fails there.
_LIFETIME = 3600
#: Steps, of all callers of this process; the oldest calls go first.
_CAPACITY = 100_000

#: By network namespace and steps: until when, and each device's index at the time of issue.
_issued: OrderedDict[tuple[str, tuple[KernelStep, ...]], tuple[float, list[int | None]]] = (
    OrderedDict()
)
_guard = threading.Lock()


def issue(net: Netlink, steps: Sequence[KernelStep]) -> None:
    """Note the undo of a call that its caller is given."""
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
    """Return whether steps were issued, for these devices; they are not permitted a second time."""
    with _guard:
        until, indexes = _issued.pop((net.netns, tuple(steps)), (0.0, []))
    if time.monotonic() > until:
        return False
    return all(
        index is None or _index(net, step) in (None, index)
        for step, index in zip(steps, indexes, strict=True)
    )


def _index(net: Netlink, step: KernelStep) -> int | None:
    """Return the index of a step's device; None if there is none, or it is no network device."""
    device = step.device
    # A PCI address, or the name of a vDPA device.
    if ":" in device:
        return None
    link = net.link(device)
    return None if link is None else link.index
