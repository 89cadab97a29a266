# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the host itself cannot hold: who uses a bridge, and who is at work on a device.

Both live in ``/run/os-vif``, which only root writes and which dies with a reboot, as the devices
do. A record names its device by index too: one that is about another device by now is discarded.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import json
import logging
import os
import pathlib
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from os_vif.host import validate
from os_vif.host.plan import Difference, Step

if TYPE_CHECKING:
    from os_vif.host.netlink import Link, Netlink

LOG = logging.getLogger(__name__)

DIRECTORY = pathlib.Path("/run/os-vif")

#: ``struct flock`` of fcntl(2): type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi")
#: Seconds to wait for another os-vif, and between two looks.
_PATIENCE, _PAUSE = 60, 0.005


@contextmanager
def locked(netns: str, devices: Iterable[str]) -> Iterator[None]:
    """Nobody else's plan touches these devices meanwhile, in whatever process or thread.

    The locks are byte ranges of one file, taken in one order. The kernel drops those of a process
    that dies.

    :raises OSError: if a device stays locked for a minute, or the file cannot be had.
    """
    with _lock_file() as file:
        for start, device in sorted((_offset(netns, device), device) for device in set(devices)):
            _lock(file, start, device)
        yield


@contextmanager
def _lock_file() -> Iterator[int]:
    path = DIRECTORY / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            file = os.open(path, flags, 0o600)
        except FileNotFoundError:
            DIRECTORY.mkdir(mode=0o700, exist_ok=True)
            file = os.open(path, flags, 0o600)
    except OSError as error:
        raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from error
    try:
        yield file
    finally:
        os.close(file)


def _offset(netns: str, device: str) -> int:
    digest = hashlib.blake2b(f"{netns}/{device}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _lock(file: int, start: int, device: str) -> None:
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                reason = f"another os-vif has been at work on {device} for {_PATIENCE} seconds"
                raise OSError(errno.EBUSY, reason) from None
            time.sleep(_PAUSE)
        else:
            return


@dataclasses.dataclass(frozen=True)
class Users:
    """The VIFs that use a bridge of ours, by their ids."""

    names: frozenset[str] = frozenset()
    #: Whether there may be others: the record could not be read, or what came before it.
    incomplete: bool = False


def users(net: Netlink, bridge: Link) -> Users:
    """Who uses a bridge."""
    path = _path(net, bridge.name)
    try:
        with path.open("rb", buffering=0) as file:
            data = file.read()
    except FileNotFoundError:
        return Users()
    try:
        record = json.loads(data)
        index, names = record["index"], frozenset(map(str, record["users"]))
        incomplete = bool(record.get("incomplete"))
    except (ValueError, TypeError, KeyError):
        LOG.warning("%s is damaged: who uses %s is not known, so it stays", path, bridge.name)
        return Users(incomplete=True)
    if index != bridge.index:
        LOG.warning("%s was about another %s, and is discarded", path, bridge.name)
        return Users()
    return Users(names, incomplete)


def write(net: Netlink, bridge: Link, using: Users) -> None:
    """Record who uses a bridge: all of it, or nothing, whenever the machine stops."""
    path = _path(net, bridge.name)
    record = {"index": bridge.index, "users": sorted(using.names)}
    if using.incomplete:
        record["incomplete"] = True
    aside = path.with_name(f".{path.name}.new")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside.write_text(json.dumps(record))
    aside.replace(path)


def forget(net: Netlink, bridge: str) -> None:
    """There is no such bridge any more."""
    path = _path(net, bridge)
    path.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:
        # Others are in it, or it never was.
        return


def _path(net: Netlink, bridge: str) -> pathlib.Path:
    # A name of a device has no slash, and none is longer than a file's may be.
    return DIRECTORY / f"netns-{net.netns}" / f"bridge-{bridge}.json"


@dataclasses.dataclass(frozen=True)
class _User(Step):
    name: str
    user: str

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.text(self, "user", 255)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        # Bookkeeping of root's, and nothing that a packet meets.
        return ()


@dataclasses.dataclass(frozen=True)
class JoinBridge(_User):
    """``/run/os-vif`` says that a VIF uses a bridge of ours, which then outlives other VIFs."""

    def commands(self) -> tuple[str, ...]:
        return (f"# {DIRECTORY} notes that VIF {self.user} uses {self.name}",)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        bridge = net.link(self.name)
        if bridge is None or not bridge.ours:
            # One of others stays anyway.
            return ()
        using = users(net, bridge)
        if self.user in using.names:
            return ()
        write(net, bridge, dataclasses.replace(using, names=using.names | {self.user}))
        return (LeaveBridge(self.name, self.user),)


@dataclasses.dataclass(frozen=True)
class LeaveBridge(_User):
    """``/run/os-vif`` does not say that a VIF uses a bridge."""

    def commands(self) -> tuple[str, ...]:
        return (f"# {DIRECTORY} notes that VIF {self.user} no longer uses {self.name}",)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        bridge = net.link(self.name)
        if bridge is None:
            forget(net, self.name)
            return ()
        using = users(net, bridge)
        if self.user not in using.names:
            return ()
        left = dataclasses.replace(using, names=using.names - {self.user})
        if left.names or left.incomplete:
            write(net, bridge, left)
        else:
            forget(net, self.name)
        return (JoinBridge(self.name, self.user),)
