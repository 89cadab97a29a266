# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the locks and records of os-vif, in the state directory ``/run/os-vif``.

``directory`` reads and writes the files, and ``locks`` locks devices. The records are the users of
a bridge (``bridge_users``), bridges with forwarding rules (``rule_records``), and the owners of
virtual functions (``vf_allocations``). Reading needs no privileges. A writer must hold the lock on
the device of the record.
"""
