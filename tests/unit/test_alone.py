# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A test with the marker ``alone`` runs while all other workers wait."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
#: Each test appends a line at its begin and its end with a single write.
TESTS = """
import os, pathlib, time
import pytest

def note(text):
    file = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, text.encode() + b"\\n")
    os.close(file)

@pytest.mark.parametrize("number", range(6))
def test_shares(number):
    note("begin shared")
    time.sleep(0.2)
    note("end shared")

@pytest.mark.alone
@pytest.mark.parametrize("number", range(2))
def test_has_the_machine(number):
    note("begin alone")
    time.sleep(0.2)
    note("end alone")
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_no_test_runs_beside_one_that_is_alone(tmp_path, workers):
    """The remaining tests run in parallel."""
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    command = [
        *(sys.executable, "-m", "pytest", "-p", "tests.alone", "-p", "no:cacheprovider"),
        *("-n", str(workers), "--dist", "loadfile", "."),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    # With the variables of this worker, pytest would act as a worker too.
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "16 passed" in done.stdout, done.stdout
    running: list[str] = []
    together = 0
    for line in (tmp_path / "log").read_text().splitlines():
        what, kind = line.split()
        (running.append if what == "begin" else running.remove)(kind)
        together = max(together, len(running))
        assert "alone" not in running or running == ["alone"]
    assert together == max(workers, 1)
