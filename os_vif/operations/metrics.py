# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Metrics for Prometheus, with the library ``prometheus_client`` (extra ``os-vif[metrics]``).

:class:`HostMetrics` exports the VIFs of ``os-vif watch``. :class:`PlugSeconds` is an observer for
:func:`os_vif.observe`, which any program may register to export the duration of plugs.
"""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from os_vif.operations import observations
from os_vif.operations.plugged import State

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from os_vif.operations.report import Report
    from os_vif.operations.watch import Watch, Watched

#: Upper bounds in seconds. A plug of a right VIF takes a millisecond; the first plug of a process
#: starts the privileged daemon.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LABELS = ("plugin", "kind", "owner", "state")
#: The owner label of VIFs without a record.
UNKNOWN_OWNER = "unknown"


class PlugSeconds:
    """An observer that exports the histogram ``os_vif_plug_seconds``.

    Use as ``os_vif.observe(PlugSeconds(registry))``.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the histogram.

        :raises ValueError: if the registry has the histogram already.
        """
        self._histogram = Histogram(
            "os_vif_plug_seconds",
            "Duration of plugs and unplugs",
            ("operation", "plugin", "kind", "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def __call__(self, report: Report) -> None:
        """Record the duration of a plug or unplug."""
        if report.operation in ("plug", "unplug"):
            labels = report.operation, report.plugin, report.kind, str(report.outcome)
            self._histogram.labels(*labels).observe(report.seconds)


class HostMetrics(Collector):
    """The collector of the VIFs of a watch, of repairs, and of removals by ``os-vif gc``.

    The values of a watch are copied by :meth:`update` in the thread of the watch; a scrape in
    another thread reads the copy.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._counts: dict[tuple[str, str, str, str], int] = {}
        #: Plugin and id of each VIF that is left over.
        self._left_over: frozenset[tuple[str, str]] = frozenset()
        self._repairs: dict[str, int] = {}
        self.update()

    def update(self) -> None:
        """Copy the values of the watch."""
        watched = list(self._watch.vifs.values())
        self._counts = dict(collections.Counter(map(_labels, watched)))
        self._left_over = frozenset(
            (w.entry.plugin, w.entry.id) for w in watched if w.state is State.LEFT_OVER
        )
        self._repairs = dict(self._watch.repairs)

    def describe(self) -> Iterable[Metric]:
        """Return no descriptions, so that the registry does not collect at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        vifs = GaugeMetricFamily("os_vif_vifs", "VIFs on the host", labels=_LABELS)
        for labels, number in sorted(self._counts.items()):
            vifs.add_metric(labels, number)
        yield vifs
        seen = observations.read()
        left_over = {seen.key(*names) for names in self._left_over}
        yield GaugeMetricFamily(
            "os_vif_stale",
            "VIFs that the last run of os-vif gc found not in use, and remains of unplugged VIFs",
            value=len(left_over | seen.keys()),
        )
        repairs = CounterMetricFamily(
            "os_vif_repairs", "Plugs by os-vif watch --repair", labels=["outcome"]
        )
        for outcome, number in sorted(self._repairs.items()):
            repairs.add_metric([outcome], number)
        yield repairs
        yield CounterMetricFamily(
            "os_vif_gc_removed", "VIFs removed by os-vif gc since the boot", value=seen.removed
        )


def _labels(watched: Watched) -> tuple[str, str, str, str]:
    entry = watched.entry
    return entry.plugin, entry.kind, entry.owner or UNKNOWN_OWNER, str(watched.state)


def export(target: str | tuple[str, int], registry: CollectorRegistry) -> Callable[[], None]:
    """Export a registry to a file or over HTTP; return the function that updates the export.

    :param target: path of a file, which is replaced atomically, as the textfile collector of
        node_exporter needs; or address and port of the HTTP server.
    :raises OSError: if the file cannot be written, or the address cannot be bound.
    """
    if isinstance(target, tuple):
        host, port = target
        start_http_server(port, addr=host, registry=registry)
        return lambda: None
    path = str(pathlib.Path(target).absolute())

    def write() -> None:
        write_to_textfile(path, registry)

    write()
    return write
