# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Nothing grows, however often a VIF is plugged and unplugged."""

from __future__ import annotations

import os
import pathlib

import pytest

import os_vif
from tests.functional.namespaces import snapshot
from tests.functional.test_engine import daemon_pid


def descriptors(pid: int | str) -> int:
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize(
    "pairs", [pytest.param(40, id="short"), pytest.param(2000, marks=pytest.mark.soak, id="long")]
)
def test_no_descriptor_and_no_link_grows(daemon, vif, instance, pairs):
    """In the caller and in the daemon, from the first pairs on."""
    before = snapshot()
    # The daemon's threads open their sockets at first use; there are as many as processors.
    for _ in range(8):
        os_vif.plug(vif, instance)
        os_vif.unplug(vif, instance)
    pid = daemon_pid()
    opened = descriptors("self"), descriptors(pid)
    for _ in range(pairs):
        os_vif.plug(vif, instance)
        os_vif.check(vif, instance)
        os_vif.unplug(vif, instance)
    assert descriptors("self") <= opened[0]
    # A thread of its pool may have been started, and opened its socket, only since.
    assert descriptors(pid) <= opened[1] + (os.cpu_count() or 1)
    assert snapshot() == before
