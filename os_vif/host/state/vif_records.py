# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of the plugged VIFs: owner, time of the plug, instance, and document.

The privileged daemon writes a record before the first change of a plug, and deletes the record
after the last change of an unplug. Without a record, owner and time are unknown.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class VifRecord:
    """The record of a plugged VIF."""

    #: ``vif.id``; of a VIF without an id, ``vif.vif_name``.
    vif_id: str
    #: ``[os_vif] owner`` of the last process with a plug.
    owner: str
    #: Seconds since the epoch, of the first plug.
    since: float
    #: The VIF, as a document of :func:`os_vif.serialization.dumps`.
    document: str
    #: UUID and name of the virtual machine or pod; empty if unknown.
    instance_uuid: str = ""
    instance_name: str = ""
