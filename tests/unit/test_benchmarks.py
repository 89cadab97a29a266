# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a page says of speed is what was measured."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks import ovs, plots
from testbed.ovs_kinds import KINDS

FOUND = json.loads(plots.FIGURES.read_text(encoding="utf-8"))
PAGE = plots.PLACE.with_suffix(".rst").read_text(encoding="utf-8")
COMPARED = [figure for figure in FOUND["figures"] if "ratio" in figure]


def test_the_plots_and_tables_are_those_of_the_figures():
    """Whoever measures again has to make them again."""
    made = plots.files(FOUND)
    there = {path.name: path.read_text(encoding="utf-8") for path in plots.PLACE.iterdir()}
    assert there == made | {plots.FIGURES.name: json.dumps(FOUND, indent=1) + "\n"}


def test_another_figure_makes_another_plot_and_table():
    """A plot that shows something else than the figures would not."""
    for index, figure in enumerate(FOUND["figures"]):
        other = copy.deepcopy(FOUND)
        for side in set(figure) & {"public", "ours", "raw"}:
            other["figures"][index][side]["ms"] *= 3
        differ = {
            name for name, text in plots.files(other).items() if plots.files(FOUND)[name] != text
        }
        assert differ


def test_the_page_shows_all_of_them():
    """Each plot and each table."""
    shown = set(re.findall(r"performance_ovs/(\S+)", PAGE))
    assert shown == {path.name for path in plots.PLACE.iterdir()} - {plots.FIGURES.name}


def test_the_page_names_what_was_missed():
    """No more, and no less."""
    missed = {f["what"] for f in COMPARED if f["goal"] and f["ratio"] < f["goal"]}
    named = re.findall(r"^\* (\*.+\*) miss(?:es)? (?:its|their) goal", PAGE, re.MULTILINE)
    assert {what for line in named for what in re.findall(r"\*([^*]+)\*", line)} == missed


@pytest.mark.parametrize("plot", plots.PLOTS)
def test_a_plot_has_two_bars_for_each_figure_in_proportion(plot):
    """It is an image that can be read, and the longer bar is the longer time."""
    image = ET.fromstring((plots.PLACE / f"{plot}.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own
    bars = [
        float(rect.get("width"))
        for rect in image.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("x") == str(plots._LEFT) and rect.get("y") != "8"
    ]
    figures = list(plots.chosen(FOUND["figures"], plot))
    assert len(figures) > 1
    times = [figure[side]["ms"] for figure in figures for side in ("public", "ours")]
    assert len(bars) == len(times)
    ordered = [bar for _, bar in sorted(zip(times, bars, strict=True))]
    assert ordered == sorted(bars)


def test_every_kind_and_every_goal_was_measured():
    """A goal that is not in the figures would be missed without a word."""
    measured = {(figure["what"], figure["others"]) for figure in COMPARED}
    assert set(ovs.GOALS) <= measured
    for others in (0, 100, 1000):
        kinds = {f["kind"] for f in COMPARED if (f["what"], f["others"]) == ("plug", others)}
        assert kinds == set(KINDS)


def test_the_ratios_are_those_of_the_times():
    """Each of the two medians, as they were noted."""
    for figure in COMPARED:
        ratio = figure["public"]["ms"] / figure["ours"]["ms"]
        assert figure["ratio"] == pytest.approx(ratio, rel=0.02, abs=0.01)
        assert figure["goal"] == ovs.goal(figure["what"], figure["kind"], figure["others"])
