# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""What the interoperability tests share: the wheel of this checkout, ready to run."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from testbed.cache import Unavailable
from testbed.environments import NoInterpreter, Subject


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The checkout, built and installed as others would install it."""
    try:
        return Subject.from_checkout(tmp_path_factory.mktemp("checkout"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With OS_VIF_NO_SKIPS a test that cannot run has failed: tox -e interop must not be empty.

    Only an old Python need not be there: the skip says how to get it.
    """
    report = yield
    excused = call.excinfo and isinstance(call.excinfo.value.__context__, NoInterpreter)
    if report.skipped and not excused and os.environ.get("OS_VIF_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"not run: {report.longrepr}"
    return report
