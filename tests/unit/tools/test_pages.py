# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The check of pages finds a page that differs from the checkout."""

from __future__ import annotations

import pytest

from tools import pages

PAGES = pages.read_pages()
BUGS = "reference/historic_bugs"


def faults(texts: dict[str, str]) -> list[str]:
    """Return the faults of all checks."""
    return [fault for check in pages.CHECKS for fault in check(texts)]


@pytest.mark.parametrize(
    ("page", "old", "new", "fault"),
    [
        (BUGS, "\n17\n", "\n18\n", "not numbered"),
        (BUGS, "**tested**", "**mended**", "standings used and explained"),
        (BUGS, "_a_failed_plug_is_whole``", "_a_failed_plug_is``", "has no test_the_log"),
        (
            BUGS,
            "``tests/functional/plugins/",
            "``tests/functional/",
            "found 0 files tests/functional/test_",
        ),
        ("plugin_authors/engine", "\n2. ", "\n3. ", "not numbered from 1 on"),
        ("plugin_authors/engine", "MUST", "should", "says no MUST"),
        ("contributor/layout", "* - ``os_vif/host/``", "* - ``os_vif/hosts/``", "packages differ"),
        (
            "reference/api/stores",
            "automodule:: os_vif.operations.stores.json_patch",
            "module:: os_vif.operations.stores.json_patch",
            "json_patch has __all__, but no directive",
        ),
        (
            "contributor/layout",
            "``negotiate/`` binds ports, ",
            "",
            "packages differ",
        ),
        (
            "operators/monitoring/gc",
            "This page is for operators",
            "Operators",
            "does not say for whom",
        ),
        (
            "operators/monitoring/gc",
            "This page is for operators",
            "This page is for whoever",
            "the subject",
        ),
        ("contributor/testing", "tox -e vm", "tox -e guests", "environments of tox differ"),
        ("contributor/testing", "tests/support/", "tests/helpers/", "does not exist"),
        ("index", ".. toctree::", ".. tables::", "is in 0 tables of contents"),
        ("plugin_authors/plugins", "class HubPlugin(", "class Hub(", "is no class on the page"),
        (
            "operators/ovs/names",
            "   * - ``external_ids:iface-id``",
            "   * - ``id``",
            "keys differ",
        ),
    ],
)
def test_a_difference_is_found(page, old, new, fault):
    assert old in PAGES[page]
    texts = PAGES | {page: PAGES[page].replace(old, new)}
    assert [text for text in faults(texts) if fault in text]
