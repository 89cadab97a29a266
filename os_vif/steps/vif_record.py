# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the steps that write and delete the record of a VIF, which the engine adds to a plan.

The steps change only files of :mod:`os_vif.host.state.vif_records`. A record that cannot be written
or deleted is logged as a warning, and never fails a plan: without the record only owner and time
are unknown. Both steps delete the mark of garbage collection (:mod:`os_vif.host.state.gc_marks`).
"""

from __future__ import annotations

import dataclasses
import errno
import logging
import math
import time
from typing import TYPE_CHECKING, ClassVar

from os_vif.host.state import gc_marks, record_writer, vif_records
from os_vif.host.state.directory import STATE
from os_vif.host.state.vif_records import MAX_DOCUMENT, MAX_OWNER, MAX_TEXT, VifRecord
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

LOG = logging.getLogger(__name__)

#: Maximal number of bytes of the path of a network namespace.
_MAX_PATH = 1024


@dataclasses.dataclass(frozen=True)
class _RecordStep(KernelStep):
    is_counted: ClassVar[bool] = False

    #: Id of the VIF, or the name of the device of a VIF without an id.
    vif_id: str
    #: Name of the plugin of the VIF. The record of another plugin stays.
    plugin: str = dataclasses.field(default="", kw_only=True)

    @property
    def device(self) -> str:
        """The name of the lock of the record."""
        return vif_records.lock_name(self.vif_id)

    def validate(self) -> None:
        validate.text(self, "vif_id", MAX_TEXT)
        validate.text(self, "plugin", MAX_TEXT)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        # The record does not affect packets.
        return ()


@dataclasses.dataclass(frozen=True)
class WriteVifRecord(_RecordStep):
    """The record of a VIF in ``/run/os-vif`` has an owner, an instance, and a document."""

    owner: str
    document: str
    instance_uuid: str = ""
    instance_name: str = ""
    #: Seconds since the epoch; None keeps the time of the present record, or is the present time.
    since: float | None = None
    #: Keep the owner of the present record.
    keep_owner: bool = False
    #: The user of the record; None for the user of the present record, or of the call.
    uid: int | None = None
    #: The network namespace of the pod, and the interface in the pod; see :class:`VifRecord`. None
    #: keeps the value of the present record.
    netns: str | None = None
    netns_id: str | None = None
    ifname: str | None = None

    def validate(self) -> None:
        super().validate()
        validate.text(self, "owner", MAX_OWNER)
        validate.text(self, "document", MAX_DOCUMENT)
        validate.text(self, "instance_uuid", MAX_TEXT)
        validate.text(self, "instance_name", MAX_TEXT)
        since = self.since
        if since is not None and (
            isinstance(since, bool) or not isinstance(since, int | float) or not _is_time(since)
        ):
            validate.reject(self, "since", "seconds since the epoch")
        validate.boolean(self, "keep_owner")
        validate.text(self, "netns", _MAX_PATH, optional=True)
        for name in ("netns_id", "ifname"):
            validate.text(self, name, MAX_TEXT, optional=True)
        uid = self.uid
        if uid is not None and (
            isinstance(uid, bool) or not isinstance(uid, int) or not 0 <= uid < 1 << 32
        ):
            validate.reject(self, "uid", "the number of a user")

    def commands(self) -> tuple[str, ...]:
        return (f"# {STATE} notes that {self.owner} plugged {self.device}",)

    def holds(self, net: Netlink) -> bool:
        if gc_marks.read(net, self.vif_id) is not None:
            return False
        # The incomplete file of a killed process is replaced by the next write, or deleted.
        present = vif_records.read_record(net, self.vif_id)
        return (
            present is not None
            and self.plugin == present.plugin
            and self.document == present.document
            and (self.keep_owner or self.owner == present.owner)
            and self.instance_uuid == present.instance_uuid
            and self.instance_name == present.instance_name
            and self.since in (None, present.since)
            and self.uid in (None, present.uid)
            and self.netns in (None, present.netns)
            and self.netns_id in (None, present.netns_id)
            and self.ifname in (None, present.ifname)
        )

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        _delete_mark(net, self.vif_id)
        present = vif_records.read_record(net, self.vif_id)
        wanted = self._wanted(present)
        if wanted == present:
            return ()
        try:
            vif_records.write_record(net, wanted)
        except OSError as error:
            LOG.warning("The owner of VIF %s is not recorded: %s", self.vif_id, error.strerror)
            return ()
        if present is None:
            return (DeleteVifRecord(self.vif_id, plugin=self.plugin),)
        return (_restore(present),)

    def _wanted(self, present: VifRecord | None) -> VifRecord:
        """Return the record to write, given the present one."""
        since = self.since
        if present is not None and not present.is_of(self.plugin):
            # The VIF of the other plugin loses the record, as two VIFs have one id.
            present = None
        if since is None:
            since = time.time() if present is None else present.since
        uid = self.uid
        if uid is None:
            uid = record_writer.current_uid() if present is None else present.uid
        is_kept = self.keep_owner and present is not None
        return VifRecord(
            vif_id=self.vif_id,
            owner=present.owner if is_kept and present is not None else self.owner,
            since=float(since),
            document=self.document,
            instance_uuid=self.instance_uuid,
            instance_name=self.instance_name,
            plugin=self.plugin,
            uid=uid,
            netns=self._kept("netns", present),
            netns_id=self._kept("netns_id", present),
            ifname=self._kept("ifname", present),
        )

    def _kept(self, name: str, present: VifRecord | None) -> str:
        """Return the text of a field, or that of the present record."""
        value = getattr(self, name)
        return str(value if value is not None else getattr(present, name, ""))


@dataclasses.dataclass(frozen=True)
class DeleteVifRecord(_RecordStep):
    """A VIF has no record in ``/run/os-vif``. The record of another plugin with the id stays."""

    def commands(self) -> tuple[str, ...]:
        return (f"# {STATE} notes no longer that {self.device} is plugged",)

    def holds(self, net: Netlink) -> bool:
        present = vif_records.read_record_once(net, self.vif_id)
        if present is not None and not present.is_of(self.plugin):
            return True
        has_mark = gc_marks.read(net, self.vif_id) is not None
        return not has_mark and not vif_records.has_record(net, self.vif_id)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        present = vif_records.read_record_once(net, self.vif_id)
        if present is not None and not present.is_of(self.plugin):
            return ()
        _delete_mark(net, self.vif_id)
        try:
            vif_records.delete_record(net, self.vif_id)
        except OSError as error:
            LOG.warning("The record of VIF %s is not deleted: %s", self.vif_id, error.strerror)
            return ()
        return () if present is None else (_restore(present),)


@dataclasses.dataclass(frozen=True)
class RequireVifMark(_RecordStep):
    """A VIF has the mark of garbage collection with a token: no plug since the mark was set.

    The daemon checks the step before the first change of a call.
    """

    #: No mark has an empty token.
    token: str = ""

    def validate(self) -> None:
        super().validate()
        if self.token != "":
            validate.hexadecimal(self, "token", 16)

    def commands(self) -> tuple[str, ...]:
        return (f"# {self.device} has not been plugged again",)

    def holds(self, net: Netlink) -> bool:
        return gc_marks.read(net, self.vif_id) == self.token

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if not self.holds(net):
            raise OSError(errno.ECANCELED, self.reason)
        return ()

    @property
    def reason(self) -> str:
        """The text of the error."""
        return f"VIF {self.vif_id} was plugged again, or unplugged"


def _delete_mark(net: Netlink, vif_id: str) -> None:
    try:
        gc_marks.delete(net, vif_id)
    except OSError as error:
        LOG.warning("The mark of VIF %s is not deleted: %s", vif_id, error.strerror)


def _restore(record: VifRecord) -> WriteVifRecord:
    """Return the step that writes a record as read."""
    return WriteVifRecord(
        record.vif_id,
        record.owner,
        record.document,
        record.instance_uuid,
        record.instance_name,
        record.since,
        plugin=record.plugin,
        uid=record.uid,
        netns=record.netns,
        netns_id=record.netns_id,
        ifname=record.ifname,
    )


def _is_time(since: float) -> bool:
    return math.isfinite(since) and 0 <= since < 1 << 40
