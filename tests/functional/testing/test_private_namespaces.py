# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private network namespaces: netlink sockets stay inside, and left devices are found."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from os_vif.host.netlink import rtnetlink
from os_vif.testing import private_namespaces

ROOT = pathlib.Path(__file__).parents[3]
#: The tests of a run in which the second test leaves a bridge, and the third another bridge that is
#: not of os-vif.
TESTS = """
import subprocess

def run(*arguments):
    subprocess.run(["ip", "link", *arguments], check=True)

def test_leaves_nothing():
    run("add", "brq-1", "type", "bridge")
    run("set", "brq-1", "alias", "os-vif")
    run("del", "brq-1")

def test_leaves_a_bridge():
    run("add", "brq-2", "type", "bridge")
    run("set", "brq-2", "alias", "os-vif")

def test_leaves_a_bridge_of_another_program():
    run("add", "virbr3", "type", "bridge")
"""


def test_the_socket_of_a_thread_is_in_the_namespace_of_the_thread(namespace):
    """Also with a socket that the thread has opened before; the thread gets that socket back."""
    outer = rtnetlink.thread_socket()
    private_namespaces.run("ip link add outer type bridge")
    with private_namespaces.private_namespace():
        path = f"/proc/self/fd/{os.open('/proc/thread-self/ns/net', os.O_RDONLY)}"
        inner = rtnetlink.thread_socket()
        assert inner is not outer
        assert inner.link("outer") is None
        private_namespaces.run("ip link add inner type bridge")
    assert rtnetlink.thread_socket() is outer
    assert outer.link("outer") is not None
    assert outer.link("inner") is None
    with private_namespaces.joined_namespace(path):
        assert rtnetlink.thread_socket().link("inner") is not None
    os.close(int(pathlib.Path(path).name))
    assert rtnetlink.thread_socket() is outer


def test_a_test_that_leaves_a_device_of_os_vif_in_the_machine_fails(namespace, tmp_path):
    """The run has a network namespace and a sysfs of its own."""
    (tmp_path / "test_devices.py").write_text(TESTS)
    (tmp_path / "pytest.ini").touch()
    pytest = "-m pytest -q -p tests.left_devices -p no:cacheprovider -p no:xdist --tb=short"
    command = f"mount -t sysfs none /sys && exec {sys.executable} -W ignore {pytest}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", command],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "ERROR test_devices.py::test_leaves_a_bridge - " in done.stdout
    assert "left brq-2 in the network namespace of the machine" in done.stdout
