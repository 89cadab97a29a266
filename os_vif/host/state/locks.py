# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Inter-process locks on devices.

The privileged daemon holds an OFD byte-range lock (``F_OFD_SETLK``) on one of 4,096 slots of
``/run/os-vif/lock`` per device, taken in slot order, for the whole of a plan and its rollback; the
kernel releases it when the process dies. Devices with the same slot exclude each other.

``/run/os-vif/generation`` is a sequence lock: the number of a slot is odd while a plan is running.
A reader that finds the same even number before and after has read a consistent state; reading
needs no privileges and blocks no plan. A writer that was killed leaves an odd number, which the
next writer corrects; until then, readers ask the daemon.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from os_vif.host.state.directory import STATE

#: ``struct flock`` of fcntl(2): type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi")
_GENERATION = struct.Struct("=Q")
#: Number of slots in each file.
_SLOTS = 4096
#: The place of the least significant byte of a generation, and the values of the byte without writer.
_LOW_BYTE = 0 if sys.byteorder == "little" else _GENERATION.size - 1
_EVEN = bytes(range(0, 256, 2))
#: Seconds to wait for a lock, read at each call; and between two attempts.
LOCK_TIMEOUT, _RETRY_INTERVAL = 60.0, 0.005
#: Descriptors of the files that hold locks, for a forked child to close.
_open_files: set[int] = set()


@contextmanager
def locked(netns: str, devices: Iterable[str], timeout: float | None = None) -> Iterator[None]:
    """Hold the locks on devices for the duration of the block.

    :param timeout: seconds to wait for a device that another plan has locked; None for
        :data:`LOCK_TIMEOUT`.
    :raises OSError: if a device stays locked, or if a file cannot be opened or
        written.
    """
    slots = _slot_offsets(netns, devices)
    seconds = LOCK_TIMEOUT if timeout is None else timeout
    with _opened("lock", 0o600) as locks, _opened("generation", 0o644) as generations:
        for offset, device in slots.items():
            _lock(locks, offset, device, seconds)
        # A killed writer has left an odd number, which counts as the number of this writer.
        before = {offset: _read_generation(generations, offset) for offset in slots}
        numbers = {offset: number | 1 for offset, number in before.items()}
        try:
            _write_generations(generations, numbers)
        except OSError:
            # The plan does not start, so what readers have read stays consistent.
            with contextlib.suppress(OSError):
                _write_generations(generations, before)
            raise
        yield
        # The plan is complete. A number that stays odd costs readers a call of the daemon each.
        with contextlib.suppress(OSError):
            _write_generations(generations, {o: number + 1 for o, number in numbers.items()})


def read_generations(netns: str, devices: Iterable[str]) -> tuple[int, ...] | None:
    """Return the generation of each device, or None while a writer is active.

    A read of the devices is consistent if the generations are equal before and after. None also
    means that the generations are unreadable.
    """
    try:
        file = os.open(STATE.file("generation"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        numbers = tuple(_read_generation(file, o) for o in _slot_offsets(netns, devices))
    finally:
        os.close(file)
    return None if any(number % 2 for number in numbers) else numbers


def read_all_generations() -> bytes | None:
    """Return the generations of all devices; None if unreadable. See :func:`are_unchanged`."""
    try:
        file = os.open(STATE.file("generation"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.pread(file, _SLOTS * _GENERATION.size, 0)
    except OSError:
        return None
    finally:
        os.close(file)


def has_no_writer(generations: bytes | None) -> bool:
    """Return whether no writer was active on any device, in the result of a read of all."""
    return generations is not None and not generations[_LOW_BYTE::8].translate(None, _EVEN)


def are_unchanged(
    netns: str, devices: Iterable[str], before: bytes | None, after: bytes | None
) -> bool:
    """Return whether a read of devices between two reads of all generations is consistent."""
    if before is None or after is None:
        return False
    size = _GENERATION.size
    for offset in _slot_offsets(netns, devices):
        # The file ends before the slots that no plan has used.
        numbers = {
            int.from_bytes(read[offset : offset + size], sys.byteorder) for read in (before, after)
        }
        if len(numbers) > 1 or numbers.pop() % 2:
            return False
    return True


def _slot_offsets(netns: str, devices: Iterable[str]) -> dict[int, str]:
    """Return the device of each slot offset in the files, in locking order."""
    found = {}
    for device in devices:
        number = zlib.crc32(f"{netns}/{device}".encode(errors="surrogateescape"))
        found[number % _SLOTS * _GENERATION.size] = device
    return dict(sorted(found.items()))


def _write_generations(file: int, numbers: Mapping[int, int]) -> None:
    """Write the generation at each offset.

    :raises OSError: if a number cannot be written whole, as on a full file system.
    """
    path = STATE.file("generation")
    for offset, number in numbers.items():
        try:
            written = os.pwrite(file, _GENERATION.pack(number), offset)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
        if written != _GENERATION.size:
            raise OSError(errno.ENOSPC, f"cannot write {path}: {os.strerror(errno.ENOSPC)}")


def _read_generation(file: int, offset: int) -> int:
    data = os.pread(file, _GENERATION.size, offset)
    # The file ends before the slots that no plan has used.
    return int(_GENERATION.unpack(data)[0]) if len(data) == _GENERATION.size else 0


@contextmanager
def _opened(name: str, mode: int) -> Iterator[int]:
    path = STATE.file(name)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            file = os.open(path, flags & ~os.O_CREAT)
        except FileNotFoundError:
            STATE.make()
            file = os.open(path, flags, mode)
            # The umask of the process may be narrower.
            os.fchmod(file, mode)
    except OSError as error:
        raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from error
    _open_files.add(file)
    try:
        yield file
    finally:
        # A child that was forked in the block has closed the file already.
        if file in _open_files:
            _open_files.remove(file)
            os.close(file)


def _close_in_child() -> None:
    """Close the copies of the parent's files: an OFD lock lasts until the last copy is closed."""
    for file in list(_open_files):
        os.close(file)
    _open_files.clear()


os.register_at_fork(after_in_child=_close_in_child)


def _lock(file: int, offset: int, device: str, timeout: float) -> None:
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, _GENERATION.size, 0)
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                reason = f"another os-vif has been at work on {device} for {timeout:g} seconds"
                raise OSError(errno.EBUSY, reason) from None
            time.sleep(_RETRY_INTERVAL)
        else:
            return
