# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The rules for records of VIFs, a part of :mod:`os_vif.engine.privileged.policy`.

A record belongs to the user that first wrote the record. Only the same user and root change or
delete the record. A user other than root has at most :data:`MAX_RECORDS` records, and cannot set
the time of a record. A refused step is skipped with a warning, and never fails a plan: without the
record only owner and time are unknown.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from os_vif.engine.privileged.host_view import refused
from os_vif.host.state import record_writer, vif_records

if TYPE_CHECKING:
    from os_vif.engine.privileged.host_view import HostView
    from os_vif.host.state.vif_records import VifRecord
    from os_vif.steps.vif_record import DeleteVifRecord, WriteVifRecord

LOG = logging.getLogger(__name__)

#: Maximal number of records of a user in a network namespace.
MAX_RECORDS = 4096
#: The users whose limit has been logged.
_logged: set[int] = set()
_guard = threading.Lock()


def write(view: HostView, step: WriteVifRecord) -> None:
    """Decide about writing a record."""
    user = record_writer.current_uid()
    if user == 0:
        return
    present = vif_records.read_record(view.net, step.vif_id)
    _require_own(step, present, user)
    if step.since is not None and (present is None or step.since != present.since):
        raise refused(step, "only the daemon sets the time of a record")
    if step.uid not in (None, user):
        raise refused(step, "only the daemon sets the user of a record")
    if present is None and vif_records.count_records(view.net, user, MAX_RECORDS) >= MAX_RECORDS:
        with _guard:
            is_new = user not in _logged
            _logged.add(user)
        if is_new:
            LOG.warning(
                "User %d has %d records of VIFs, the maximum; owner and time of further VIFs are "
                "not recorded",
                user,
                MAX_RECORDS,
            )
        raise refused(step, f"the user has {MAX_RECORDS} records of VIFs")


def delete(view: HostView, step: DeleteVifRecord) -> None:
    """Decide about deleting a record."""
    user = record_writer.current_uid()
    if user:
        _require_own(step, vif_records.read_record(view.net, step.vif_id), user)


def _require_own(
    step: WriteVifRecord | DeleteVifRecord, present: VifRecord | None, user: int
) -> None:
    """Refuse a step on the record of another user. A record of an earlier build has no user."""
    if present is not None and present.uid not in (None, user):
        LOG.warning(
            "The record of VIF %s belongs to user %s; user %d cannot change or delete the record",
            step.vif_id,
            present.uid,
            user,
        )
        raise refused(step, "the record belongs to another user")
