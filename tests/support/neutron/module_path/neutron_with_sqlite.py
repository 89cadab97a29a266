# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Transactions of SQLite for a neutron with several threads and processes.

Import the module before neutron. oslo.db starts each transaction with BEGIN. A transaction of reads
followed by a write then fails with "database is locked" after a write of another transaction. With
BEGIN IMMEDIATE, the transactions run in turn.

The thread of an OVSDB connection must not wait for a transaction, because a transaction may wait
for the thread. In the WAL mode reads need no lock. The only write of the thread is the heartbeat of
the hash ring, and neutron repeats a failed heartbeat.
"""

from __future__ import annotations

import threading

import sqlalchemy
import sqlalchemy.event
from ovsdbapp.backend.ovs_idl.connection import Connection


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "begin")
def begin_transaction(connection: sqlalchemy.Connection) -> None:
    """Start a transaction, and lock the database, except in the thread of a connection."""
    if "in_transaction" in connection.info:
        return
    # oslo.db starts no transaction if the flag is set, and removes the flag at the end.
    connection.info["in_transaction"] = True
    target = getattr(threading.current_thread(), "_target", None)
    if isinstance(getattr(target, "__self__", None), Connection):
        connection.execute(sqlalchemy.text("PRAGMA busy_timeout = 50"))
        connection.execute(sqlalchemy.text("BEGIN"))
    else:
        connection.execute(sqlalchemy.text("BEGIN IMMEDIATE"))
