# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reports: the result of an operation on a VIF, step by step."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import TYPE_CHECKING, Any

from os_vif.engine.step_records import StepRecord, StepState
from os_vif.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from os_vif.steps.plan import Difference, Step

__all__ = ["Outcome", "Report", "StepRecord", "StepState"]


class Outcome(enum.StrEnum):
    """The result of an operation."""

    #: The host was right before: no step has changed the host.
    HELD = "held"
    #: The host has been changed, without a failure.
    CHANGED = "changed"
    #: The plugin acts without a plan: the operation succeeded, and the changes are unknown.
    DONE = "done"
    #: The operation was a check, and has found differences that are not pending.
    DIFFERS = "differs"
    #: The operation failed, and all changes were rolled back.
    UNDONE = "undone"
    #: The operation failed, and changes remain, or may remain, on the host.
    LEFT = "left"
    #: The operation failed before the first change.
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a plug, an unplug or a check.

    :func:`os_vif.apply` returns a report, and observers receive the report of each operation.
    ``str(report)`` is a text with a line for each step; :meth:`to_dict` returns plain data.
    """

    #: ``plug``, ``unplug`` or ``check``.
    operation: str
    #: Name of the plugin.
    plugin: str
    #: Name of the VIF's class, such as ``VIFBridge``.
    kind: str
    #: ``vif.id``; of a VIF without an id, ``vif.vif_name``; else empty.
    vif_id: str
    #: UUID and name of the virtual machine or pod; empty if unknown.
    instance_uuid: str
    instance_name: str
    outcome: Outcome
    #: The time when the operation began, in seconds since the epoch.
    started: float
    #: Seconds of the operation.
    seconds: float
    #: The steps of the plan in order. Empty for a check, and for a plugin that acts without a plan.
    steps: tuple[StepRecord, ...] = ()
    #: A sentence for each bridge that an unplug has kept.
    remaining: tuple[str, ...] = ()
    #: The differences of a check.
    differences: tuple[Difference, ...] = ()
    #: Text of the error; None without an error.
    error: str | None = None
    #: Name of the error's class, such as ``PlugException``; None without an error.
    error_type: str | None = None

    @property
    def changed(self) -> int:
        """Return the number of steps that have changed the host, and were not rolled back."""
        return sum(record.state is StepState.CHANGED for record in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON. Times are in UTC, durations in milliseconds."""
        return {
            "operation": self.operation,
            "outcome": str(self.outcome),
            "vif": self.vif_id,
            "kind": self.kind,
            "plugin": self.plugin,
            "instance": {"uuid": self.instance_uuid, "name": self.instance_name},
            "started": time_text(self.started),
            "milliseconds": round(self.seconds * 1000, 3),
            "changed": self.changed,
            "steps": [record_to_dict(record) for record in self.steps],
            "remaining": list(self.remaining),
            "differences": [difference_to_dict(d) for d in self.differences],
            "error": self.error,
            "error_type": self.error_type,
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        subject = f"{self.operation} of {self.kind} {self.vif_id}".rstrip()
        yield printable(
            f"{subject}: {self.outcome}, {self.changed} of {len(self.steps)} steps changed the "
            f"host, {self.seconds * 1000:.1f} ms"
        )
        for record in self.steps:
            yield from map(printable, record_lines(record))
        yield from map(printable, self.remaining)


def record_lines(record: StepRecord) -> Iterator[str]:
    """Yield a line for a step, and an indented line for each difference."""
    duration = f" in {record.seconds * 1000:.1f} ms" if record.started else ""
    yield f"  {record.state:<8}{record.name} {record.step.device}{duration}"
    for difference in record.differences:
        yield f"          {difference.attribute}: {difference.found} -> {difference.expected}"
    if record.state is StepState.CHANGED and not record.differences:
        yield f"          to undo: {'; '.join(record.undo)}"


def record_to_dict(record: StepRecord) -> dict[str, Any]:
    """Return a step of a report as plain data."""
    return step_to_dict(record.step) | {
        "state": str(record.state),
        "milliseconds": round(record.seconds * 1000, 3),
        "differences": [difference_to_dict(d) for d in record.differences],
        "undo": list(record.undo),
    }


def step_to_dict(step: Step) -> dict[str, Any]:
    """Return the class, the fields and the commands of a step as plain data."""
    return {
        "step": type(step).__name__,
        "device": step.device,
        "fields": {
            field.name: _plain(getattr(step, field.name)) for field in dataclasses.fields(step)
        },
        "commands": list(step.commands()),
    }


def difference_to_dict(difference: Difference) -> dict[str, Any]:
    """Return a difference as plain data: the attribute, and the values from and to."""
    return {
        "device": difference.device,
        "attribute": difference.attribute,
        "from": difference.found,
        "to": difference.expected,
        "pending": difference.pending,
    }


def time_text(seconds: float) -> str:
    """Return a time in the format of RFC 3339, in UTC.

    :param seconds: seconds since the epoch.
    """
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """Return the value of a step's field as data for JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "items"):
        mapping: Mapping[Any, Any] = value
        return {str(key): _plain(entry) for key, entry in mapping.items()}
    if isinstance(value, list | tuple | set | frozenset):
        entries = [_plain(entry) for entry in value]
        return entries if isinstance(value, list | tuple) else sorted(entries, key=str)
    return str(value)
