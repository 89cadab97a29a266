# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A third-party plugin with a step of its own, installed by pip, and the shared daemon."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from os_vif.testing.host_snapshots import differences, ip, snapshot

PLUG = 'os_vif.plug(vif("queues"), INSTANCE)'
CHECK = 'print(*os_vif.check(vif("queues"), INSTANCE))'
UNPLUG = 'os_vif.unplug(vif("queues"), INSTANCE)'
ERROR = 'print(error_of(os_vif.plug, vif("queues"), INSTANCE))'

pytestmark = pytest.mark.usefixtures("namespace")


@contextlib.contextmanager
def daemon(command: str, path: pathlib.Path, environment: dict[str, str]) -> Iterator[None]:
    """Run the installed command ``os-vif privileged`` in an environment."""
    with subprocess.Popen([command, "privileged", "--listen", path], env=environment) as process:
        end = time.monotonic() + 60
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield
        process.terminate()


def test_the_step_of_an_installed_plugin_is_applied(
    program, environment, os_vif_command, tmp_path
):
    path = tmp_path / "sock"
    environment["OS_OS_VIF__PRIVILEGED_SOCKET"] = str(path)
    before = snapshot()
    with daemon(os_vif_command, path, environment):
        program(PLUG)
        assert ip("link", "show", "tap-1")[0]["txqlen"] == 123
        assert program(CHECK).strip() == ""
        program(UNPLUG)
    assert differences(before) == []


def test_a_daemon_without_the_plugin_refuses_the_call(
    program, environment, os_vif_command, tmp_path
):
    path = tmp_path / "sock"
    environment["OS_OS_VIF__PRIVILEGED_SOCKET"] = str(path)
    before = snapshot()
    with daemon(os_vif_command, path, dict(os.environ)):
        told = program(ERROR)
    assert "os_vif_queues_privsep is not the privsep_module of an installed plugin" in told
    assert "restart os-vif-privileged" in told
    assert differences(before) == []
