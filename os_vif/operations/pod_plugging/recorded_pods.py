# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Unplugs VIFs from the pods named in the records of the VIFs, for callers without a sandbox."""

from __future__ import annotations

import contextlib
import pathlib
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.engine import recording
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.operations.batch import Result
from os_vif.operations.recorded_vifs import INSIDE
from os_vif.sandbox import Sandbox, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.state.vif_records import VifRecord
    from os_vif.operations.batch import Pair


def sandbox_of(vif: Any, instance_info: Any) -> Sandbox | None:
    """Return the network namespace and the interface in the record of a VIF, or None."""
    with rtnetlink.opened() as net:
        return _read_sandbox(net, vif, instance_info)


def read_record_of_another(vif: Any, instance_info: Any) -> VifRecord | None:
    """Return the record of a VIF that names another pod or virtual machine; None otherwise."""
    own = recording.record_of(vif, instance_info, is_plug=False)
    if own is None:
        return None
    with rtnetlink.opened() as net:
        found = vif_records.read_record_once(net, own.vif_id)
    if found is None or not found.is_of(own.plugin):
        return None
    return None if found.instance_name in ("", own.instance_name) else found


def _read_sandbox(net: Netlink, vif: Any, instance_info: Any) -> Sandbox | None:
    wanted = recording.record_of(vif, instance_info, is_plug=False)
    # The plain class stands for a record alone: the devices belong to another VIF.
    if wanted is None or type(vif) is objects.VIFBase:
        return None
    record = vif_records.read_record_once(net, wanted.vif_id)
    if record is None or not record.is_of(wanted.plugin) or not record.netns:
        return None
    sandbox = Sandbox(record.netns, record.ifname)
    if sandbox.identity != record.netns_id and vif.obj_name() in INSIDE:
        # The pod may have processes still. The removal compares the MAC address of the device.
        sandbox = Sandbox(_find_process(record.netns_id) or record.netns, record.ifname)
    # The namespace of the plug, whichever namespace has the path by now.
    object.__setattr__(sandbox, "identity", record.netns_id)
    return sandbox


def _find_process(netns_id: str) -> str | None:
    """Return the path of the namespace file of a process in a network namespace, or None."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        # The process may end, or be of another user.
        with contextlib.suppress(OSError):
            path = process / "ns/net"
            if identity_of(path.stat()) == netns_id:
                return str(path)
    return None


def unplug_many(
    pairs: Sequence[Pair],
    unplug_on_host: Callable[[Sequence[Pair]], Sequence[Result]],
    unplug_pod: Callable[[Any, Any, Sandbox], tuple[str, ...]],
) -> Sequence[Result]:
    """Unplug VIFs from the host or from the recorded pods; return the result of each VIF.

    :param unplug_on_host: :func:`os_vif.unplug_many`, for the VIFs without a recorded pod.
    :param unplug_pod: :func:`os_vif.unplug_pod`.
    """
    with rtnetlink.opened() as net:
        sandboxes = [_read_sandbox(net, *pair) for pair in pairs]
    on_host = [pair for pair, pod in zip(pairs, sandboxes, strict=True) if pod is None]
    results = iter(unplug_on_host(on_host) if on_host else ())
    return [
        next(results) if sandbox is None else _unplug(pair, sandbox, unplug_pod)
        for pair, sandbox in zip(pairs, sandboxes, strict=True)
    ]


def _unplug(
    pair: Pair, sandbox: Sandbox, unplug_pod: Callable[[Any, Any, Sandbox], tuple[str, ...]]
) -> Result:
    try:
        return Result(*pair, remaining=unplug_pod(*pair, sandbox))
    except exception.ExceptionBase as error:
        return Result(*pair, error=error)
