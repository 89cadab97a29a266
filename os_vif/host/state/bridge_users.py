# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the host itself cannot hold: which VIFs use a bridge, and which bridges have rules.

That is noted in ``/run/os-vif``, which only root writes and which dies with a reboot, as the
devices do. A record names its device by index too: one that is about another device by now is
discarded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
import pathlib
from typing import TYPE_CHECKING, Any

from os_vif.host.state.locks import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.rtnetlink import Link, Netlink

LOG = logging.getLogger(__name__)

#: VIFs that a record of a bridge has room for. A bridge has at most 1,023 ports (``BR_MAX_PORTS``
#: of net/bridge/br_private.h).
MAX_USERS = 1024


@dataclasses.dataclass(frozen=True)
class Users:
    """The VIFs that use a bridge of ours, by their ids."""

    names: frozenset[str] = frozenset()
    #: Whether there may be others: the record could not be read, or what came before it.
    incomplete: bool = False


def users(net: Netlink, bridge: Link) -> Users:
    """Who uses a bridge."""
    file_path = path(net, bridge.name)
    try:
        with open(file_path, "rb", buffering=0) as file:  # noqa: PTH123 - on every plug
            data = file.read()
    except FileNotFoundError:
        return Users()
    try:
        record = json.loads(data)
        index, names = record["index"], frozenset(map(str, record["users"]))
        incomplete = bool(record.get("incomplete"))
    except (ValueError, TypeError, KeyError):
        LOG.warning("%s is damaged: who uses %s is not known, so it stays", file_path, bridge.name)
        return Users(incomplete=True)
    if index != bridge.index:
        LOG.warning("%s was about another %s, and is discarded", file_path, bridge.name)
        return Users()
    return Users(names, incomplete)


def write(net: Netlink, bridge: Link, using: Users) -> None:
    """Record who uses a bridge: all of it, or nothing, whenever the machine stops."""
    record: dict[str, Any] = {"index": bridge.index, "users": sorted(using.names)}
    if using.incomplete:
        record["incomplete"] = True
    replace(path(net, bridge.name), record)


def replace(path: str, content: Mapping[str, Any]) -> None:
    """Write a file of ``/run/os-vif`` whole, or raise and leave the old content.

    :raises OSError: if the file cannot be written, such as ``ENOSPC``.
    """
    aside = _aside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    # The locks have made the directory.
    file = os.open(aside, flags, 0o644)
    try:
        try:
            # Everybody may read who uses what, whatever the umask of the process.
            os.fchmod(file, 0o644)
            _write_all(file, json.dumps(content).encode())
        finally:
            os.close(file)
        os.replace(aside, path)  # noqa: PTH105 - on every first plug
    except OSError as error:
        # The incomplete file takes space that the next record needs.
        with contextlib.suppress(OSError):
            os.unlink(aside)  # noqa: PTH108
        reason = f"cannot write {path}: {error.strerror}; the old content is kept"
        raise OSError(error.errno, reason) from error


def _write_all(file: int, data: bytes) -> None:
    """Write all bytes: ``write(2)`` writes a part when the file system is nearly full."""
    rest = memoryview(data)
    while rest:
        written = os.write(file, rest)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def remove(path: str) -> None:
    """Remove a file of ``/run/os-vif``, and what a killed :func:`replace` left of it."""
    pathlib.Path(path).unlink(missing_ok=True)
    discard_incomplete(path)


def is_incomplete(path: str) -> bool:
    """Return whether a :func:`replace` of a file was interrupted by the death of its process.

    The lock of the device excludes one that still runs.
    """
    return os.path.lexists(_aside(path))


def discard_incomplete(path: str) -> None:
    """Remove what a killed :func:`replace` left. The lock of the device must be held."""
    pathlib.Path(_aside(path)).unlink(missing_ok=True)


def _aside(path: str) -> str:
    return f"{path}.new"


def forget(net: Netlink, bridge: str) -> None:
    """Remove the record of a bridge that is gone, or that nobody uses any more."""
    remove(path(net, bridge))


def path(net: Netlink, bridge: str) -> str:
    # A name of a device has no slash, and none is longer than a file's may be.
    return f"{DIRECTORY}/bridge-{net.netns}-{bridge}.json"


def has_rules(net: Netlink, bridge: str, program: str) -> bool:
    """Return whether os-vif has made a chain of forwarding rules for a bridge.

    :param program: ``iptables`` or ``ip6tables``.
    """
    return os.access(_rules_path(net, bridge, program), os.F_OK)


def note_rules(net: Netlink, bridge: str, program: str) -> None:
    """Record, before the chain of a bridge is made, that it has to be removed."""
    if not has_rules(net, bridge, program):
        replace(_rules_path(net, bridge, program), {"bridge": bridge, "program": program})


def forget_rules(net: Netlink, bridge: str, program: str) -> None:
    """Record that the chain of a bridge is gone."""
    pathlib.Path(_rules_path(net, bridge, program)).unlink(missing_ok=True)


def _rules_path(net: Netlink, bridge: str, program: str) -> str:
    return f"{DIRECTORY}/rules-{net.netns}-{program}-{bridge}.json"
