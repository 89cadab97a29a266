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
import hashlib
import json
import struct
import threading
import time
import zlib
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from os_vif.host import limits
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.engine.answers import EncodedStep
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.kernel_step import KernelStep

#: Lifetime of an entry in seconds. A plan may wait for Open vSwitch for minutes before it fails.
_LIFETIME = 3600
#: Bytes of a shape.
_SHAPE_SIZE = 4
#: Maximal number of steps of all entries of a user; the oldest entries are deleted first.
_CAPACITY = 100_000


class _UserLedger:
    """The entries of a user, the oldest first.

    An entry has the digest of the steps: the steps of a pod take 20 times the memory.
    """

    def __init__(self) -> None:
        #: Packed expiry time and index of each device, by shape and digest of the steps.
        self._issued: OrderedDict[bytes, bytes] = OrderedDict()
        self._step_count = 0
        #: The number of entries by shape.
        self._shapes: Counter[bytes] = Counter()

    def has_entry_of(self, shape: bytes) -> bool:
        """Return whether an entry has a shape; see :func:`_shape`."""
        return self._shapes[shape] > 0

    def add(self, key: bytes, indexes: tuple[int | None, ...]) -> None:
        """Add an entry; delete expired entries, and the oldest entries above the capacity."""
        now = time.monotonic()
        self.pop(key)
        self._issued[key] = _pack(now + _LIFETIME, indexes)
        self._step_count += len(indexes)
        self._shapes[key[:_SHAPE_SIZE]] += 1
        while self._issued:
            oldest, packed = next(iter(self._issued.items()))
            if self._step_count <= _CAPACITY and now <= _unpack(packed)[0]:
                break
            self.pop(oldest)

    def pop(self, key: bytes) -> tuple[int | None, ...] | None:
        """Delete an entry; return the index of each device, or None without a valid entry."""
        found = self._issued.pop(key, None)
        if found is None:
            return None
        until, indexes = _unpack(found)
        self._step_count -= len(indexes)
        shape = key[:_SHAPE_SIZE]
        self._shapes[shape] -= 1
        if not self._shapes[shape]:
            del self._shapes[shape]
        return None if time.monotonic() > until else indexes


#: The ledgers by user; None is the caller of a private daemon.
_ledgers: dict[int | None, _UserLedger] = {}
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


def issue(net: Netlink, steps: Sequence[KernelStep]) -> list[EncodedStep]:
    """Record undo steps that are returned to a caller; return the encoded steps."""
    encoded = [encode(step) for step in steps]
    if not steps:
        return encoded
    key = _shape(steps) + _digest(net, encoded)
    indexes = tuple(_index_at_issue(net, step) for step in steps)
    with _guard:
        # A user deletes no entry of another user.
        _ledgers.setdefault(_user(), _UserLedger()).add(key, indexes)
    return encoded


def redeem(net: Netlink, steps: Sequence[KernelStep]) -> bool:
    """Return whether steps were issued for the present devices, and delete the entry."""
    user = _user()
    with _guard:
        ledger = _ledgers.get(user)
        # Most calls are no undo, and need no digest.
        if ledger is None or not steps or not ledger.has_entry_of(shape := _shape(steps)):
            return False
    key = shape + _digest(net, [encode(step) for step in steps])
    with _guard:
        indexes = ledger.pop(key)
    if indexes is None:
        return False
    return all(
        index is None or _index(net, step) in (None, index)
        for step, index in zip(steps, indexes, strict=True)
    )


def _pack(until: float, indexes: Sequence[int | None]) -> bytes:
    """Pack an entry: a daemon has thousands. No device has the index 0, which stands for None."""
    return struct.pack(f"=d{len(indexes)}i", until, *(index or 0 for index in indexes))


def _unpack(packed: bytes) -> tuple[float, tuple[int | None, ...]]:
    """Return the expiry time and the indexes of a packed entry."""
    count = (len(packed) - struct.calcsize("=d")) // struct.calcsize("=i")
    until, *indexes = struct.unpack(f"=d{count}i", packed)
    return until, tuple(index or None for index in indexes)


def _user() -> int | None:
    """Return the user of this thread."""
    user: int | None = getattr(_thread, "user", None)
    return user


def _shape(steps: Sequence[KernelStep]) -> bytes:
    """Return a checksum of the number of steps, and of the classes of the first and last step."""
    first, last = type(steps[0]).__name__, type(steps[-1]).__name__
    return zlib.crc32(f"{len(steps)} {first} {last}".encode()).to_bytes(_SHAPE_SIZE, "big")


def _digest(net: Netlink, encoded: Sequence[EncodedStep]) -> bytes:
    """Return the digest of the network namespace, and of the steps as a caller sends the steps."""
    text = json.dumps([net.netns, encoded], default=_describe_value)
    return hashlib.sha256(text.encode()).digest()


def _describe_value(value: object) -> dict[str, str]:
    """Return JSON for an argument that JSON has no type for, such as bytes."""
    return {type(value).__name__: repr(value)}


def _index_at_issue(net: Netlink, step: KernelStep) -> int | None:
    """Return the index of a step's network interface at the issue of the undo, or None."""
    # A deletion of a new device has the index, and saves a read of the device.
    own = step.index if isinstance(step, DeleteLink) else None
    return _index(net, step) if own is None else own


def _index(net: Netlink, step: KernelStep) -> int | None:
    """Return the index of a step's network interface, or None."""
    device = step.device
    # A PCI address, the name of a vDPA device, or a device in a pod.
    if not limits.is_device_name(device):
        return None
    link = net.link(device)
    return None if link is None else link.index
