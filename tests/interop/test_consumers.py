# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Unit tests of nova, neutron and zun pass with this os_vif in place of the public one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import environments
from tests.support.interop import foreign
from tests.support.interop.consumers import SUITES, Suite

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject


@pytest.mark.interop
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"{suite.project}-{suite.name}")
def test_its_own_tests_pass(suite: Suite, subject: Subject, tmp_path: Path) -> None:
    try:
        python = environments.environment(
            suite.project, environments.pins(suite.project), subject.requirements, suite.python
        )
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    report = foreign.run(python, subject, suite.tests, tmp_path, logs=suite.logs)
    assert report.modules["os_vif"] == str(subject.path / "os_vif" / "__init__.py")
    assert report.modules_outside(subject.path) == {}
    assert not report.tests("failed"), report.failures()
    assert len(report.tests("passed")) >= suite.passing
