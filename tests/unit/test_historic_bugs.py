# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The page of the historic bugs has all of them, and each names tests that exist."""

from __future__ import annotations

import pathlib
import re
import string

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "doc/source/reference/historic_bugs.rst").read_text(encoding="utf-8")
#: Number, what went wrong, how ours stands, and what shows it.
BUGS = re.findall(
    r"^(\d+|[A-Z])\n   (.+)\n\n   \*\*([\w ]+)\*\*[.:](.*)\n((?:   ``.*\n)?)", PAGE, re.MULTILINE
)
#: With how many tests at least.
STANDINGS = {"tested": 1, "gone by design": 1, "still so": 1, "not applicable": 0}


def test_all_are_on_the_page_and_in_order():
    """Sixty of the past, and the thirteen that are open in 5.3.0."""
    numbers = [number for number, *_ in BUGS]
    assert numbers == [*map(str, range(1, 61)), *string.ascii_uppercase[:13]]
    assert numbers == re.findall(r"^(\d+|[A-Z])$", PAGE, re.MULTILINE)


def test_how_ours_can_stand_is_told_on_the_page():
    """Each standing that is used, and no other."""
    assert {standing for _, _, standing, *_ in BUGS} == STANDINGS.keys()
    told = re.findall(r"^([a-z ]+)\n   \w", PAGE.partition("Objects and API")[0], re.MULTILINE)
    assert sorted(told) == sorted(STANDINGS)


@pytest.mark.parametrize("bug", BUGS, ids=[number for number, *_ in BUGS])
def test_a_bug_names_tests_that_exist(bug):
    """By file and function; what still is so says why."""
    _, _, standing, why, shown = bug
    tests = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", shown)
    assert len(tests) >= STANDINGS[standing]
    assert len(tests) == shown.count("``") // 2
    assert why or standing == "tested"
    for file, function in tests:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert f"\ndef {function}(" in code, f"{file}::{function}"
