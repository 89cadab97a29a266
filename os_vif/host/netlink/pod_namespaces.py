# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network namespaces of pods: opened, entered by a thread, and a netlink socket in each.

A namespace is known by path and identity, ``DEVICE:INODE`` of the file. Within a block of
:func:`keeping`, each namespace is opened once. Entering takes CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType

from os_vif.forking import ForkSafeLock
from os_vif.host.netlink import namespaces, rtnetlink
from os_vif.sandbox import identity_of

#: ``CLONE_NEWNET`` of linux/sched.h; :mod:`os` has the constant since Python 3.12.
_CLONE_NEWNET = 0x40000000
#: ``NS_GET_NSTYPE`` of linux/nsfs.h: ``_IO(0xb7, 3)``.
_GET_NSTYPE = 0xB703
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


class _ThreadNamespaces(threading.local):
    """The open namespaces of a thread, in a block of :func:`keeping`."""

    def __init__(self) -> None:
        #: None outside of a block.
        self.opened: dict[tuple[str, str], PodNamespace] | None = None
        #: The descriptor of the thread's own namespace, once the thread has entered another one.
        self.own: int | None = None


_thread_namespaces = _ThreadNamespaces()
#: The descriptors of callers, by identity.
_held: dict[str, list[int]] = {}
_held_lock = ForkSafeLock()


class GoneError(OSError):
    """The namespace does not exist, or the path names another namespace."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.ENOENT, f"the network namespace {path} {reason}")


def open_namespace_for_caller(path: str, identity: str) -> int:
    """Open the file of a network namespace for a caller who may not see the path.

    The error is the same for all reasons, and tells nothing about the files of the host.

    :raises GoneError: if the path is not the one of the namespace, or cannot be opened.
    """
    try:
        return open_namespace(path, identity)
    except (OSError, ValueError):
        if (held := _duplicate_held(identity)) is not None:
            return held
        raise GoneError(path, "does not exist, or is not the one of the pod") from None


def open_namespace(path: str, identity: str | None = None) -> int:
    """Open the file of a network namespace, and return the descriptor.

    :param identity: the expected ``DEVICE:INODE``; None accepts any network namespace.
    :raises GoneError: if the path is missing, or names another namespace.
    :raises OSError: if the file cannot be opened, or is no network namespace.
    """
    try:
        file = _open_namespace_file(path)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        raise GoneError(path, "does not exist") from None
    except OSError as error:
        text = f"the network namespace {path} cannot be opened: {error.strerror}"
        raise OSError(error.errno, text) from error
    try:
        _require_namespace(file, path, identity)
    except OSError:
        os.close(file)
        raise
    return file


def _open_namespace_file(path: str) -> int:
    """Open the file of a namespace, and no other file: opening a device may have an effect.

    :raises OSError: with EINVAL for another file.
    """
    # O_PATH finds the file without opening the file.
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if os.fstat(found).st_dev != os.stat(_OWN).st_dev:  # noqa: PTH116 - on every call
            raise OSError(errno.EINVAL, "it is no network namespace")
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)


def hold(file: int) -> str | None:
    """Keep an open namespace for paths that this process may not open.

    :param file: the descriptor of a caller. Another file than a network namespace is closed.
    :returns: the identity, for :func:`release`; None for another file.
    """
    if not _is_network_namespace(file):
        os.close(file)
        return None
    identity = identity_of(os.fstat(file))
    with _held_lock:
        _held.setdefault(identity, []).append(file)
    return identity


def release(file: int, identity: str) -> None:
    """Close a descriptor of :func:`hold`."""
    with _held_lock:
        files = _held[identity]
        files.remove(file)
        if not files:
            del _held[identity]
        os.close(file)


def _duplicate_held(identity: str) -> int | None:
    """Return a copy of a held descriptor, or None."""
    with _held_lock:
        files = _held.get(identity)
        return os.dup(files[0]) if files else None


def _require_namespace(file: int, path: str, identity: str | None) -> None:
    if not _is_network_namespace(file):
        raise OSError(errno.EINVAL, f"{path} is no network namespace")
    if identity is not None and identity_of(os.fstat(file)) != identity:
        raise GoneError(path, "is not the one of the pod: the name or process id was used again")


def _is_network_namespace(file: int) -> bool:
    try:
        return fcntl.ioctl(file, _GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        # Another file than a namespace: ENOTTY.
        return False


def own_identity() -> str:
    """Return ``DEVICE:INODE`` of the network namespace of this thread."""
    return identity_of(os.stat(_OWN))  # noqa: PTH116 - on every step


class PodNamespace:
    """An open network namespace of a pod, with a netlink socket in the namespace."""

    def __init__(self, path: str, identity: str) -> None:
        """Open the namespace; see :func:`open_namespace_for_caller`."""
        self.path, self.identity = path, identity
        if identity == own_identity():
            raise OSError(errno.EPERM, f"{path} is the network namespace of the host")
        self.file = open_namespace_for_caller(path, identity)
        owner = _read_owner(self.file)
        if owner != 0:
            os.close(self.file)
            reason = f"{path} is owned by the user {owner}, not by root"
            raise OSError(errno.EPERM, reason)
        self._net: rtnetlink.CachedNetlink | None = None
        self._uncached: rtnetlink.Netlink | None = None

    def entered(self) -> AbstractContextManager[rtnetlink.Netlink]:
        """Move this thread into the namespace for a block, and yield the devices of the namespace.

        The block must be in a block of :func:`keeping`, and not in a block of another namespace.

        :raises PermissionError: without CAP_SYS_ADMIN.
        """
        return _EnteredBlock(self)

    def net(self) -> rtnetlink.Netlink:
        """Return the devices of the namespace. The thread must be in the namespace."""
        if self._net is None:
            self._uncached = rtnetlink.Netlink()
            with self._uncached.cached() as self._net:
                pass
        return self._net

    def require_present(self) -> None:
        """Raise GoneError unless the path still names the namespace."""
        status: os.stat_result | None
        try:
            status = os.stat(self.path)  # noqa: PTH116 - on every step
        except PermissionError:
            # The descriptor is from the caller, who sees the file.
            return
        except OSError:
            status = None
        if status is None or identity_of(status) != self.identity:
            raise GoneError(self.path, "does not exist, or is not the one of the pod")

    def close(self) -> None:
        if self._uncached is not None:
            self._uncached.close()
        os.close(self.file)


class _EnteredBlock:
    """A block in the namespace of a pod. Entered faster than a generator, several times a step."""

    __slots__ = ("_namespace", "_own")

    def __init__(self, namespace: PodNamespace) -> None:
        self._namespace = namespace
        self._own = -1

    def __enter__(self) -> rtnetlink.Netlink:
        own = _thread_namespaces.own
        if own is None:
            own = _thread_namespaces.own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        self._own = own
        _set_namespace(self._namespace.file, self._namespace.path)
        try:
            return self._namespace.net()
        except BaseException:
            _return_to(own)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _return_to(self._own)


def _read_owner(file: int) -> int:
    """Return the user id of the owner of a namespace; close the file after an error."""
    try:
        return namespaces.owner(file)
    except OSError:
        os.close(file)
        raise


def _set_namespace(file: int, path: str) -> None:
    if _libc.setns(file, _CLONE_NEWNET) == 0:
        return
    number = ctypes.get_errno()
    reason = f"cannot enter the network namespace {path}: {os.strerror(number)}"
    if number == errno.EPERM:
        reason += "; entering takes CAP_SYS_ADMIN"
    raise OSError(number, reason)


def _return_to(file: int) -> None:
    """Move this thread back; end the process rather than act in a wrong namespace."""
    if _libc.setns(file, _CLONE_NEWNET) != 0:
        os.abort()


@contextmanager
def keeping() -> Iterator[None]:
    """Keep the opened namespaces of this thread for the duration of a block."""
    if _thread_namespaces.opened is not None:
        yield
        return
    opened = _thread_namespaces.opened = {}
    try:
        yield
    finally:
        own, _thread_namespaces.own, _thread_namespaces.opened = _thread_namespaces.own, None, None
        if own is not None:
            os.close(own)
        for namespace in opened.values():
            namespace.close()


def opened(path: str, identity: str) -> AbstractContextManager[PodNamespace]:
    """Return a block with the open namespace of a path.

    In a block of :func:`keeping`, the namespace stays open, and later calls return the same object.

    :raises GoneError: if the path is missing, or names another namespace by now.
    """
    kept = _thread_namespaces.opened
    if kept is None:
        return _opened_alone(path, identity)
    namespace = kept.get((path, identity))
    if namespace is None:
        namespace = kept[path, identity] = PodNamespace(path, identity)
    else:
        namespace.require_present()
    return nullcontext(namespace)


@contextmanager
def _opened_alone(path: str, identity: str) -> Iterator[PodNamespace]:
    """Yield the namespace of a path, open for the block."""
    with keeping(), opened(path, identity) as namespace:
        yield namespace
