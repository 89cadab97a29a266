# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The table of differences from 5.3.0 names a test for each difference."""

from __future__ import annotations

import re

import pytest

from tests.support.documents.pages import PAGES
from tools.pages import missing_tests, table

PAGE = PAGES["operators/coming_from_5_3_0"]
NAMED = re.compile(r"``(tests/[\w/]+\.py)::(\w+)``")


def test_each_difference_names_existing_tests():
    """A row has a subject, both releases, and the file and function of a test."""
    rows = [row for row in table(PAGE, "Differences") if not row[0].startswith("**")]
    assert len(rows) > 30
    for subject, public, ours, tests in rows:
        named = NAMED.findall(tests)
        assert named, subject
        assert tests.count("``") == 2 * len(named), subject
        assert public, subject
        assert ours, subject
        assert [*missing_tests(named)] == [], subject


@pytest.mark.parametrize("page", ["operators/coming_from_5_3_0", "operators/security"])
def test_all_tests_on_the_page_exist(page):
    """Also in sentences and further tables."""
    named = NAMED.findall(PAGES[page])
    assert len(named) > 4
    assert [*missing_tests(named)] == []
