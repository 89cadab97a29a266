# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugins of os-vif pass the conformance suite; test_kill.py has the kills."""

from __future__ import annotations

import pytest

from os_vif import opts
from os_vif.testing import conformance
from os_vif.testing.conformance_checks import CHECKS
from tests.support.cases import CASES, KERNEL, PARAMS_SHORT

pytestmark = pytest.mark.usefixtures("daemon")

#: The checks of a single case without kills.
CHECKS_OF_A_CASE = [name for name in CHECKS if name != "describe" and "kills" not in name]


def test_every_plugin_has_cases():
    """Also a plugin that was registered today."""
    assert CASES.keys() == opts.IN_TREE.keys()
    assert all(CASES.values())


@pytest.mark.parametrize("plugin", CASES)
def test_the_description_of_each_plugin_agrees_with_its_cases(plugin):
    conformance(plugin, CASES[plugin], checks=["describe"]).raise_for_failures()


@pytest.mark.parametrize(
    "case", [*PARAMS_SHORT, *(case.param(marks=[pytest.mark.soak]) for case in KERNEL.values())]
)
def test_each_case_passes_the_checks_without_kills(case):
    """Repeats, failures at each step of plug and unplug, concurrent calls, and no remains."""
    report = conformance(case.vif.plugin, [case], checks=CHECKS_OF_A_CASE)
    report.raise_for_failures()
    assert report.skipped == ()
