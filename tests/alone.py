# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A test with the marker ``alone`` runs while no other worker of pytest-xdist runs a test.

Workers share two files. A test holds a shared lock (flock(2)) on the first, and a test that needs
the machine holds an exclusive one. Before, each passes through the second, which a waiting
exclusive lock holds: no test begins meanwhile, so the wait ends.
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
    """Share a directory among the workers, if there are any."""
    config.addinivalue_line("markers", "alone: runs while no other worker runs a test")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(_Worker(pathlib.Path(config.workerinput[_DIRECTORY])))
    elif config.getoption("dist", "no") != "no":
        config.pluginmanager.register(_Controller(config))


class _Controller:
    """The process that distributes the tests."""

    def __init__(self, config: pytest.Config) -> None:
        directory = tempfile.TemporaryDirectory(prefix="os-vif-tests-")
        config.add_cleanup(directory.cleanup)
        self._directory = directory.name

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput[_DIRECTORY] = self._directory


class _Worker:
    """A process that runs tests."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._gate, self._running = directory / "gate", directory / "running"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        # A virtual machine has a kernel of its own, and the wait for it is long.
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
    """Hold a lock on a file; it ends with the process at the latest."""
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield
