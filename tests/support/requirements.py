# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Skips of tests for missing features of the kernel."""

from __future__ import annotations

import functools
import os
import re
import subprocess

import pytest

from os_vif.testing.private_namespaces import private_namespace
from tests.vm.plugin import KERNEL_LACKS


def require(probe: str) -> None:
    """Skip the test if a command fails in a new network namespace: the kernel lacks a feature.

    A test with such a skip has the marker ``@pytest.mark.vm`` for a machine with the feature.
    """
    if (error := _probe(probe)) is not None:
        command = re.split(r"[;\n]", probe.strip())[-1].strip()
        pytest.skip(f"{KERNEL_LACKS} what this needs: {command}: {error}")


@functools.cache
def _probe(probe: str) -> str | None:
    """Return the error of a command in a new network namespace, or None for success."""
    with private_namespace():
        done = subprocess.run(["sh", "-c", probe], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def require_tun() -> None:
    """Skip the test if the user may not open /dev/net/tun."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs to read and write /dev/net/tun")
