# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""OpenTelemetry spans: a span for each operation, with a child span for each step.

The module needs ``opentelemetry-api``: install ``os-vif[otel]``. Without an OpenTelemetry SDK in the
program, the spans have no effect. The parent of a span is the current span of the calling thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import os_vif
from os_vif.operations.report import StepState

try:
    from opentelemetry import trace
except ImportError as error:
    raise ImportError(
        "OpenTelemetry spans need opentelemetry-api: install 'os-vif[otel]>=6.0'"
    ) from error

if TYPE_CHECKING:
    from os_vif.engine.step_records import StepRecord
    from os_vif.operations.observers import Observation
    from os_vif.operations.report import Report

#: Name of the instrumentation scope.
_SCOPE = "os_vif"
_NANOSECONDS = 1_000_000_000


def instrument(tracer_provider: trace.TracerProvider | None = None) -> Observation:
    """Create spans for all later operations of the process.

    :param tracer_provider: None uses the global provider of OpenTelemetry.
    :returns: a handle; ``remove()`` stops the creation of spans.
    """
    return os_vif.observe(SpanObserver(tracer_provider))


class SpanObserver:
    """An observer that creates the spans of a report.

    :param tracer_provider: None uses the global provider of OpenTelemetry.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)

    def __call__(self, report: Report) -> None:
        """Create the span of an operation, and the spans of the steps."""
        span = self._tracer.start_span(
            f"os_vif.{report.operation}",
            start_time=_nanoseconds(report.started),
            attributes=_operation_attributes(report),
        )
        end = report.started + report.seconds
        context = trace.set_span_in_context(span)
        previous_end = report.started
        for record in report.steps:
            if record.state is not StepState.NOT_RUN:
                previous_end = self._add_step(record, context, previous_end, end)
        if report.error is not None:
            span.set_status(trace.Status(trace.StatusCode.ERROR, report.error))
            exception = {
                "exception.type": report.error_type or "",
                "exception.message": report.error,
            }
            span.add_event("exception", exception, timestamp=_nanoseconds(end))
        span.end(_nanoseconds(end))

    def _add_step(
        self, record: StepRecord, context: Any, previous_end: float, limit: float
    ) -> float:
        """Create the span of a step; return the end of the span.

        :param previous_end: the start of a step without a time of its own, which changed nothing.
        :param limit: the end of the operation.
        """
        start = min(record.started or previous_end, limit)
        end = min(start + record.seconds, limit)
        span = self._tracer.start_span(
            f"os_vif.step.{record.name}",
            context=context,
            start_time=_nanoseconds(start),
            attributes={
                "os_vif.step.device": record.step.device,
                "os_vif.step.state": str(record.state),
                "os_vif.step.commands": record.step.commands(),
                "os_vif.step.undo": record.undo,
                "os_vif.step.differences": [
                    f"{d.attribute}: {d.found} -> {d.expected}" for d in record.differences
                ],
            },
        )
        if record.state in (StepState.FAILED, StepState.LEFT):
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(_nanoseconds(end))
        return end


def _operation_attributes(report: Report) -> dict[str, str | int]:
    """Return the attributes of the span of an operation."""
    return {
        "os_vif.operation": report.operation,
        "os_vif.outcome": str(report.outcome),
        "os_vif.plugin": report.plugin,
        "os_vif.vif.id": report.vif_id,
        "os_vif.vif.kind": report.kind,
        "os_vif.instance.uuid": report.instance_uuid,
        "os_vif.steps.changed": report.changed,
    }


def _nanoseconds(seconds: float) -> int:
    """Return a time of OpenTelemetry.

    :param seconds: seconds since the epoch.
    """
    return int(seconds * _NANOSECONDS)
