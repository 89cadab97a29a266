# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: a client of the database ``Open_vSwitch`` of ovsdb-server (RFC 7047).

The client keeps no copy of the tables. Each plan selects the rows of its own ports by name, so
that the duration of a plan does not grow with the number of ports of the switch.

================================================  =================================================
``notation``, ``query``                           values, rows and queries of RFC 7047
``replies``, ``database_schema``                  checks of answers; the columns that a database has
``deadline``, ``tls``, ``remotes``                timeout, addresses and certificates
``framing``, ``server_socket``, ``stream``        JSON-RPC messages: bytes, sockets, streams
``pool``, ``connection_state``                    idle streams; the state and locks of a connection
``request_channel``                               requests, and the answers to them
``connection``                                    the connection of a plan to one of the servers
``snapshot``, ``transaction``                     the rows read for a transaction; the operations
``table_snapshot``                                complete tables, for reads about many ports
``port_tables``                                   all ports of a switch, for the inventory
``lookups``                                       reads that plugins need before a plan
``row_monitor``                                   notifications about changed rows
================================================  =================================================

A module imports modules of the same row and of the rows above. The package knows neither steps
nor VIFs.
Connections, snapshots and transactions belong to one thread; the pool serves all threads.
No privileges are needed beyond access to the socket. Errors are
:class:`os_vif.exception.OvsdbError`; the modules up to ``stream`` raise :class:`OSError`.
"""
