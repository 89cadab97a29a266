# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A container runtime for tests: executes the client of the CNI plugin as libcni does."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from os_vif.cni import cni_process
from os_vif.cni.cni_server import SOCKET_MODE, CniServer
from os_vif.host import listeners
from os_vif.testing.private_namespaces import private_namespace

ROOT = pathlib.Path(__file__).parents[2]
PYTHON_CLIENT, C_CLIENT = ROOT / "etc/cni/os-vif-cni", ROOT / "etc/cni/os-vif-cni.c"
#: The folder of the plugins of the Debian package containernetworking-plugins.
DEBIAN_PLUGINS = pathlib.Path("/usr/lib/cni")
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def require_plugins(*names: str) -> None:
    """Skip the test if a plugin of the Debian package containernetworking-plugins is missing."""
    missing = [name for name in names if not (DEBIAN_PLUGINS / name).exists()]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} of the package containernetworking-plugins")


def require_command(command: str) -> None:
    """Skip the test if a command fails in a new network namespace."""
    with private_namespace():
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a kernel with: {command}: {done.stderr.strip()}")


def build_client(folder: pathlib.Path) -> pathlib.Path:
    """Return the client in C, or skip the test without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    path = folder / "os-vif-cni"
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", path, C_CLIENT], check=True)
    return path


@dataclasses.dataclass
class Answer:
    """The end of a client."""

    code: int
    output: str

    @property
    def json(self) -> dict[str, Any]:
        """The decoded standard output."""
        return json.loads(self.output)

    @property
    def result(self) -> dict[str, Any]:
        """The result of a successful command."""
        assert self.code == 0, self.output
        return self.json

    @property
    def error(self) -> dict[str, Any]:
        """The error of a failed command."""
        assert self.code != 0, self.output
        return self.json

    def succeeded(self) -> None:
        """Assert that a command without a result succeeded."""
        assert (self.code, self.output) == (0, "")


@dataclasses.dataclass
class Runtime:
    """Calls a client for one container in one network."""

    client: pathlib.Path
    socket: pathlib.Path
    container_id: str = "c1"
    netns: str = ""
    ifname: str = "eth0"
    arguments: str = ""
    path: str = str(DEBIAN_PLUGINS)
    #: PATH of the plugins of Debian.
    program_path: str = os.defpath

    def for_container(self, container_id: str, netns: str, ifname: str = "eth0") -> Runtime:
        """Return the runtime for another container."""
        return dataclasses.replace(self, container_id=container_id, netns=netns, ifname=ifname)

    def environment(self, command: str | None, **changes: str | None) -> dict[str, str]:
        """Return the environment of a call; a change to None leaves the variable out."""
        values = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": self.arguments,
            "CNI_PATH": self.path,
            "OS_VIF_CNI_SOCKET": str(self.socket),
            "PATH": os.environ["PATH"],
        }
        values |= changes
        return {name: value for name, value in values.items() if value is not None}

    def start(self, command: str | None, **changes: str | None) -> subprocess.Popen:
        """Start a client, and return the process with open pipes."""
        return subprocess.Popen(
            [self.client],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment(command, **changes),
        )

    def call(self, command: str | None, configuration: Any, **changes: str | None) -> Answer:
        """Run a client to the end; *configuration* is plain data or the text of standard input."""
        text = configuration if isinstance(configuration, str) else json.dumps(configuration)
        with self.start(command, **changes) as process:
            output, _ = process.communicate(text.encode(), timeout=60)
        return Answer(process.returncode, output.decode())

    def run_plugin(self, command: str, configuration: dict[str, Any]) -> Answer:
        """Run a plugin of Debian, or os-vif-cni, by the type of the configuration."""
        if configuration["type"] == "os-vif-cni":
            return self.call(command, configuration)
        done = subprocess.run(
            [DEBIAN_PLUGINS / configuration["type"]],
            input=json.dumps(configuration),
            env=self.environment(command, PATH=self.program_path),
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout)


@dataclasses.dataclass
class Chain:
    """A list of plugins, executed as libcni executes the list."""

    runtime: Runtime
    name: str
    version: str
    plugins: Sequence[dict[str, Any]]

    def _configuration(
        self, plugin: dict[str, Any], previous: dict[str, Any] | None
    ) -> dict[str, Any]:
        added = {} if previous is None else {"prevResult": previous}
        return {**plugin, "name": self.name, "cniVersion": self.version, **added}

    def add(self) -> dict[str, Any]:
        """Execute ADD, and return the result of the last plugin."""
        previous = None
        for plugin in self.plugins:
            configuration = self._configuration(plugin, previous)
            previous = self.runtime.run_plugin("ADD", configuration).result
        assert previous is not None
        return previous

    def check(self, previous: dict[str, Any]) -> None:
        """Execute CHECK."""
        for plugin in self.plugins:
            configuration = self._configuration(plugin, previous)
            self.runtime.run_plugin("CHECK", configuration).succeeded()

    def delete(self, previous: dict[str, Any] | None = None) -> None:
        """Execute DEL, in reverse order."""
        for plugin in reversed(self.plugins):
            configuration = self._configuration(plugin, previous)
            answer = self.runtime.run_plugin("DEL", configuration)
            assert answer.code == 0, answer.output


@contextlib.contextmanager
def serving(path: pathlib.Path, answer) -> Iterator[CniServer]:
    """Serve clients by a thread in the network namespace of the caller, for a block."""
    server = CniServer([listeners.at_path(str(path), SOCKET_MODE, -1)], answer)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


@contextlib.contextmanager
def forked_daemon(
    path: pathlib.Path, prepare: Callable[[], object] = lambda: None
) -> Iterator[int]:
    """Run the daemon in a forked process for a block, and provide the process id.

    The process is killed at the end, unless it has ended.

    :param prepare: called in the process before the daemon starts.
    """
    pid = os.fork()
    if not pid:
        try:
            prepare()
            cni_process.run(str(path))
        finally:
            os._exit(0)
    try:
        _await_daemon(path)
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _await_daemon(path: pathlib.Path) -> None:
    """Wait until a daemon accepts connections."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < deadline, "the daemon does not listen"
                time.sleep(0.01)
            else:
                return


@contextlib.contextmanager
def pod_namespace(name: str) -> Iterator[str]:
    """Create a named network namespace, and provide its path."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def links_in(netns: str) -> dict[str, dict[str, Any]]:
    """Return the network devices of a namespace with their addresses, by name."""
    done = subprocess.run(
        ["nsenter", f"--net={netns}", "ip", "-json", "-details", "address"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {link["ifname"]: link for link in json.loads(done.stdout)}


def addresses_in(netns: str, ifname: str = "eth0") -> list[str]:
    """Return the global addresses of a device in a namespace."""
    found = links_in(netns)[ifname]["addr_info"]
    return [f"{each['local']}/{each['prefixlen']}" for each in found if each["scope"] == "global"]


def routes_in(netns: str) -> dict[str, str | None]:
    """Return the gateway of each route in a namespace, by destination."""
    found: dict[str, str | None] = {}
    for family in ("-4", "-6"):
        done = subprocess.run(
            ["nsenter", f"--net={netns}", "ip", family, "-json", "route"],
            check=True,
            capture_output=True,
            text=True,
        )
        found |= {r["dst"]: r.get("gateway") for r in json.loads(done.stdout or "[]")}
    return found


@pytest.fixture(scope="session")
def c_client(tmp_path_factory):
    """Return the path of the client in C."""
    return build_client(tmp_path_factory.mktemp("client"))


@pytest.fixture(params=["c", "python"])
def client(request):
    """Return the path of each client."""
    if request.param == "python":
        return PYTHON_CLIENT
    return request.getfixturevalue("c_client")
