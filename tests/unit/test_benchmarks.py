# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The figures of the performance pages, their charts, and the input of the benchmarks."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks import check_start, ovs, pod_figures, serialization, sides
from benchmarks import serialization_worker as worker
from os_vif.serialization import dumps
from tests.support.documents.pages import PAGES, fits, load_extension
from tools import performance

bars, charts = load_extension("bars"), load_extension("charts")
WITH_SWITCH, OF_TEXT = (json.loads(path.read_text()) for path in (ovs.PAGE, serialization.PAGE))
OF_PODS, OF_START = (json.loads(p.PAGE.read_text()) for p in (pod_figures, check_start))
PAGE = PAGES["reference/performance_ovs"]


def _plots() -> list[tuple[str, int, tuple[str, ...]]]:
    """Return page, number of other ports and measurements of each plot of the documentation."""
    plots = []
    for text in PAGES.values():
        for found in re.finditer(
            r"^\.\. performance-plot:: (\S+)\n((?:   :.*\n)+)\n((?:   \S.*\n)+)",
            text,
            re.MULTILINE,
        ):
            others = re.search(r":others: (\d+)", found[2])
            plots.append((found[1], int(others[1]) if others else 0, tuple(found[3].split("\n"))))
    return [
        (page, others, tuple(line.strip() for line in lines if line.strip()))
        for page, others, lines in plots
    ]


@pytest.mark.parametrize("layout", [bars.WIDE, bars.NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize(("page", "others", "measurements"), _plots())
def test_a_plot_has_two_bars_for_each_figure_in_proportion(page, others, measurements, layout):
    """The picture is XML; a longer bar is a longer time."""
    results = charts.load(page)
    figures, names = (
        charts.select(charts.drawn(results), measurements, others),
        charts.sides(results),
    )
    picture = bars.svg(figures, "title", names, layout)
    image = ET.fromstring(picture)  # noqa: S314 - our own
    widths = [
        float(rect.get("width"))
        for rect in image.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("class") in bars.SIDES and rect.get("y") != "8"
    ]
    assert len(figures) > 1
    times = [figure[side]["ms"] for figure in figures for side in bars.SIDES]
    assert len(widths) == len(times)
    ordered = [width for _, width in sorted(zip(times, widths, strict=True))]
    assert ordered == sorted(widths)
    assert image.find("{http://www.w3.org/2000/svg}title").text == "title"
    assert "prefers-color-scheme:dark" in picture
    elements = [*image.iter("{http://www.w3.org/2000/svg}text")]
    assert [each.text for each in elements if not fits(each, layout.width)] == []
    # The absolute value and the ratio are beside the bar.
    texts = [text.text for text in elements]
    for figure in figures:
        assert [text for text in texts if text and re.search(rf"{figure['ratio']:g}[ )]", text)]


def test_each_figure_is_in_a_table_or_plot():
    """A changed time or size changes the text of a table."""

    def tables(found, names):
        return [charts.TABLES[name](found) for name in names]

    for found, names in (
        (WITH_SWITCH, ("comparison", "vswitchd", "host", "memory")),
        (OF_TEXT, ("comparison", "limits", "conversion")),
    ):
        page = "performance_ovs" if found is WITH_SWITCH else "performance_serialization"
        for name in names:
            assert f".. performance-table:: {page} {name}\n" in PAGES[f"reference/{page}"]
        for index, figure in enumerate(found["figures"]):
            if "ratio" not in figure and "raw" not in figure:
                continue
            for side in set(figure) & {"public", "ours", "raw"}:
                changed = copy.deepcopy(found)
                changed["figures"][index][side]["ms"] *= 0.3
                assert tables(changed, names) != tables(found, names)


def test_missed_goals_are_listed_with_both_numbers():
    """The list has the missed goals and limits only."""
    found = copy.deepcopy(OF_TEXT)
    for figure in found["figures"]:
        figure["ratio"] = figure["goal"]
    for row in found["limits"]:
        row["ratio"] = row["limit"]
    assert charts.missed_goals(found) == []
    found["figures"][0] |= {"ours": {"ms": 0.0556}, "public": {"ms": 0.272}, "ratio": 4.9}
    found["limits"][0] |= {"us": 21.5, "ratio": 1.1}
    assert charts.missed_goals(found) == [
        ("loads", "4.9 times as fast", "0.0556 ms and 0.272 ms", "at least 5"),
        ("to_document", "1.1 times dumps", "21.5 µs", "at most 1"),
    ]


def test_the_lint_step_finds_faults_of_the_figures():
    """A goal that was not measured, another goal, a wrong ratio, an unexplained miss."""
    assert performance.main() == 0
    found = copy.deepcopy(WITH_SWITCH)
    found["figures"] = [figure for figure in found["figures"] if figure["what"] != "first plug"]
    assert "the goal of ('first plug', 0) has no figure" in performance.ovs_faults(found, PAGE)
    found = copy.deepcopy(OF_TEXT)
    found["figures"][0] |= {"goal": 1, "ratio": 99}
    assert len([*performance.serialization_faults(found)]) == 1
    assert len([*performance.wrong_ratios(found)]) == 1
    found = copy.deepcopy(WITH_SWITCH)
    for figure in found["figures"]:
        if "ratio" in figure:
            missed = figure["what"] == "plug without waiting"
            figure["ratio"] = 1 if missed else figure["goal"]
    unexplained = re.sub(r"^\* \*.+\* miss", "* These miss", PAGE, flags=re.MULTILINE)
    assert [*performance.ovs_faults(found, unexplained)] == [
        "the goal of plug without waiting is missed, but the page does not explain it"
    ]


def test_figures_are_stored_as_they_are_read(tmp_path):
    """Each figure has a line, so that a new measurement is a short difference."""
    path = tmp_path / "figures.json"
    sides.write_figures(path, OF_TEXT)
    assert json.loads(path.read_text()) == OF_TEXT
    assert path.read_text() == serialization.PAGE.read_text()


def test_the_vifs_are_different_and_share_networks():
    """The benchmark has as many VIFs, networks and addresses as the page says."""
    settings = worker.list_settings()
    assert len({vif["id"] for vif in settings}) == worker.VIFS == 5000
    assert len({vif["network"]["id"] for vif in settings}) == worker.NETWORKS == 50
    first, last = worker.build_vif(settings[0]), worker.build_vif(settings[-1])
    assert dumps(first) != dumps(last)
    for subnet in (*first.network.subnets, *last.network.subnets):
        assert [len(subnet.ips), len(subnet.dns), len(subnet.routes)] == [2, 2, 2]
    assert len(first.network.subnets) == 2


def test_each_figure_of_pods_is_in_a_table():
    """The tables have the goal of each figure; a changed figure changes the text."""
    names = ("goals", "pod-counts", "pod-times", "pod-parts")
    for name in names:
        assert (
            f".. performance-table:: performance_pods {name}\n"
            in PAGES["reference/performance_pods"]
        )
    tables = [charts.TABLES[name](OF_PODS) for name in names]
    for key, column in (
        ("goals", "ours_ms"),
        ("goals", "against_ms"),
        ("counts", "value"),
        ("times", "p99"),
    ):
        for index in range(len(OF_PODS[key])):
            changed = copy.deepcopy(OF_PODS)
            changed[key][index][column] = changed[key][index][column] * 3 + 1
            assert [charts.TABLES[name](changed) for name in names] != tables


def test_each_figure_of_the_start_is_in_a_table_and_a_slow_check_misses_its_goal():
    """A changed time changes the text; the conclusion has the number of goals that are met."""
    page = PAGES["reference/performance_start"]
    names = ("goals", "start-cases")
    assert all(f".. performance-table:: performance_start {name}\n" in page for name in names)
    tables = [charts.TABLES[name](OF_START) for name in names]
    for key, column in (("goals", "ours_ms"), ("goals", "against_ms"), ("cases", "processor")):
        for index in range(len(OF_START[key])):
            changed = copy.deepcopy(OF_START)
            changed[key][index][column] *= 3
            assert [charts.TABLES[name](changed) for name in names] != tables
    found = copy.deepcopy(OF_START)
    for row in found["goals"]:
        row["ratio"] = row["goal"]
    assert charts.conclusion(found).endswith("; 4 of 4 goals are met.")
    found["goals"][0] |= {"ours_ms": 2000, "against_ms": 2000, "ratio": 1.31}
    assert charts.conclusion(found).endswith("; 3 of 4 goals are met.")
    assert next(iter(performance.start_faults(found))).startswith(
        "check, Linux bridge, elapsed: ratio"
    )


def test_the_conclusion_and_the_list_of_missed_goals_of_pods_follow_the_figures():
    """A goal of Go's time is a lower bound; the others are upper bounds."""
    found = copy.deepcopy(OF_PODS)
    for row in found["goals"]:
        row["ratio"] = row["goal"]
    for row in found["counts"]:
        row["value"] = row["goal"] or 0
    assert charts.missed_goals(found) == []
    assert charts.conclusion(found).endswith("; 10 of 10 goals are met.")
    found["goals"][0] |= {"ours_ms": 13.7, "against_ms": 10.7, "ratio": 0.9}
    found["goals"][3] |= {"ours_ms": 25.1, "against_ms": 16.5, "ratio": 1.3}
    found["counts"][0] = {"what": "errors of 200 ADD by 8 threads", "value": 3, "goal": 0}
    assert charts.missed_goals(found) == [
        (
            "ADD with host-local, p50",
            "ratio 0.9 to Go, IPAM",
            "13.7 ms and 10.7 ms",
            "at least 1",
        ),
        (
            "DEL with the addresses of the VIF",
            "ratio 1.3 to kernel alone",
            "25.1 ms and 16.5 ms",
            "at most 1.2",
        ),
        ("errors of 200 ADD by 8 threads", "3", "", "at most 0"),
    ]
    assert charts.conclusion(found).endswith("; 7 of 10 goals are met.")


@pytest.mark.parametrize("page", ["ovs", "serialization", "start", "pods"])
def test_each_page_begins_with_the_conclusion_and_has_one_table_of_missed_goals(page):
    """The sentence has times, ratios and the number of goals that are met."""
    name = f"performance_{page}"
    text = PAGES[f"reference/{name}"]
    assert text.split("\n\n")[1] == f".. performance-conclusion:: {name}"
    assert text.count(f".. performance-missed:: {name}\n") == 1
    results = charts.load(name)
    sentence = charts.conclusion(results)
    missed = charts.missed_goals(results)
    goals = int(re.search(r"(\d+) of (\d+) goals are met\.$", sentence)[2])
    assert f"{goals - len(missed)} of {goals} goals are met." in sentence
    assert re.search(r"\d (ms|µs)", sentence)
    assert all(any(part for part in row) for row in missed)


def test_the_lint_step_finds_faults_of_the_figures_of_pods():
    """A goal that was not measured, a wrong ratio, a time without an explanation."""
    page = PAGES["reference/performance_pods"]
    found = copy.deepcopy(OF_PODS)
    found["goals"][1]["ratio"] = 99
    assert len([*performance.pod_faults(found, page)]) == 1
    found = copy.deepcopy(OF_PODS)
    found["goals"][1]["goal"] = 99
    assert len([*performance.pod_faults(found, page)]) == 1
    shorter = page.replace("* *CHECK with host-local*:", "* CHECK:")
    assert "the page explains" in next(performance.pod_faults(OF_PODS, shorter))


def test_the_figures_of_pods_follow_from_the_times():
    """The start of the client counts for DEL, and not for ADD with the addresses of the VIF."""
    cases = (pod_figures.GO, pod_figures.OURS, pod_figures.OURS_VIF, pod_figures.RAW)
    times = {(case, call): [0.004] * 3 for case in cases for call in ("ADD", "CHECK", "DEL")}
    times[pod_figures.START, "VERSION"] = [0.001] * 3
    ratios = {row["what"]: row["ratio"] for row in pod_figures.goal_rows(times)}
    assert ratios.pop("ADD with the addresses of the VIF") == 0.75
    assert set(ratios.values()) == {1}
    assert len(ratios) == len(pod_figures.GOALS) - 1
