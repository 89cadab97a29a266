# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command os-vif cni-daemon as a process: start, end, and a second daemon."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from os_vif.testing.host_snapshots import ip
from testbed import snippets
from tests.support import cni
from tests.support.cni import ROOT, addresses_in
from tests.support.documents.pages import PAGES

TIMEOUT = 120
PAGE = "operators/containers"


@contextlib.contextmanager
def started(os_vif_command, tmp_path, path):
    """Start the daemon, wait until the daemon tells systemd to be ready, and end the daemon."""
    notified = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(notified))
        sock.settimeout(TIMEOUT)
        with subprocess.Popen(
            [os_vif_command, "cni-daemon", "--listen", path],
            env={**os.environ, "NOTIFY_SOCKET": str(notified)},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert sock.recv(100) == b"READY=1"
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=TIMEOUT)
                notified.unlink()
    assert process.returncode == 0, errors


def test_a_pod_by_the_command(
    namespace, quick_commands, os_vif_command, c_client, tmp_path, pods, network
):
    path = tmp_path / "cni.sock"
    with started(os_vif_command, tmp_path, path):
        for client in (c_client, cni.PYTHON_CLIENT):
            runtime = cni.Runtime(client, path, netns=pods())
            result = runtime.call("ADD", network).result
            assert addresses_in(runtime.netns)
            if client == c_client:
                listed = subprocess.run(
                    [os_vif_command, "list", "-f", "json"],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                assert [each["Owner"] for each in json.loads(listed.stdout)] == ["os-vif-cni"]
            runtime.call("CHECK", network | {"prevResult": result}).succeeded()
            runtime.call("DEL", network | {"prevResult": result}).succeeded()
        second = subprocess.run(
            [os_vif_command, "cni-daemon", "--listen", path],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert second.returncode == 1
        assert "another process listens" in second.stderr
    assert not path.exists()
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_the_page_for_containers(namespace, quick_commands, os_vif_command, c_client, tmp_path):
    """The snippets of the page: both configurations, the build of the client, the pod by hand."""
    page = PAGES[PAGE]
    assert json.loads(_block("json", "60-kuryr.conflist"))["plugins"][0]["kubernetes"]
    listed = json.loads(_block("json", "50-osvif.conflist"))
    assert listed["plugins"][0]["type"] == "os-vif-cni"
    (tmp_path / "call.json").write_text(_block("json", "call.json"))
    build = _block("sh", "with a compiler").replace("/usr/share/os-vif/cni", str(ROOT / "etc/cni"))
    install = _block("sh", "without a compiler").replace(
        "/usr/share/os-vif/cni", str(ROOT / "etc/cni")
    )
    folder = tmp_path / "bin"
    by_hand = _block("sh", "a pod by hand")
    path = tmp_path / "cni.sock"
    with started(os_vif_command, tmp_path, path):
        for prepare in (build, install):
            script = "\n".join(
                (
                    "set -e",
                    f"mkdir -p {folder}",
                    prepare.replace("/opt/cni/bin", str(folder)),
                    f"export PATH={folder}:$PATH OS_VIF_CNI_SOCKET={path}",
                    by_hand.replace("CNI_PATH=/usr/lib/cni", f"CNI_PATH={folder}"),
                )
            )
            done = subprocess.run(
                ["sh", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, done.stderr
            assert "10.77.0.2/24" in done.stdout
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    unit = (ROOT / "etc/systemd/os-vif-cni.service").read_text()
    assert re.search(r"^ExecStart=/usr/bin/os-vif .* cni-daemon$", unit, re.MULTILINE)
    assert "os-vif --config-file /etc/os-vif/os-vif.conf cni-daemon" in page


def _block(language, caption):
    """Return the snippet of the page with a caption."""
    (found,) = (
        block for block in snippets.blocks(PAGES[PAGE], language) if block.caption == caption
    )
    return found.text


@pytest.mark.parametrize("path", ["/nowhere/cni.sock", "/proc/cni.sock"])
def test_a_socket_that_cannot_be_made(namespace, quick_commands, os_vif, path):
    done = os_vif("cni-daemon", "--listen", path)
    assert done.returncode == 1
    assert path in done.stderr
