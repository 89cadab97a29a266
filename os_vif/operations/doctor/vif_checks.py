# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A check of the plugged VIFs, by the inventory of the host."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from os_vif.operations import host_inventory
from os_vif.operations.doctor.finding import Host, Status
from os_vif.operations.plugged import State

if TYPE_CHECKING:
    from collections.abc import Iterator

Result = tuple[str, Status, str, str]

#: The advice for each state with a fault.
_ADVICE = {
    State.DIFFERS: "`os-vif list --state differs` lists the VIFs with reasons; "
    "`os-vif repair --all` plugs the VIFs again.",
    State.LEFT_OVER: "`os-vif list --state 'left over'` lists the remains; `os-vif gc` removes "
    "the remains of VIFs without a place in a keep list.",
    State.UNKNOWN: "See the findings above: a plugin, Open vSwitch or the daemon cannot be used.",
}

#: The advice for a host that seems to have no Open vSwitch.
_ABSENT = (
    "With Open vSwitch on this host, see the finding ovs-database. Without Open vSwitch, leave the "
    "plugin out: `os-vif doctor --plugin linux_bridge`."
)


def check_vifs(host: Host) -> Iterator[Result]:
    """Yield a result for each state with a fault, and for each source that cannot be read."""
    inventory = host_inventory.take_inventory(host.plugins, {})
    for text in inventory.errors:
        yield "", Status.SKIPPED, f"the inventory is incomplete: {text}", "See the findings above."
    counts = collections.Counter(entry.state for entry in inventory)
    noun = "VIF" if len(inventory) == 1 else "VIFs"
    wrong = [state for state in _ADVICE if counts[state]]
    for state in wrong:
        found = f"{counts[state]} of {len(inventory)} {noun} on this host: {state}"
        yield str(state), Status.WARNING, found, _ADVICE[state]
    right = "" if wrong else f"{len(inventory)} {noun} found, none differs; "
    for text in inventory.absent:
        found = f"{right}VIFs with a port of Open vSwitch would be missing: {text}"
        yield "", Status.SKIPPED, found, _ABSENT
    if not wrong and not inventory.errors and not inventory.absent:
        yield "", Status.OK, f"{len(inventory)} {noun} on this host, none differs", ""
