# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""podman and containerd of Debian plug pods through os-vif-cni, without network access."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from os_vif.testing import private_namespaces, quick_daemons
from testbed import ovs
from tests.support import cni, container_box
from tests.support.container_box import IMAGE, Box
from tests.support.daemons import CONTEXTS

pytestmark = pytest.mark.interop

_SOCKET = "/run/containerd/containerd.sock"
_CONTAINERD = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd/containerd.sock"
"""
#: runc of a machine with hierarchies of cgroup version 1 needs all of them.
_OLD_CGROUPS = r"""
old=$(awk '!/^#/ && $2 != 0 {print $1}' /proc/cgroups)
[ -z "$old" ] && exit
mount -t tmpfs tmpfs /sys/fs/cgroup
for name in $old; do
    mkdir /sys/fs/cgroup/$name && mount -t cgroup -o $name cgroup /sys/fs/cgroup/$name || exit
done
"""


@pytest.fixture
def switch(tmp_path) -> Iterator[ovs.Switch]:
    """Provide an Open vSwitch with a bridge, in a private network namespace."""
    if missing := private_namespaces.missing_right() or ovs.missing_requirement():
        pytest.skip(missing)
    with private_namespaces.private_namespace(), ovs.Switch(tmp_path) as found:
        found.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        yield found


@pytest.fixture
def box(switch, tmp_path, monkeypatch) -> Iterator[Box]:
    """Provide a place for container runtimes with an image, in the namespace of the switch."""
    container_box.require("podman", "crun", "unshare", "nsenter")
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", switch.connection)
    with contextlib.ExitStack() as stack:
        helper = stack.enter_context(quick_daemons.running_helper(tmp_path))
        for context in CONTEXTS:
            monkeypatch.setenv(f"OS_{context.cfg_section}__helper_command".upper(), helper)
        folder = tmp_path / "box"
        folder.mkdir()
        client = cni.build_client(tmp_path)
        box = stack.enter_context(container_box.opened(folder, client))
        container_box.import_image(box)
        yield box


NETWORKS = {
    "linux bridge": {"bridge": "br-osvif"},
    "open vswitch": {"plugin": "ovs", "bridge": "br-int"},
}


def _address(output: str) -> str:
    """Return the first IPv4 address in the output of ip."""
    return output.partition("inet 10.")[2].partition("/")[0]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_two_pods_of_podman_reach_each_other_and_leave_nothing(box, switch, network):
    box.write_network(**network)
    assert "os-vif-cni" in box.podman("network", "ls")
    # The first pod creates the folders of host-local and libcni.
    box.podman_run("first", "--rm", IMAGE, "/bin/ip", "address")
    before = box.state(), switch.vsctl("show")
    box.podman_run("a", "-d", IMAGE, "/bin/sleep", "300")
    shown = box.podman("exec", "a", "/bin/ip", "address", "show", "dev", "eth0")
    assert "mtu 1400" in shown
    address = f"10.{_address(shown)}"
    output = box.podman_run("b", "--rm", IMAGE, "/bin/ping", "-c", "2", "-W", "10", address)
    assert "2 packets received" in output
    assert "default via 10.77.0.1 dev eth0" in box.podman("exec", "a", "/bin/ip", "route")
    box.podman("rm", "-f", "-t", "0", "a")
    assert (box.state(), switch.vsctl("show")) == before


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_two_pods_of_containerd_reach_each_other_and_leave_nothing(box, switch, network):
    container_box.require("containerd", "ctr", "runc")
    box.write_network(**network)
    box.write("/var/lib/containerd/config.toml", _CONTAINERD)
    archive = box.folder / "image.tar"
    box.podman("save", "-q", "-o", archive, IMAGE)

    box.run("sh", "-c", _OLD_CGROUPS)

    def ctr(*arguments):
        return box.run("ctr", "-a", _SOCKET, *arguments)

    def command(name, *arguments):
        options = ("--snapshotter", "native", "--cni", "--cgroup", "", "--cap-add", "CAP_NET_RAW")
        return ("ctr", "-a", _SOCKET, "run", *options, "--rm", IMAGE, name, *arguments)

    with box.running("containerd", "-c", "/var/lib/containerd/config.toml", ready=_SOCKET):
        ctr("image", "import", "--snapshotter", "native", archive)
        box.run(*command("first", "/bin/ip", "address"))
        before = box.state(), switch.vsctl("show")
        # ctr calls DEL when the container ends, unless ctr runs the container in the background.
        with subprocess.Popen(box.command(*command("a", "/bin/sleep", "300"))) as first:
            pid = _await_task(ctr, "a")
            shown = box.run("nsenter", "-t", pid, "-n", "ip", "address", "show", "dev", "eth0")
            assert "mtu 1400" in shown
            address = f"10.{_address(shown)}"
            output = box.run(*command("b", "/bin/ping", "-c", "2", "-W", "10", address))
            assert "2 packets received" in output
            ctr("task", "kill", "-s", "SIGKILL", "a")
            first.wait(60)
        assert (box.state(), switch.vsctl("show")) == before


def _await_task(ctr, name: str) -> str:
    """Return the process id of a running container of containerd."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in ctr("task", "ls").splitlines():
            words = line.split()
            if words[0] == name and words[2] == "RUNNING":
                return words[1]
        time.sleep(0.1)
    raise AssertionError(f"{name} does not run")
