# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for the tests of every tier."""

import logging
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

pytest_plugins = ["tests.limits", "tests.alone", "tests.vm.plugin"]

# On a loaded machine an example may take any time. In the short form the same examples are tried
# on each run, so that a change is judged by what it changes; soak tests search for new ones.
hypothesis.settings.register_profile("short", deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", deadline=None)
hypothesis.settings.load_profile("short")


def pytest_configure(config):
    """Let runs of soak tests search for new examples."""
    if "soak" in (config.option.markexpr or "").split() and "not soak" not in (
        config.option.markexpr
    ):
        hypothesis.settings.load_profile("soak")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable():
    """Let a worker of pytest-xdist send reports whose text has lone surrogates.

    Logs and tracebacks of hostile text have them; the worker would die of them.
    """
    return sendable((yield))


def sendable(data: Any) -> Any:
    """Return plain data with lone surrogates as ``\\udc80``, which UTF-8 can encode."""
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {sendable(name): sendable(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(sendable(item) for item in data)
    return data


@pytest.fixture(autouse=True)
def _logging_is_as_before() -> Iterator[None]:
    """Give the next test the levels and handlers of this one.

    The command sets those of its process, and some tests run it in their own.
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
    root = logging.getLogger()
    yield "", root
    for name, log in list(root.manager.loggerDict.items()):
        if isinstance(log, logging.Logger):
            yield name, log
