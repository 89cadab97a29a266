# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Run a test with the marker ``alone`` while all workers of pytest-xdist but its own wait.

Workers share two lock files (flock(2)). Each test holds a shared lock on the file ``running``, and
a test with the marker holds an exclusive lock. Before, each test locks the file ``gate``. While an
exclusive lock waits, its worker holds the gate: no further test begins, so that the wait ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import tempfile
from collections.abc import Generator, Iterator

import pytest

_DIRECTORY = "directory of locks"


def pytest_configure(config: pytest.Config) -> None:
    """Share a directory among the workers of pytest-xdist."""
    config.addinivalue_line("markers", "alone: runs while no other worker runs a test")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(_Worker(pathlib.Path(config.workerinput[_DIRECTORY])))
    elif config.getoption("dist", "no") != "no":
        config.pluginmanager.register(_Controller(config))


class _Controller:
    """The controller of pytest-xdist, which distributes the tests."""

    def __init__(self, config: pytest.Config) -> None:
        directory = tempfile.TemporaryDirectory(prefix="os-vif-tests-")
        config.add_cleanup(directory.cleanup)
        self._directory = directory.name

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput[_DIRECTORY] = self._directory


class _Worker:
    """A worker of pytest-xdist, which runs tests."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._gate, self._running = directory / "gate", directory / "running"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        # A virtual machine has its own kernel, and the wait for the machine is long.
        if item.get_closest_marker("vm"):
            return (yield)
        alone = item.get_closest_marker("alone") is not None
        with contextlib.ExitStack() as stack:
            with _locked(self._gate, fcntl.LOCK_EX):
                stack.enter_context(
                    _locked(self._running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
                )
            return (yield)


@contextlib.contextmanager
def _locked(path: pathlib.Path, how: int) -> Iterator[None]:
    """Hold a lock on a file. The lock ends with the process at the latest."""
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield
