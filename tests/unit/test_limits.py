# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A hanging test fails without stopping the run, and child processes have default signal
actions."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PARENTS = {
    "a plain parent": "",
    "one that ignores signals": 'trap "" HUP INT QUIT TERM USR1 TSTP; ',
}


def run(tmp_path: pathlib.Path, tests: str, *options: str, before: str = "") -> str:
    """Run the tests with another pytest process; return the output."""
    (tmp_path / "test_it.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [
        *(sys.executable, "-m", "pytest", "-p", "tests.limits", "-p", "no:cacheprovider"),
        *("-p", "no:randomly", "--color=no", *options, "test_it.py"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        ["sh", "-c", f'{before}exec "$@"', "sh", *command],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout


HANGING = """
import subprocess, threading, time
import pytest
from tests import limits

limits.AGAIN = 0.5

def waits_in_a_thread(event):
    event.wait()

def test_of_a_child_that_does_not_end():
    # It is waited for when the block is left, too.
    with subprocess.Popen(["sleep", "1000"]) as child:
        child.wait()

def test_of_a_thread_that_does_not_end():
    event = threading.Event()
    thread = threading.Thread(target=waits_in_a_thread, args=[event], daemon=True)
    thread.start()
    thread.join()

@pytest.fixture
def endless():
    time.sleep(1000)

@pytest.fixture
def left():
    yield
    time.sleep(1000)

def test_of_a_fixture_that_does_not_come(endless):
    pass

def test_of_a_fixture_that_does_not_go(left):
    pass

def test_after_all_that():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_that_hangs_fails_and_the_run_goes_on(tmp_path, workers):
    """The report shows the stacks of all threads."""
    output = run(tmp_path, HANGING, "--timeout=1", "-n", workers, "-rA")
    assert "2 failed, 2 passed, 2 errors" in output.splitlines()[-1]
    assert "PASSED test_it.py::test_after_all_that" in output
    assert output.count("Failed: call of the test went beyond its limit of 1 s") >= 2
    assert "Failed: setup of the test went beyond its limit of 1 s" in output
    assert "Failed: teardown of the test went beyond its limit of 1 s" in output
    assert "in waits_in_a_thread" in output
    assert "Captured stacks of all threads at the limit" in output


DEAF = """
import ctypes, signal
from tests import limits

limits.AGAIN = 0.3

def test_that_does_not_react():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    ctypes.CDLL(None).pause()

def test_after_it():
    pass
"""


def test_a_process_that_does_not_react_is_replaced(tmp_path):
    """The process may hang in the kernel or in an extension module."""
    output = run(tmp_path, DEAF, "--timeout=1", "-n", "1")
    assert "1 failed, 1 passed" in output.splitlines()[-1]
    assert "in test_that_does_not_react" in output


CHILDREN = """
import os, signal, subprocess, sys
from tests import limits

def ignored(process):
    kept = {signal.SIGPIPE, signal.SIGXFSZ}  # of Python itself
    text = process[process.index("SigIgn:"):].split()[1]
    return [n for n in range(1, 32) if int(text, 16) >> (n - 1) & 1 and n not in kept]

def test_a_program_ignores_nothing():
    text = subprocess.run(["cat", "/proc/self/status"], stdout=subprocess.PIPE, text=True).stdout
    assert ignored(text) == []
    assert "SigBlk:\\t0000000000000000" in text

def test_this_process_still_does():
    for name in os.environ["STAYS"].split():
        os.kill(os.getpid(), getattr(signal, f"SIG{name}"))

def test_a_forked_process_can_be_ended():
    child = os.fork()
    if child == 0:
        limits.default_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
"""


@pytest.mark.parametrize(
    ("parent", "workers"),
    [
        ("a plain parent", "0"),
        ("one that ignores signals", "0"),
        ("one that ignores signals", "1"),
    ],
)
def test_children_have_default_signals_whatever_the_parent_ignores(
    tmp_path, monkeypatch, parent, workers
):
    """A shell that starts ``tools/test.sh &`` ignores SIGINT; only the test process inherits
    this."""
    monkeypatch.setenv("STAYS", "HUP INT QUIT TERM" if PARENTS[parent] else "")
    output = run(tmp_path, CHILDREN, "-n", workers, before=PARENTS[parent])
    assert "3 passed" in output.splitlines()[-1]
