# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Transactions of SQLite for a neutron with several threads and processes.

Import the module before neutron. oslo.db starts each transaction with BEGIN. A transaction of reads
followed by a write then fails with "database is locked" after a write of another transaction. With
BEGIN IMMEDIATE, the transactions run in turn.

A transaction that could wait for a thread that waits for the transaction starts with BEGIN. In the
WAL mode, reads of the transaction need no lock; a write fails soon.

* A second transaction of a thread: neutron reads in a new session inside a transaction.
* A transaction in the thread of an OVSDB connection: the API waits for replies of the thread inside
  a transaction. The only write of the thread is the heartbeat of the hash ring, and neutron repeats
  a failed heartbeat.
"""

from __future__ import annotations

import threading

import sqlalchemy
import sqlalchemy.event
from ovsdbapp.backend.ovs_idl.connection import Connection

#: The open transactions of a thread.
_local = threading.local()


def _open_connections() -> set[int]:
    """Return the connections with a transaction of this thread."""
    if not hasattr(_local, "connections"):
        _local.connections = set()
    return _local.connections


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "begin")
def begin_transaction(connection: sqlalchemy.Connection) -> None:
    """Start a transaction, and lock the database if the transaction may wait."""
    if "in_transaction" in connection.info:
        return
    # oslo.db starts no transaction if the flag is set, and removes the flag at the end.
    connection.info["in_transaction"] = True
    target = getattr(threading.current_thread(), "_target", None)
    held = _open_connections()
    if held or isinstance(getattr(target, "__self__", None), Connection):
        connection.execute(sqlalchemy.text("PRAGMA busy_timeout = 50"))
        connection.execute(sqlalchemy.text("BEGIN"))
    else:
        connection.execute(sqlalchemy.text("BEGIN IMMEDIATE"))
    held.add(id(connection.connection.dbapi_connection))


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "commit")
@sqlalchemy.event.listens_for(sqlalchemy.Engine, "rollback")
def end_transaction(connection: sqlalchemy.Connection) -> None:
    """Note the end of a transaction."""
    _open_connections().discard(id(connection.connection.dbapi_connection))
