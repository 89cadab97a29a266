# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""One plan at a time on a device, in whatever process; and how to see that none is at work.

Each device has a place in two files of ``/run/os-vif``, by a hash of its name. In ``lock`` it is
what is locked. In ``generation`` it is a number that is odd while a plan is at work there, and
another one when it has ended: who reads the same even number before and after a look has seen
what no plan was changing. That takes no lock and no right.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

DIRECTORY = pathlib.Path("/run/os-vif")

#: ``struct flock`` of fcntl(2): type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi")
_NUMBER = struct.Struct("=Q")
#: Devices that share a place wait for each other, and that is all.
_PLACES = 4096
#: Seconds to wait for another os-vif, and between two looks.
_PATIENCE, _PAUSE = 60, 0.005
#: Descriptors that hold locks, or may.
_open_files: set[int] = set()


@contextmanager
def locked(netns: str, devices: Iterable[str]) -> Iterator[None]:
    """Nobody else's plan touches these devices meanwhile.

    The locks are taken in one order. The kernel drops those of a process that dies.

    :raises OSError: if a device stays locked for a minute, or the files cannot be had.
    """
    places = _places(netns, devices)
    with _opened("lock", 0o600) as locks, _opened("generation", 0o644) as generations:
        for place, device in places.items():
            _lock(locks, place, device)
        # One that was killed leaves its number odd; the next plan there sets it right.
        before = {place: _read(generations, place) for place in places}
        numbers = {place: number | 1 for place, number in before.items()}
        try:
            _write(generations, numbers)
        except OSError:
            # Nothing was done there: what holds is seen to hold as before.
            with contextlib.suppress(OSError):
                _write(generations, before)
            raise
        yield
        # The work is done. A number that stays odd costs a look of the daemon's, until the next plan.
        with contextlib.suppress(OSError):
            _write(generations, {place: number + 1 for place, number in numbers.items()})


def at_rest(netns: str, devices: Iterable[str]) -> tuple[int, ...] | None:
    """Equal before and after a look if no plan was at work on these devices meanwhile.

    :returns: None if one is, or if that cannot be known.
    """
    try:
        file = os.open(f"{DIRECTORY}/generation", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        numbers = tuple(_read(file, place) for place in _places(netns, devices))
    finally:
        os.close(file)
    return None if any(number % 2 for number in numbers) else numbers


def _places(netns: str, devices: Iterable[str]) -> dict[int, str]:
    """Where each device is, in the order in which they are locked."""
    found = {}
    for device in devices:
        number = zlib.crc32(f"{netns}/{device}".encode(errors="surrogateescape"))
        found[number % _PLACES * _NUMBER.size] = device
    return dict(sorted(found.items()))


def _write(file: int, numbers: Mapping[int, int]) -> None:
    """Write the number of each place.

    :raises OSError: if one cannot be written whole, as on a file system that is full.
    """
    path = f"{DIRECTORY}/generation"
    for place, number in numbers.items():
        try:
            written = os.pwrite(file, _NUMBER.pack(number), place)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
        if written != _NUMBER.size:
            raise OSError(errno.ENOSPC, f"cannot write {path}: {os.strerror(errno.ENOSPC)}")


def _read(file: int, place: int) -> int:
    data = os.pread(file, _NUMBER.size, place)
    # Nobody has been there yet.
    return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else 0


@contextmanager
def _opened(name: str, mode: int) -> Iterator[int]:
    path = f"{DIRECTORY}/{name}"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            file = os.open(path, flags & ~os.O_CREAT)
        except FileNotFoundError:
            make_directory()
            file = os.open(path, flags, mode)
            # Everybody may read generations, whatever the umask of the process.
            os.fchmod(file, mode)
    except OSError as error:
        raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from error
    _open_files.add(file)
    try:
        yield file
    finally:
        # It is not there in a child that was forked meanwhile.
        if file in _open_files:
            _open_files.remove(file)
            os.close(file)


def _in_child() -> None:
    """Close the copies of the parent's files: a lock lasts as long as the last of them."""
    for file in list(_open_files):
        os.close(file)
    _open_files.clear()


os.register_at_fork(after_in_child=_in_child)


def make_directory() -> None:
    """Make :data:`DIRECTORY`, which everybody may read, whatever the umask of the process."""
    try:
        DIRECTORY.mkdir(mode=0o755)
    except FileExistsError:
        return
    DIRECTORY.chmod(0o755)


def _lock(file: int, place: int, device: str) -> None:
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, _NUMBER.size, 0)
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
