# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The progress output of commands for many objects, and the summary."""

from __future__ import annotations

import io

from os_vif.cmd.store import progress
from os_vif.cmd.store.progress import Outcome
from os_vif.codec.unknown import Loss


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch, total, *steps):
    """Return the output for the times, bytes and objects of several steps."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stream = Terminal()
    bar = progress.Bar(total, stream)
    for at, done, objects in steps:
        now = at
        bar.update(done, objects)
    bar.clear()
    return stream.getvalue()


def test_the_bar_shows_how_far_it_is(monkeypatch):
    """The bar has the fraction of the input, and disappears at the end."""
    text = drawn(monkeypatch, 1000, (1.5, 500, 1234), (3, 1000, 2468))
    first, second, last = text.split("\r\x1b[K")[1:]
    assert first == "[###############...............]  50%  1,234 objects"
    assert second == f"[{'#' * 30}] 100%  2,468 objects"
    assert last == ""


def test_the_bar_of_a_pipe_counts(monkeypatch):
    """The length of a pipe is unknown, so the bar has the counts."""
    assert drawn(monkeypatch, None, (2, 500, 7)) == "\r\x1b[K7 objects\r\x1b[K"


def test_what_is_short_has_no_bar(monkeypatch):
    assert drawn(monkeypatch, 1000, (0.5, 500, 7)) == ""


def test_the_bar_is_drawn_ten_times_a_second_at_most(monkeypatch):
    steps = [(1 + n / 1000, n, n) for n in range(1000)]
    assert drawn(monkeypatch, 1000, *steps).count("objects") == 10


def test_without_a_terminal_there_is_nothing(monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    stream = io.StringIO()
    bar = progress.Bar(10, stream)
    monkeypatch.setattr("time.monotonic", lambda: 200.0)
    bar.update(5, 1)
    bar.clear()
    assert stream.getvalue() == ""


def test_counts_and_lost_paths():
    """List members count together for a path; an object counts once."""
    counts = progress.Counts()
    counts.outcomes[Outcome.CONVERTED] += 1234
    counts.outcomes[Outcome.FAILED] += 1
    counts.add_losses([Loss("a[0].b", "x"), Loss("a[1].b", "x"), Loss("c", "x")])
    counts.add_losses([Loss("c", "x"), Loss("", "x")])
    assert counts.summary("f") == [
        "f: 1,235 objects: 1,234 converted, 1 not converted",
        "f: lost: a[].b of 1 object",
        "f: lost: c of 2 objects",
        "f: lost: the object of 1 object",
    ]
    assert counts.summary("f", is_lost=False)[1] == "f: would be lost: a[].b of 1 object"


def test_paths_without_end_take_no_memory(monkeypatch):
    monkeypatch.setattr(progress, "MAX_PATHS", 3)
    counts = progress.Counts()
    for number in range(10):
        counts.add_losses([Loss(f"eth{number}", "x")])
    assert counts.summary("f")[1:] == [
        "f: lost: eth0 of 1 object",
        "f: lost: eth1 of 1 object",
        "f: lost: eth2 of 1 object",
        "f: lost: other paths of 7 objects",
    ]
