# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deletes the bridges of os-vif that an unplug has kept only because of ports.

kuryr unplugs a VIF before the veth device of the pod is gone. The record of the bridge then says
``delete_when_empty`` (:class:`os_vif.steps.DeleteBridge`), and a later call of the daemon deletes
the bridge.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from os_vif.host.state import bridge_user_record, locks
from os_vif.steps.link.bridges import DeleteBridge, EnsureBridge, is_noted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.kernel_step import KernelStep

LOG = logging.getLogger(__name__)

#: Seconds between two reads of the state directory, where other daemons note bridges.
_INTERVAL = 60.0
#: Maximal number of bridges that a call of the daemon looks at.
_MAX_BRIDGES = 16

_guard = threading.Lock()
#: The bridges that may be noted, by network namespace, oldest first.
_candidates: dict[str, dict[str, None]] = {}
#: The time of the next read of the state directory, by network namespace.
_next_read: dict[str, float] = {}


def finish_empty_bridges(net: Netlink, steps: Iterable[KernelStep] = ()) -> list[str]:
    """Delete noted bridges without ports and users. Return the names of the deleted bridges.

    A bridge that another plan has locked is left to a later call. An error is logged as a warning:
    the call that finds the bridge has nothing to do with the bridge.

    :param net: a view without a cache; no lock of a bridge may be held.
    :param steps: the steps of the call. Calls without a step on a bridge do nothing.
    """
    named = {step.name for step in steps if isinstance(step, DeleteBridge | EnsureBridge)}
    if not named:
        return []
    return [name for name in _take_candidates(net, named) if _finish(net, name)]


def _take_candidates(net: Netlink, named: Iterable[str]) -> list[str]:
    """Return the bridges to look at, after adding bridges to the candidates."""
    now = time.monotonic()
    with _guard:
        known = _candidates.setdefault(net.netns, {})
        if now >= _next_read.get(net.netns, 0.0):
            _next_read[net.netns] = now + _INTERVAL
            known.update(dict.fromkeys(bridge_user_record.noted_bridges(net)))
        known.update(dict.fromkeys(named))
        taken = list(known)[:_MAX_BRIDGES]
        for name in taken:
            del known[name]
        return taken


def _finish(net: Netlink, name: str) -> bool:
    """Delete a bridge if the bridge is noted and empty. Return whether the bridge was deleted."""
    if not is_noted(net, name):
        return False
    try:
        with locks.locked(net.netns, [name], timeout=0), net.cached() as view:
            bridge = view.link(name)
            if bridge is not None and is_noted(view, name):
                deleted = bool(DeleteBridge(name, index=bridge.index).apply(view))
                if deleted:
                    LOG.info("Deleted %s, which an earlier unplug had kept for its ports", name)
                    return True
    except OSError as error:
        LOG.warning("The empty bridge %s was not deleted: %s", name, error.strerror)
    with _guard:
        _candidates.setdefault(net.netns, {})[name] = None
    return False
