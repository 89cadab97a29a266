# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The user for whom the process writes records of VIFs.

A private daemon serves the user of the process at the other end of the socket. The shared daemon
serves the user of each connection. Without a daemon, the process writes for the own user.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _CallUser(threading.local):
    """The user of the present call of a thread."""

    uid: int | None = None


_call_user = _CallUser()
_process_users: list[int] = []


def set_process_user(uid: int) -> None:
    """Set the user of a private daemon."""
    _process_users[:] = [uid]


@contextlib.contextmanager
def writing_for(uid: int) -> Iterator[None]:
    """Set the user of the thread, for the duration of a block."""
    before, _call_user.uid = _call_user.uid, uid
    try:
        yield
    finally:
        _call_user.uid = before


def current_uid() -> int:
    """Return the uid of the user for whom the thread writes records."""
    if _call_user.uid is not None:
        return _call_user.uid
    return _process_users[0] if _process_users else os.getuid()
