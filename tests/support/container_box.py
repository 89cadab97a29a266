# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A place for podman and containerd: own mounts, an image of busybox, and the CNI daemon.

The place has the network namespace of the caller. Files of the machine stay as they are: the folders
of the runtimes are folders of the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support import cni

#: Folders that the place replaces by folders of the test.
_FOLDERS = (
    "/etc/cni",
    "/etc/containers",
    "/opt/cni",
    "/var/lib/cni",
    "/var/lib/containers",
    "/var/lib/containerd",
)
_MOUNTS = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/os-vif /run/lock
mount -t sysfs sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup
for folder in $2; do
    mkdir -p $1$folder $folder
    mount --bind $1$folder $folder
done
touch $1/ready
exec sleep infinity
"""
_APPLETS = ("sh", "ip", "ping", "sleep")
#: Options of podman for a machine without cgroups of its own and without CAP_SYS_RESOURCE.
_PODMAN_RUN = (
    *("--cgroups=disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
    *("--cap-add", "net_raw"),
)
IMAGE = "localhost/bb:1"
_PATIENCE = 90


def require(*programs: str) -> None:
    """Skip the test if a program is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs the Debian packages of: {', '.join(missing)}")


def _busybox() -> str:
    """Return the path of a busybox without shared libraries, or skip the test."""
    path = shutil.which("busybox")
    if path is not None:
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        if "not a dynamic" in linked.stdout + linked.stderr:
            return path
    pytest.skip("needs the Debian package busybox-static")


class Box:
    """A place for container runtimes."""

    def __init__(self, folder: pathlib.Path, pid: int) -> None:
        self.folder, self.pid = folder, pid

    def command(self, *arguments: object) -> list[str]:
        """Return the command line of a program in the place."""
        return ["nsenter", "-t", str(self.pid), "-m", *map(str, arguments)]

    def run(self, *arguments: object, text: str | None = None) -> str:
        """Run a program in the place, and return standard output."""
        done = subprocess.run(
            self.command(*arguments),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, *arguments: object, ready: str) -> Iterator[None]:
        """Run a daemon in the place for a block, which begins when a path of the place exists."""
        with (self.folder / "daemon.log").open("a") as log:
            process = subprocess.Popen(self.command(*arguments), stdout=log, stderr=log)
            try:
                _wait(lambda: pathlib.Path(f"/proc/{self.pid}/root{ready}").exists(), process)
                yield
            finally:
                process.terminate()
                process.wait(_PATIENCE)

    def write(self, path: str, text: str) -> None:
        """Write a file of the place."""
        target = pathlib.Path(f"{self.folder}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def write_network(self, **fields: object) -> None:
        """Write the network osvif, with host-local and with fields of os-vif-cni."""
        plugin = {
            "type": "os-vif-cni",
            "mtu": 1400,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.77.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
            **fields,
        }
        conflist = {"cniVersion": "0.4.0", "name": "osvif", "plugins": [plugin]}
        self.write("/etc/cni/net.d/50-osvif.conflist", json.dumps(conflist))

    def podman(self, *arguments: object) -> str:
        """Run podman, and return standard output."""
        return self.run("podman", *arguments)

    def podman_run(self, name: str, *arguments: object) -> str:
        """Run a container of podman in the network osvif."""
        return self.podman("run", "--name", name, *_PODMAN_RUN, "--network", "osvif", *arguments)

    def state(self) -> dict[str, str]:
        """Return devices, files of CNI and files of os-vif, for a comparison."""
        kept = ("generation", "lock", "last_reserved_ip.0")
        files = self.run("find", "/var/lib/cni", "/run/os-vif", "-not", "-name", "gc*")
        return {
            "links": self.run("ip", "-br", "link"),
            "files": "\n".join(
                sorted(line for line in files.splitlines() if not line.endswith(kept))
            ),
        }


@contextlib.contextmanager
def opened(folder: pathlib.Path, client: pathlib.Path) -> Iterator[Box]:
    """Provide a place with the plugins of Debian, the client, and the running CNI daemon."""
    cni.require_plugins("host-local")
    busybox = _busybox()
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", _MOUNTS, "sh", folder, " ".join(_FOLDERS)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            box = Box(folder, process.pid)
            if not _wait((folder / "ready").exists, process):
                pytest.skip(f"needs the right to mount: {process.stderr.read().strip()}")
            _prepare(box, client, busybox)
            command = pathlib.Path(sys.executable).parent / "os-vif"
            with box.running(command, "cni-daemon", ready="/run/os-vif/cni.sock"):
                yield box
        finally:
            process.kill()


def _wait(is_ready, process: subprocess.Popen) -> bool:
    """Wait for a condition; return False if the process ends before."""
    deadline = time.monotonic() + _PATIENCE
    while not is_ready():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return True


def _prepare(box: Box, client: pathlib.Path, busybox: str) -> None:
    """Write the configuration of the runtimes, the plugins, and the root file system."""
    plugins = box.folder / "opt/cni/bin"
    plugins.mkdir(parents=True)
    for path in (*cni.DEBIAN_PLUGINS.iterdir(), client):
        shutil.copy(path, plugins)
    box.write(
        "/etc/containers/containers.conf",
        '[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["/opt/cni/bin"]\n'
        'network_config_dir = "/etc/cni/net.d"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n',
    )
    box.write(
        "/etc/containers/storage.conf",
        '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\n'
        'graphroot = "/var/lib/containers/storage"\n',
    )
    box.write("/etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
    root = box.folder / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")


def import_image(box: Box) -> None:
    """Make the image of the root file system, in podman."""
    archive = box.folder / "rootfs.tar"
    subprocess.run(["tar", "-C", box.folder / "rootfs", "-cf", archive, "."], check=True)
    box.podman("import", "-q", archive, "bb:1")
    assert os.path.exists(archive)  # noqa: PTH110 - the archive is a part of the box
