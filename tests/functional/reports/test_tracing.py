# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""OpenTelemetry spans, with the SDK of OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.private_namespaces import run

sdk = pytest.importorskip("opentelemetry.sdk.trace")
from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.trace import export  # noqa: E402
from opentelemetry.sdk.trace.export import in_memory_span_exporter  # noqa: E402

from os_vif.operations import tracing  # noqa: E402

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture
def provider():
    return sdk.TracerProvider()


@pytest.fixture
def spans(daemon, provider):
    """Provide a function that returns the finished spans."""
    exporter = in_memory_span_exporter.InMemorySpanExporter()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    with tracing.instrument(provider):
        yield exporter.get_finished_spans


def test_a_plug_is_a_span_with_a_child_for_each_step(vif, spans):
    report = os_vif.apply(vif, INSTANCE)
    *steps, operation = spans()
    assert operation.name == "os_vif.plug"
    assert operation.attributes["os_vif.outcome"] == "changed"
    assert operation.attributes["os_vif.vif.id"] == vif.id
    assert operation.attributes["os_vif.steps.changed"] == report.changed
    assert [span.name for span in steps] == [f"os_vif.step.{r.name}" for r in report.steps]
    for span in steps:
        assert span.parent.span_id == operation.context.span_id
        assert operation.start_time <= span.start_time <= span.end_time <= operation.end_time
    assert steps[0].attributes["os_vif.step.state"] == "changed"
    assert steps[0].attributes["os_vif.step.differences"] == ("device: missing -> a bridge",)


def test_the_parent_is_the_span_of_the_caller(vif, spans, provider):
    with provider.get_tracer("caller").start_as_current_span("spawn") as parent:
        os_vif.plug(vif, INSTANCE)
    operation = next(span for span in spans() if span.name == "os_vif.plug")
    assert operation.parent.span_id == parent.context.span_id


def test_a_failure_is_the_status_of_the_span(vif, spans):
    run("ip link add name brq-test type veth peer name other")
    with pytest.raises(exception.PlugException) as raised:
        os_vif.plug(vif, INSTANCE)
    step, operation = spans()
    assert operation.status.status_code is trace.StatusCode.ERROR
    assert operation.status.description == str(raised.value)
    (event,) = operation.events
    assert event.attributes["exception.type"] == "PlugException"
    assert step.status.status_code is trace.StatusCode.ERROR
    assert step.attributes["os_vif.step.state"] == "failed"


def test_without_opentelemetry_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try:\n    import os_vif.operations.tracing\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert "install 'os-vif[otel]>=6.0'" in done.stdout
