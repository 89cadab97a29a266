# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Garbage collection: removal of the VIFs that no keep list names.

``collect()`` reads the inventory once, and unplugs the collectable VIFs through their plugins, in
batches (``os_vif.operations.batch``). A VIF is collectable if the keep list does not name the VIF, the
owner matches, the plug is older than the grace period, and several collections in succession have
found the VIF so. The age of a VIF without a record, and of an empty bridge of os-vif, counts from the
first collection. A VIF that is plugged again during the collection stays: the identity of its devices
and record is read again immediately before the batch. Integration bridges, and devices without a mark,
record or name of os-vif, are never removed.

The observations are in ``/run/os-vif/gc.json``, which ends with a reboot as the devices do.
``/run/os-vif/gc.lock`` excludes a second collection; the kernel releases the lock of a killed process.
"""

from os_vif.operations.collect.collect_results import Collected, CollectOutcome, CollectReport
from os_vif.operations.collect.collect_rules import Rules, owners_of
from os_vif.operations.collect.collection import Keep, collect

__all__ = [
    "CollectOutcome",
    "CollectReport",
    "Collected",
    "Keep",
    "Rules",
    "collect",
    "owners_of",
]
