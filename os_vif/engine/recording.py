# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Creates the record of a VIF: owner, instance, and the VIF as a document.

:func:`record_of` returns the record of a plan. :func:`step_for` returns the step for the engine,
which writes or deletes the record.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from os_vif.host.state.vif_records import MAX_DOCUMENT, MAX_OWNER, MAX_TEXT, VifRecord
from os_vif.steps.trust import trusted
from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark, WriteVifRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)

#: The owner of a program without a name, and the names of files that are no name of a program.
UNNAMED = "python"
_UNNAMED_FILES = ("", "-", "-c", "-m", "__main__.py")
_NO_MARKS: Mapping[str, str] = {}
_marks: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar(
    "marks", default=_NO_MARKS
)
_keeps_owner: contextvars.ContextVar[bool] = contextvars.ContextVar("keeps_owner", default=False)


def with_record(
    plan: Plan, vif: Any, instance_info: Any, pod: tuple[str, str, str] = ("", "", "")
) -> Plan:
    """Return a plan with the record of a VIF. The record of an unplug has no document.

    :param pod: the fields ``netns``, ``netns_id`` and ``ifname`` of the record.
    """
    record = record_of(vif, instance_info, is_plug=not plan.forward)
    if record is not None and any(pod):
        netns, netns_id, ifname = pod
        record = dataclasses.replace(record, netns=netns, netns_id=netns_id, ifname=ifname)
    return plan.with_record(record)


def record_of(vif: Any, instance_info: Any, *, is_plug: bool = True) -> VifRecord | None:
    """Return the record of a VIF; None for a VIF without an id and a name.

    The document is empty for an unplug, for a VIF that cannot be serialized, and for a document
    longer than ``MAX_DOCUMENT``.
    """
    vif_id = _field(vif, "id") or _field(vif, "vif_name")
    if not vif_id:
        return None
    return VifRecord(
        vif_id=vif_id,
        owner=owner(),
        since=0.0,
        document=_document(vif) if is_plug else "",
        instance_uuid=_field(instance_info, "uuid"),
        instance_name=_field(instance_info, "name"),
        plugin=_field(vif, "plugin"),
    )


def owner() -> str:
    """Return the owner for the VIFs of the calling process.

    The owner is ``[os_vif] owner``. The default is the name of the project or program in
    oslo.config, or the name of Python's main file.
    """
    conf = cfg.CONF
    try:
        configured = conf.os_vif.owner
    except cfg.NoSuchOptError:
        # os_vif.initialize() has not registered the option.
        configured = None
    # A program that has not called CONF() has neither project nor prog.
    if configured and (text := _printable(str(configured).strip(), MAX_OWNER)):
        return text
    for name in (getattr(conf, "project", None), getattr(conf, "prog", None)):
        # The default of CONF.prog is the file name of sys.argv[0].
        text = _printable(str(name or "").strip(), MAX_OWNER)
        if text not in _UNNAMED_FILES:
            return text
    file = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - on every plug
    return UNNAMED if file in _UNNAMED_FILES else _printable(file, MAX_OWNER)


def inputs() -> tuple[str, bool]:
    """Return everything apart from the plan that the step for the record of a plug depends on."""
    return owner(), _keeps_owner.get()


@contextlib.contextmanager
def keeping_owner() -> Iterator[None]:
    """Keep the owner of a VIF with a record, for plugs inside the block.

    A repair by an operator does not change the owner.
    """
    token = _keeps_owner.set(True)
    try:
        yield
    finally:
        _keeps_owner.reset(token)


@contextlib.contextmanager
def requiring_marks(tokens: Mapping[str, str]) -> Iterator[None]:
    """Require the marks of garbage collection for unplugs inside the block.

    :param tokens: the token of the mark, by the id of the record of the VIF.
    """
    token = _marks.set(tokens)
    try:
        yield
    finally:
        _marks.reset(token)


def required_marks(
    records: Iterable[WriteVifRecord | DeleteVifRecord],
) -> tuple[RequireVifMark, ...]:
    """Return the steps for the required marks of the VIFs of records; empty outside of a collection."""
    tokens = _marks.get()
    if not tokens:
        return ()
    return tuple(
        RequireVifMark(step.vif_id, tokens[step.vif_id])
        for step in records
        if isinstance(step, DeleteVifRecord) and step.vif_id in tokens
    )


def step_for(plan: Plan) -> WriteVifRecord | DeleteVifRecord | None:
    """Return the step for the record of a plan; None for a plan without a record."""
    record = plan.record
    if record is None:
        return None
    if plan.forward:
        return DeleteVifRecord(record.vif_id, plugin=record.plugin)
    # The daemon validates the step again.
    with trusted():
        return WriteVifRecord(
            record.vif_id,
            record.owner,
            record.document,
            record.instance_uuid,
            record.instance_name,
            keep_owner=_keeps_owner.get(),
            plugin=record.plugin,
            # A plug on the host, such as a repair, does not move the pod.
            netns=record.netns or None,
            netns_id=record.netns_id or None,
            ifname=record.ifname or None,
        )


def _document(vif: Any) -> str:
    """Return a VIF as a document; an empty text if serialization fails."""
    from os_vif import serialization

    try:
        document = serialization.dumps(vif)
    except Exception as error:  # noqa: BLE001 - a class of a third party may raise any error
        LOG.debug("The record of a VIF has no document: %s", error)
        return ""
    if len(document) > MAX_DOCUMENT:
        LOG.debug("The record of a VIF has no document: %d characters", len(document))
        return ""
    # JSON escapes every unprintable character of ASCII except DEL.
    return document.replace("\x7f", r"\u007f")


def _field(obj: Any, name: str) -> str:
    """Return a text field of an object; an empty text if the field is unset."""
    try:
        value = getattr(obj, name, None)
    except NotImplementedError:
        # oslo.versionedobjects raises NotImplementedError for an unset field.
        return ""
    return _printable(str(value), MAX_TEXT) if value is not None else ""


def _printable(text: str, most: int) -> str:
    """Return a text with ? for unprintable characters, cut to *most* bytes in UTF-8."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    data = text.encode()
    return text if len(data) <= most else data[:most].decode(errors="ignore")
