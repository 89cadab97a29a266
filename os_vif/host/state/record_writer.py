# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The user for whom this process writes records of VIFs.

A private daemon serves the user that started the daemon, and the shared daemon a user for each
call. Without a daemon, the user is that of the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _CallUser(threading.local):
    """The user of the call that a thread serves."""

    uid: int | None = None


_call_user = _CallUser()
_process_users: list[int] = []


def set_process_user(uid: int) -> None:
    """Set the user that a private daemon serves."""
    _process_users[:] = [uid]


@contextlib.contextmanager
def writing_for(uid: int) -> Iterator[None]:
    """Set the user of this thread, for the duration of a block."""
    before, _call_user.uid = _call_user.uid, uid
    try:
        yield
    finally:
        _call_user.uid = before


def current_uid() -> int:
    """Return the uid of the user for whom this thread writes records."""
    if _call_user.uid is not None:
        return _call_user.uid
    return _process_users[0] if _process_users else os.getuid()
