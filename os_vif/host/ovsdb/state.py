# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The states of a connection to ovsdb-server."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """The state of a connection."""

    #: No server has answered yet. A server that cannot be reached is an error at once.
    DISCONNECTED = enum.auto()
    #: The stream is from the pool, and the server may have closed the stream since.
    POOLED = enum.auto()
    #: The server has answered on the open stream.
    CONNECTED = enum.auto()
    #: The connection was lost after an answer. The server may have been restarted, so attempts
    #: to connect are repeated until the deadline.
    LOST = enum.auto()
    #: The answer was no OVSDB. A retry is useless.
    NOT_OVSDB = enum.auto()
