# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the interoperability tests: the wheel of this checkout, installed."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from testbed.cache import Unavailable
from testbed.environments import NoInterpreter, Subject


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Build and install the checkout as a user would."""
    try:
        return Subject.from_checkout(tmp_path_factory.mktemp("checkout"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail skipped tests if OS_VIF_NO_SKIPS is set, so that tox -e interop runs all tests.

    A missing old Python may be skipped: the reason says how to install the Python.
    """
    report = yield
    excused = call.excinfo and isinstance(call.excinfo.value.__context__, NoInterpreter)
    if report.skipped and not excused and os.environ.get("OS_VIF_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"not run: {report.longrepr}"
    return report
