# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the page on the speed of the serialisation shows is what was measured."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import serialization as benchmark
from benchmarks import serialization_worker as worker
from os_vif import serialization

PLACE = benchmark.PLACE
FIGURES = PLACE / "figures.json"
FOUND = json.loads(FIGURES.read_text("utf-8"))
PAGE = PLACE.with_suffix(".rst").read_text("utf-8")


def test_files_are_those_of_the_figures():
    """Whoever measures again has to make them again; and each has its place on the page."""
    there = {path.name: path.read_text("utf-8") for path in PLACE.iterdir() if path != FIGURES}
    assert there == benchmark.files(FOUND)
    assert {name for name in there if f"performance_serialization/{name}" in PAGE} == there.keys()


def test_every_case_was_measured_for_both():
    """With its goal, and a ratio that follows from the times."""
    assert [figure["what"] for figure in FOUND["figures"]] == list(benchmark.GOALS)
    for figure in FOUND["figures"]:
        assert figure["goal"] == benchmark.GOALS[figure["what"]]
        assert figure["ratio"] == pytest.approx(
            figure["public"]["ms"] / figure["ours"]["ms"], abs=0.06
        )


def test_the_page_names_what_was_missed():
    """No more, and no less."""
    missed = {f["what"] for f in FOUND["figures"] if f["ratio"] < f["goal"]}
    assert set(re.findall(r"^\* \*(.+)\* misses its goal", PAGE, re.MULTILINE)) == missed


def test_the_vifs_are_different_and_share_networks():
    """As many as the page says, nova-like."""
    described = worker.settings()
    assert len({of["id"] for of in described}) == worker.VIFS == 5000
    assert len({of["network"]["id"] for of in described}) == worker.NETWORKS == 50
    first, last = worker.built(described[0]), worker.built(described[-1])
    assert serialization.dumps(first) != serialization.dumps(last)
    for subnet in (*first.network.subnets, *last.network.subnets):
        assert [len(subnet.ips), len(subnet.dns), len(subnet.routes)] == [2, 2, 2]
    assert len(first.network.subnets) == 2
