# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Time limits of tests, and default signals for started programs.

Each test has a limit (``timeout`` in ``pyproject.toml``, by pytest-timeout). At the limit the test
fails, the report shows the stacks of all threads, and the run continues. The test fails again
every
:data:`AGAIN` seconds until its end, because the cleanup, such as ``with subprocess.Popen(...)``,
    can hang too; child processes are then killed. A process that still hangs is ended, and
    pytest-xdist replaces the process.

A shell and nohup start background programs with SIGINT ignored. This process continues to ignore
SIGINT, and its child processes do not: exec resets a signal handler, but not SIG_IGN.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator

import pytest
import pytest_timeout
from _pytest.faulthandler import fault_handler_stderr_fd_key

#: Seconds between two failures of the same test.
AGAIN = 20
#: Limit of a soak test in seconds.
SOAK = 7200
#: Number of failures after which a test counts as hung.
_LAST = 6
_SIGNALS = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
)
_begun = pytest.StashKey[float]()
_running = pytest.StashKey[tuple[str, frozenset[int]]]()


def _ignore(*_: object) -> None:
    """Ignore a signal as SIG_IGN does. Started programs have the default action."""


def ignored_signals() -> list[int]:
    """Return the signals ignored since the start of the process."""
    return [number for number in _SIGNALS if signal.getsignal(number) in {signal.SIG_IGN, _ignore}]


def children_get_defaults(ignored: list[int]) -> None:
    """Give started programs the default action of all signals."""
    # Programs inherit the signal mask.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in ignored:
        signal.signal(number, _ignore)


def default_signals() -> None:
    """Restore the default action of all signals, in a forked process."""
    for number in ignored_signals():
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {})
    children_get_defaults(given.get("ignored signals", ignored_signals()))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Pass the ignored signals to a worker of pytest-xdist."""
    node.workerinput["ignored signals"] = [int(number) for number in ignored_signals()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SOAK))


def _phase(item: pytest.Item, name: str) -> Generator[None, object, object]:
    item.stash[_running] = (name, frozenset(_children()))
    try:
        return (yield)
    finally:
        del item.stash[_running]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_begun] = time.monotonic()
    return (yield from _phase(item, "setup"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _phase(item, "call"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _phase(item, "teardown"))


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool:
    """Fail the test at the limit, and again until the test has ended."""
    strikes = 0

    def strike(*_: object) -> None:
        nonlocal strikes
        __tracebackhide__ = True
        phase, before = item.stash.get(_running, (None, frozenset()))
        # Between two phases no caller expects a failure. A test handed back by a virtual machine
        # begins late.
        early = time.monotonic() < item.stash.get(_begun, 0) + settings.timeout - AGAIN
        if phase is None or early or pytest_timeout.is_debugging():
            return
        strikes += 1
        if strikes == 1:
            item.add_report_section(phase, "stacks of all threads at the limit", _stacks())
        elif phase == "call":
            # The child processes of the test. Processes of fixtures stay.
            for child in set(_children()) - before:
                os.kill(child, signal.SIGKILL)
        pytest.fail(f"{phase} of the test went beyond its limit of {settings.timeout:g} s")

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN)
    errors = item.config.stash.get(fault_handler_stderr_fd_key, None)
    if errors is not None and item.get_closest_marker("vm") is None:
        faulthandler.dump_traceback_later(settings.timeout + _LAST * AGAIN, file=errors, exit=True)
    item.cancel_timeout = _cancel
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    _cancel()
    return True


def _cancel() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.cancel_dump_traceback_later()


def _children() -> Iterator[int]:
    for task in list(pathlib.Path("/proc/self/task").iterdir()):
        # The thread may have ended after the listing.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children = (task / "children").read_text(encoding="ascii")
            yield from map(int, children.split())


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(number, number)}:\n{''.join(traceback.format_stack(frame))}"
        for number, frame in sys._current_frames().items()
    )
