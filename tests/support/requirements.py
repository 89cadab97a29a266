# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Skips of tests whose kernel lacks a feature."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from testbed.namespaces import private
from tests.vm.plugin import KERNEL_LACKS


def require(probe: str) -> None:
    """Skip where a command fails in a fresh network namespace, since the kernel lacks something.

    A test that may skip so has to say which virtual machine runs it (``@pytest.mark.vm``).
    """
    with private():
        done = subprocess.run(["sh", "-c", probe], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        command = re.split(r"[;\n]", probe.strip())[-1].strip()
        pytest.skip(f"{KERNEL_LACKS} what this needs: {command}: {done.stderr.strip()}")


def require_tun() -> None:
    """A right that an ordinary user does not have on every host."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs to read and write /dev/net/tun")
