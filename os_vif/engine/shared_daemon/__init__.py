# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the shared privileged daemon, which serves all processes of a host.

``process`` starts the daemon, ``server`` reads and writes the connections in a thread,
``call_queue`` distributes the calls to worker threads, and ``dispatch`` runs a call with the
functions of the private daemons: the same steps, validation, policy and locks.
"""
