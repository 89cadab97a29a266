# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs the real neutron for tests, and the networks that neutron controls.

* :mod:`tests.support.neutron.api`: a client of the API;
* :mod:`tests.support.neutron.server`: the API server, with SQLite;
* :mod:`tests.support.neutron.ovn`: OVN, which needs no message queue.

All servers listen on the loopback interface of a private network namespace. Each process that a
module starts is a child of the test or has a pid file, and is ended by process id.
"""
