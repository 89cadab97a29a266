# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Settings and fixtures of the tests of all tiers."""

import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

pytest_plugins = [
    *("tests.limits", "tests.alone", "tests.short_form", "tests.left_devices"),
    "tests.vm.plugin",
]

# With the variable, each program that a test starts would compile all modules of os-vif.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# An example may take any time on a loaded machine. The profile "fixed" tries the same examples in
# each run, so that a failure is due to the change under test. The profile "new" tries new examples.
# The parent of both is the profile "default" of Hypothesis. On a CI service (if the variable CI is
# set), Hypothesis loads its profile "ci" instead, with which a seed has no effect.
DEFAULT = hypothesis.settings(
    hypothesis.settings.get_profile("default"),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("fixed", DEFAULT, deadline=None, derandomize=True)
hypothesis.settings.register_profile("new", DEFAULT, deadline=None)
hypothesis.settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    """Try new examples in soak tests, and if a seed is given (``--hypothesis-seed=1``).

    The plugin of os-vif is loaded here if the installation is older than its entry point.
    """
    if not config.pluginmanager.has_plugin("os_vif"):
        config.pluginmanager.import_plugin("os_vif.testing.pytest_plugin")
    markers = config.option.markexpr or ""
    is_soak = "soak" in markers.split() and "not soak" not in markers
    if is_soak or config.getoption("--hypothesis-seed") is not None:
        hypothesis.settings.load_profile("new")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable():
    """Escape lone surrogates in reports, which a worker of pytest-xdist cannot send.

    Logs and tracebacks of tests with hostile text contain lone surrogates.
    """
    return sendable((yield))


def sendable(data: Any) -> Any:
    """Return plain data with lone surrogates replaced by escape sequences of Python."""
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {sendable(name): sendable(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(sendable(item) for item in data)
    return data


@pytest.fixture(autouse=True)
def _logging_is_as_before() -> Iterator[None]:
    """Restore the levels and handlers of all loggers after each test.

    The command os-vif sets them for its process, and some tests run the command in this process.
    """
    root = logging.getLogger()
    handlers = root.handlers[:]
    before = {name: (log.level, log.disabled) for name, log in _loggers()}
    yield
    root.handlers[:] = handlers
    logging.captureWarnings(capture=False)
    for name, log in _loggers():
        level, log.disabled = before.get(name, (logging.NOTSET, False))
        if log.level != level:
            log.setLevel(level)


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    """Yield the name and the logger of each logger of the process, the root logger first."""
    root = logging.getLogger()
    yield "", root
    for name, log in list(root.manager.loggerDict.items()):
        if isinstance(log, logging.Logger):
            yield name, log
