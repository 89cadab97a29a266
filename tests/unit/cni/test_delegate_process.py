# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Processes of delegated plugins: input, outputs, exit code and timeout."""

from __future__ import annotations

import os

import pytest

from os_vif.cni import delegate_process
from tests.support.daemons import descriptors


@pytest.fixture
def plugin(tmp_path):
    """Return a function that writes a shell script, and returns the path."""

    def write(body):
        path = tmp_path / "plugin"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


def run(path, data=b"", timeout=60.0, **variables):
    return delegate_process.run(path, data, {"PATH": os.defpath} | variables, timeout)


def test_input_environment_outputs_and_exit_code(plugin):
    path = plugin("cat; echo $NAME; echo fault >&2; exit 3")
    data = b"x" * 1_000_000
    assert run(path, data, NAME="value") == (3, data + b"value\n", b"fault\n")


def test_a_process_that_a_signal_ends_has_a_negative_code(plugin):
    assert run(plugin("kill -9 $$")).code == -9


def test_input_that_is_not_read(plugin):
    assert run(plugin("true"), b"x" * 1_000_000) == (0, b"", b"")


def test_a_process_that_does_not_end_in_time_is_killed(plugin, tmp_path):
    with pytest.raises(TimeoutError):
        run(plugin(f"echo $$ > {tmp_path}/pid; exec sleep 600"), timeout=1.0)
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_file_that_cannot_be_executed(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(str(tmp_path / "missing"))


def test_no_descriptor_remains(plugin, tmp_path):
    path = plugin("true")
    run(path)
    before = descriptors("self")
    for _ in range(3):
        run(path)
        with pytest.raises(FileNotFoundError):
            run(str(tmp_path / "missing"))
    assert descriptors("self") == before
