# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of the plugged VIFs: owner, time of the plug, instance, and document.

The privileged daemon writes a record before the first change of the kernel in a plug, and deletes
the record after the last change of an unplug. A plan that changes only Open vSwitch sends the
record before its transaction. Without a record, owner and time are unknown. The lock of a record is
the lock on the device name :func:`lock_name`.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

LOG = logging.getLogger(__name__)

#: Maximal number of bytes of a VIF's document, and of the other texts of a record.
MAX_DOCUMENT, MAX_TEXT = 65_536, 255
#: Maximal number of bytes of an owner.
MAX_OWNER = 64
#: Bytes of the file system of the state directory that records leave free, for locks and for the
#: records that a plug cannot do without.
_RESERVED = 1 << 20
#: Ids that are file names without quoting.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]{1,128}")
#: Maximal number of characters of a quoted id in a file name; longer ids are hashed.
_LONGEST = 128
_PREFIX, _SUFFIX = "vif-", ".json"
#: Text fields that records of earlier builds lack, with the values of such records.
_TEXTS_OF_LATER_BUILDS = dict.fromkeys(("plugin", "netns", "netns_id", "ifname"), "")
#: All text fields.
_TEXTS = (
    "vif_id", "owner", "document", "instance_uuid", "instance_name", *_TEXTS_OF_LATER_BUILDS,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class VifRecord:
    """The record of a plugged VIF."""

    #: ``vif.id``; of a VIF without an id, ``vif.vif_name``.
    vif_id: str
    #: ``[os_vif] owner`` of the last process with a plug.
    owner: str
    #: Seconds since the epoch, of the first plug.
    since: float
    #: The VIF, as a document of :func:`os_vif.serialization.dumps`.
    document: str
    #: UUID and name of the virtual machine or pod; empty if unknown.
    instance_uuid: str = ""
    instance_name: str = ""
    #: ``vif.plugin``; empty if unknown.
    plugin: str = ""
    #: The user that wrote the record first; None in a record of an earlier build.
    uid: int | None = None
    #: Path and ``DEVICE:INODE`` of the network namespace of the pod, and the name of the interface
    #: in the pod. Empty for a VIF that is not plugged into a pod by :func:`os_vif.plug_pod`.
    netns: str = ""
    netns_id: str = ""
    ifname: str = ""

    def is_of(self, plugin: str) -> bool:
        """Return whether the record is about a VIF of a plugin; an empty name is any plugin."""
        return not self.plugin or not plugin or self.plugin == plugin


#: Records of earlier reads, by path, each with the state of the file; and their maximal number.
_read_records: dict[str, tuple[tuple[int, int, int], VifRecord | None]] = {}
_MAX_READ = 4096


def read_record(net: Netlink, vif_id: str) -> VifRecord | None:
    """Return the record of a VIF, or None. Log a warning for an unusable record.

    A record that has not been replaced since the last read is not parsed again. No privileges are
    needed.
    """
    path = path_of(net, vif_id)
    try:
        status = os.stat(path)  # noqa: PTH116 - on every plug
    except OSError:
        # Also for a directory that this user may not read.
        _read_records.pop(path, None)
        return None
    # Every replacement is another file, and tmpfs does not use the number of a file again.
    state = status.st_ino, status.st_mtime_ns, status.st_size
    read_before, record = _read_records.get(path, (None, None))
    if read_before == state:
        return record
    record = _read(path.rpartition("/")[2])
    if len(_read_records) >= _MAX_READ:
        _read_records.clear()
    _read_records[path] = state, record
    return record


def read_record_once(net: Netlink, vif_id: str) -> VifRecord | None:
    """Return the record of a VIF that ends soon, or None, as :func:`read_record` without a cache."""
    return _read(_record_name(net, vif_id))


def read_all(net: Netlink) -> tuple[VifRecord, ...]:
    """Return the records of all VIFs of a network namespace, sorted by file name.

    Log a warning for each unusable record. No privileges are needed.
    """
    prefix = f"{_PREFIX}{net.netns}-"
    try:
        names = sorted(os.listdir(STATE.path))  # noqa: PTH208 - a Path for each file is slow
    except OSError:
        return ()
    found = (_read(name) for name in names if name.startswith(prefix) and name.endswith(_SUFFIX))
    return tuple(record for record in found if record is not None)


def count_records(net: Netlink, uid: int, enough: int) -> int:
    """Return the number of records of a user; records are read only if all users have *enough*."""
    prefix = f"{_PREFIX}{net.netns}-"
    count = sum(
        name.startswith(prefix)
        for name in os.listdir(STATE.path)  # noqa: PTH208 - names alone
    )
    if count < enough:
        return count
    return sum(record.uid == uid for record in read_all(net))


def has_record(net: Netlink, vif_id: str) -> bool:
    """Return whether a VIF has a record, usable or not, or an incomplete one."""
    name = _record_name(net, vif_id)
    return STATE.exists(name) or STATE.is_incomplete(name)


def write_record(net: Netlink, record: VifRecord) -> None:
    """Replace the record of a VIF.

    :raises OSError: if the record cannot be written; then the old record is kept.
    """
    STATE.make()
    name = _record_name(net, record.vif_id)
    space = os.statvfs(STATE.path)
    # A file system that counts no blocks has no limit.
    if space.f_blocks and space.f_bavail * space.f_frsize < _RESERVED:
        reason = f"cannot write {STATE.file(name)}: the file system is nearly full"
        raise OSError(errno.ENOSPC, reason)
    STATE.write_atomically(name, vars(record))


def delete_record(net: Netlink, vif_id: str) -> None:
    """Delete the record of a VIF, and the incomplete file of a killed process."""
    name = _record_name(net, vif_id)
    STATE.remove(name)
    _read_records.pop(STATE.file(name), None)


def lock_name(vif_id: str) -> str:
    """Return the device name that stands for the record of a VIF in :mod:`locks`."""
    # No device of the kernel has a colon in the name.
    return f"vif:{vif_id}"


def path_of(net: Netlink, vif_id: str) -> str:
    """Return the path of the record of a VIF, for messages."""
    return STATE.file(_record_name(net, vif_id))


def _record_name(net: Netlink, vif_id: str) -> str:
    quoted = vif_id if _PLAIN.fullmatch(vif_id) else quote(vif_id, safe="", errors="replace")
    if len(quoted) > _LONGEST:
        # quote() never returns "=": a hash is never the name of another id.
        quoted = "=" + hashlib.sha256(vif_id.encode(errors="replace")).hexdigest()
    return f"{_PREFIX}{net.netns}-{quoted}{_SUFFIX}"


def fault(name: str) -> str | None:
    """Return the reason why a file of the state directory is no usable record of a VIF, or None.

    :param name: the name of the file. A file that is not about a VIF has no fault.
    """
    if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)):
        return None
    try:
        _parse(name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        return describe_fault(error)
    return None


def describe_fault(error: Exception) -> str:
    """Return the text of an error of an unusable record."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _parse(name: str) -> VifRecord:
    content = json.loads(STATE.read(name))
    return VifRecord(**_checked(content))


def _read(name: str) -> VifRecord | None:
    try:
        return _parse(name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        LOG.warning(
            "%s is unusable, so owner and time of the VIF are unknown: %s", STATE.file(name), error
        )
        return None


def _checked(content: Any) -> dict[str, Any]:
    """Return the fields of a record. Further keys are from a newer os-vif, and are ignored."""
    content = {**_TEXTS_OF_LATER_BUILDS, **content}
    found = {name: content[name] for name in _TEXTS}
    for value in found.values():
        if not isinstance(value, str):
            raise ValueError("a field is no text")  # noqa: TRY004 - as for other wrong contents
    since = content["since"]
    if isinstance(since, bool) or not isinstance(since, int | float):
        raise TypeError("'since' is no number")
    uid = content.get("uid")
    if uid is not None and (isinstance(uid, bool) or not isinstance(uid, int)):
        raise TypeError("'uid' is no number")
    return {**found, "since": float(since), "uid": uid}
