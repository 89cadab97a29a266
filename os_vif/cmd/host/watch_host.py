# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif watch``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from cliff import command

import os_vif
from os_vif import exception
from os_vif.cmd import exit_codes, main
from os_vif.cmd.host.durations import parse_duration
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.operations.host_events import HostEvents
    from os_vif.operations.watch import Notice, Watch

LOG = logging.getLogger("os-vif")

#: The address of the metrics without a host name: other hosts have no access.
_LOOPBACK = "127.0.0.1"
_MAX_PORT = 65535
#: Seconds between two writes of a file with metrics: os-vif gc changes the values, too.
_REFRESH = 60.0
#: Escape sequence of ECMA-48: cursor to the first column of the first line, and erase the screen.
_CLEAR = "\x1b[H\x1b[2J"


class WatchHost(main.Escaping, command.Command):
    """Report each difference between this host and a plugged VIF, until SIGINT or SIGTERM."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "-f",
            "--format",
            choices=("json", "yaml", "table"),
            default=None,
            help="json: a line for each difference; yaml: a document for each difference; table: a table of the present differences. By "
            "default a table on a terminal, and lines otherwise",
        )
        parser.add_argument(
            "--repair",
            type=parse_duration,
            default=None,
            metavar="AFTER",
            help="plug a VIF again after AFTER with the same difference, such as 30s or 5m; by "
            "default nothing is changed",
        )
        parser.add_argument(
            "--metrics",
            type=_parse_target,
            default=None,
            metavar="FILE|ADDRESS",
            help="export metrics for Prometheus to FILE, or by HTTP on HOST:PORT, [HOST]:PORT or "
            "PORT; the default host is 127.0.0.1",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args)
        except main.BadInputError as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return exit_codes.EXIT_BAD_INPUT
        except exception.ExceptionBase as error:
            if self.app_args and self.app_args.debug:
                raise
            LOG.error("%s", error)  # noqa: TRY400
            return exit_codes.EXIT_FAILED

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Report differences until a signal, or until the reader of the output closes the pipe."""
        from os_vif.operations.host_events import HostEvents, open_vswitch
        from os_vif.operations.watch import Watch

        shows_table = parsed_args.format == "table" or (
            parsed_args.format is None and self.app.stdout.isatty()
        )
        screen = _Screen(self.app.stdout)
        report = (
            screen.note
            if shows_table
            else _notice_writer(self.app.stdout, parsed_args.format or "json")
        )
        updates: list[Callable[[], None]] = []
        with HostEvents(open_vswitch, _descriptor(self.app.stdout)) as events:
            watch = Watch(
                os_vif,
                events,
                report,
                repair_after=parsed_args.repair,
                on_change=lambda: _call_all(updates),
                refresh=_REFRESH if isinstance(parsed_args.metrics, str) else None,
            )
            if shows_table:
                updates.append(lambda: screen.draw(watch))
            if parsed_args.metrics is not None:
                updates.append(_export(parsed_args.metrics, watch))
            with _stopped_by_signals(events):
                watch.run()
        return 0


def _call_all(functions: Iterable[Callable[[], None]]) -> None:
    """Call functions in order."""
    for function in functions:
        function()


class _Screen:
    """A table of the present differences, drawn again after each change."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._rows: dict[tuple[str, str], tuple[str, ...]] = {}
        self._fault = ""

    def note(self, notice: Notice) -> None:
        """Record a fault of the watch; the table shows the differences of VIFs by itself."""
        if notice.vif is None:
            self._fault = "" if notice.difference is None else str(notice.difference)

    def draw(self, watch: Watch) -> None:
        """Draw the table."""
        rows = [
            (w.entry.id, w.entry.plugin, w.entry.owner or "", _time(since), str(difference))
            for w in watch.vifs.values()
            for difference, since in w.since.items()
        ]
        table = [("VIF", "Plugin", "Owner", "Since", "Difference"), *sorted(rows)]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = [
            "  ".join(
                (*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])
            )
            for row in table
        ]
        count = f"{len(watch.vifs)} VIFs, {len({row[0] for row in rows})} with differences"
        text = "\n".join(map(printable, (count, *filter(None, (self._fault,)), *lines)))
        self._output.write(f"{_CLEAR}{text}\n")
        self._output.flush()


def _notice_writer(output: TextIO, output_format: str) -> Callable[[Notice], None]:
    """Return the function that writes a notice as a line of JSON, or as a document of YAML."""

    def write(notice: Notice) -> None:
        difference = notice.difference
        shown = None if difference is None else dataclasses.asdict(difference)
        line = {"vif": notice.vif, "difference": shown, "since": _time(notice.since)}
        text = f"{json.dumps(line)}\n"
        if output_format == "yaml":
            from os_vif.serialization import yaml_text

            text = yaml_text.compose_document(line)
        output.write(text)
        output.flush()

    return write


def _time(time: dt.datetime) -> str:
    """Return a time in the format of RFC 3339."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _descriptor(output: TextIO) -> int | None:
    """Return the descriptor of an output; None for an output without one."""
    try:
        return output.fileno()
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _stopped_by_signals(events: HostEvents) -> Iterator[None]:
    """Stop the watch at SIGINT and SIGTERM."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: events.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _export(target: str | tuple[str, int], watch: Watch) -> Callable[[], None]:
    """Export the metrics of a watch; return the function to call after each change.

    :raises BadInputError: without ``prometheus_client``, or if the target cannot be used.
    """
    try:
        from prometheus_client import CollectorRegistry

        from os_vif.operations import metrics
    except ImportError as error:
        raise main.BadInputError(
            f"--metrics needs prometheus_client: pip install 'os-vif[metrics]>=6.0' ({error})"
        ) from error
    registry = CollectorRegistry()
    collector = metrics.HostMetrics(watch)
    registry.register(collector)
    os_vif.observe(metrics.PlugSeconds(registry))
    try:
        write = metrics.export(target, registry)
    except OSError as error:
        shown = target if isinstance(target, str) else f"{target[0]}:{target[1]}"
        raise main.BadInputError(f"--metrics {shown}: {error.strerror}") from error

    def update() -> None:
        collector.update()
        try:
            write()
        except OSError as error:
            LOG.error("--metrics %s: %s", target, error.strerror)  # noqa: TRY400 - for a person

    return update


def _parse_target(text: str) -> str | tuple[str, int]:
    """Return the address and port of an argument, or the path of a file."""
    host, colon, port = text.rpartition(":")
    if "/" in text or not port.isascii() or not port.isdecimal():
        return text
    if not 0 <= int(port) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text}: the port {port} is above {_MAX_PORT}")
    return host.removeprefix("[").removesuffix("]") if colon and host else _LOOPBACK, int(port)
