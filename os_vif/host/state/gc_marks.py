# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Marks of garbage collection, which tell whether a VIF was plugged since an observation.

``os_vif.collect()`` sets the mark of a VIF at the first observation. Each plug deletes the mark, even
if the host has all settings of the VIF already. A mark is a symbolic link in ``/run/os-vif``, and the
target is a random token. symlink(2) and rename(2) are atomic. Reading a mark needs no privileges.

The names of devices contain the first 11 characters of an id. VIFs with equal first characters have
a single mark.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from typing import TYPE_CHECKING

from os_vif.device_names import VIF_DEVICES
from os_vif.host.state import vif_records

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

#: An id or the name of a VIF's device; the group is the part of the id in the names of devices.
_ID = re.compile(
    f"(?:{'|'.join(map(re.escape, VIF_DEVICES))})?([0-9a-f]{{8}}-[0-9a-f]{{2}})[0-9a-f-]*"
)
#: The prefix before the name of a record without suffix.
_PREFIX = "mark-"


def new_token() -> str:
    """Return a random token."""
    return secrets.token_hex(8)


def read(net: Netlink, vif_id: str) -> str | None:
    """Return the token of the mark of a VIF; None without a mark."""
    try:
        return os.readlink(_path_of(net, vif_id))  # noqa: PTH115 - on every plug
    except OSError:
        return None


def write(net: Netlink, vif_id: str, token: str) -> None:
    """Set the mark of a VIF.

    :raises OSError: if the mark cannot be written; then the old mark is kept.
    """
    path = _path_of(net, vif_id)
    temporary = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108
    os.symlink(token, temporary)  # noqa: PTH211
    os.replace(temporary, path)  # noqa: PTH105


def delete(net: Netlink, vif_id: str) -> None:
    """Delete the mark of a VIF, if there is one.

    :raises OSError: if the mark cannot be deleted.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path_of(net, vif_id))  # noqa: PTH108 - on every first plug


def key_of(vif_id: str) -> str:
    """Return the first characters of an id, or the whole name of a VIF without an id."""
    found = _ID.fullmatch(vif_id)
    return vif_id if found is None else found[1]


def _path_of(net: Netlink, vif_id: str) -> str:
    record = vif_records.path_of(net, key_of(vif_id))
    directory, _slash, name = record.rpartition("/")
    return f"{directory}/{_PREFIX}{name.removesuffix('.json')}"
