# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Patterns of rules."""

from __future__ import annotations

import time

import pytest

from os_vif.steps import patterns


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("KEEP", "-A FORWARD KEEP", True),
        ("^KEEP", "-A FORWARD KEEP", False),
        ("KEEP$", "-A FORWARD KEEP", True),
        ("^-A.*KEEP$", "-A FORWARD KEEP", True),
        ("^aa.*aa$", "aaa", False),
        ("^a$", "a", True),
        ("^a$", "aa", False),
        ("a|b", "xb", True),
        (r"a\|b", "xb", False),
        (r"10\.0", "1000", False),
        ("b.*a", "ab", False),
    ],
)
def test_a_pattern_matches(pattern, line, matches):
    """A pattern matches the same texts as the regular expression."""
    assert patterns.matches(pattern, line) is matches


@pytest.mark.alone
def test_a_pattern_takes_linear_time():
    """The time is linear for any number of operators."""
    started = time.monotonic()
    assert not patterns.matches("a.*" * 333 + "!", "a" * 100_000)
    assert time.monotonic() - started < 20
