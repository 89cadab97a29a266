# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The limits of the shared privileged daemon, which protect the callers from each other."""

from __future__ import annotations

import os
import resource
from typing import NamedTuple

#: Descriptors of the daemon for locks, netlink and programs.
_OTHER_DESCRIPTORS = 256


class Limits(NamedTuple):
    """The limits of a daemon."""

    #: Number of worker threads. A user occupies all threads but the last.
    threads: int = max(8, os.cpu_count() or 1) + 1
    #: Running and waiting calls of a user. A further call is refused.
    calls_per_user: int = 256
    #: Open connections, of all users and of one user. A further connection is refused.
    connections: int = 1024
    connections_per_user: int = 512
    #: Received bytes of unfinished messages of a user.
    bytes_per_user: int = 32 * 2**20
    #: Seconds for the rest of a message after the first byte, and for the first message.
    message_timeout: float = 10.0
    #: Seconds for a caller to receive an answer.
    answer_timeout: float = 30.0


def require_descriptors(connections: int) -> None:
    """Raise the limit of open files of the process for a number of connections.

    :raises ValueError: if the hard limit of the process is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ValueError(
                f"[os_vif_privileged]max_connections is {connections}, for which the daemon needs "
                f"{needed} open files; the limit of the process is {hard} (LimitNOFILE= of systemd)"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
