# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Duration of ADD, CHECK and DEL of os-vif-cni, compared with the plugin ``bridge`` of CNI.

    .venv/bin/python -m benchmarks.pods [--rounds 100] [--pods 200] [--pairs 200] [--write]

Needs root, and the package containernetworking-plugins of Debian. All changes are made in a private
network namespace. Both plugins use ``host-local`` and a bridge that exists before. os-vif-cni is the
client in C if there is a compiler, and the daemon is a process of its own with a private
``privsep-helper``. The cases alternate, and CHECK verifies each pod. A VIF with addresses, which needs
no IPAM plugin, is compared with the messages to the kernel alone (see :mod:`benchmarks.raw_pod`).
The long form is ``--pairs 2000``. The option ``--cache`` has no effect.

``--write`` stores the figures of the page ``doc/source/reference/performance_pods.rst``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import pod_figures, sides
from benchmarks.pod_figures import GO, IPAM, OURS, OURS_VIF, RAW, START, Row, Times
from benchmarks.raw_pod import RawPod
from os_vif import objects, serialization
from os_vif.testing.private_namespaces import hide_state_directory, private_namespace, run
from testbed import environments

GO_PLUGINS = pathlib.Path("/usr/lib/cni")
CLIENTS = sides.ROOT / "etc/cni"
VERSION, MTU = "1.0.0", 1400
ADDRESS, GATEWAY = "192.0.2.10", "192.0.2.1"
CALLS = ("ADD", "CHECK", "DEL")
_READY_TIMEOUT = 120
_numbers = itertools.count()


class CallError(Exception):
    """A plugin returned an error."""


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A CNI plugin, executed as a container runtime executes the plugin."""

    executable: pathlib.Path
    configuration: dict[str, Any]
    scratch: pathlib.Path
    socket: str

    def call(self, command: str, container_id: str, netns: str, **added: Any) -> tuple[float, str]:
        """Execute a command; return the seconds from the start to the end, and standard output.

        :raises CallError: with the output of a plugin that fails.
        """
        given = self.scratch / f"{container_id}.json"
        answer = self.scratch / f"{container_id}.answer"
        given.write_text(json.dumps(self.configuration | added))
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container_id,
            "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(GO_PLUGINS),
            "OS_VIF_CNI_SOCKET": self.socket,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        files = [
            (os.POSIX_SPAWN_OPEN, 0, str(given), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(answer), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        path = str(self.executable)
        start = time.perf_counter()
        pid = os.posix_spawn(path, [path], environment, file_actions=files)
        _, status = os.waitpid(pid, 0)
        seconds = time.perf_counter() - start
        output = answer.read_text()
        if status:
            raise CallError(f"{path} {command} {container_id}: {output}")
        return seconds, output

    def time_calls(self, container_id: str, netns: str) -> dict[str, float]:
        """Return the seconds of ADD, CHECK and DEL of a container."""
        seconds, result = {}, {}
        for command in CALLS:
            seconds[command], output = self.call(command, container_id, netns, **result)
            if command == "ADD":
                result = {"prevResult": json.loads(output)}
        return seconds


def build_client(folder: pathlib.Path) -> pathlib.Path:
    """Return the path of the client in C, or of the client in Python without a compiler.

    The options of the compiler are those of the operator guide. Go's plugins are static too.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return CLIENTS / "os-vif-cni"
    path = folder / "os-vif-cni"
    subprocess.run([compiler, "-O2", "-static", "-o", path, CLIENTS / "os-vif-cni.c"], check=True)
    return path


def network(name: str, plugin_type: str, scratch: pathlib.Path) -> dict[str, Any]:
    """Return the configuration of a network with a bridge and host-local."""
    ipam = {
        "type": "host-local",
        "dataDir": str(scratch / f"ipam-{name}"),
        "ranges": [[{"subnet": "10.77.0.0/16"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    common = {"cniVersion": VERSION, "name": name, "type": plugin_type, "mtu": MTU}
    return {**common, "bridge": f"br-{name}", "ipam": ipam}


def network_of_vif() -> dict[str, Any]:
    """Return the configuration with a VIF that has an address and a default route."""
    subnet = objects.Subnet(
        cidr="192.0.2.0/24",
        gateway=GATEWAY,
        dns=[],
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=ADDRESS)]),
        routes=objects.RouteList(objects=[]),
    )
    vif = objects.VIFBridge(
        id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90",
        address="fa:16:3e:00:00:01",
        plugin="linux_bridge",
        vif_name="tap5a1d3c2e-0b",
        bridge_name="br-ours",
        has_traffic_filtering=True,
        network=objects.Network(
            id="7c2e6a0e-9c3f-4c53-8a0f-2f1f1f0f7b11",
            bridge="br-ours",
            mtu=MTU,
            should_provide_bridge=True,
            subnets=objects.SubnetList(objects=[subnet]),
        ),
    )
    document = json.loads(serialization.dumps(vif))
    return {"cniVersion": VERSION, "name": "vif", "type": "os-vif-cni", "vif": document}


@contextlib.contextmanager
def running_daemon(scratch: pathlib.Path, path: str) -> Iterator[None]:
    """Run ``os-vif cni-daemon`` for a block."""
    helper = pathlib.Path(sys.executable).with_name("privsep-helper")
    sections = ("os_vif_pod_privileged", "vif_plug_linux_bridge_privileged")
    lines = [f"[{section}]\nhelper_command = {helper}\n" for section in sections]
    configuration = scratch / "os-vif.conf"
    configuration.write_text("".join([f"[oslo_concurrency]\nlock_path = {scratch}\n", *lines]))
    command = pathlib.Path(sys.executable).with_name("os-vif")
    notified = scratch / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(notified))
        sock.settimeout(_READY_TIMEOUT)
        variables = {"NOTIFY_SOCKET": str(notified), "PYTHONWARNINGS": "ignore"}
        with subprocess.Popen(
            [command, "--config-file", configuration, "cni-daemon", "--listen", path],
            env=environments.without_python_settings(os.environ) | variables,
        ) as process:
            try:
                if sock.recv(100) != b"READY=1":
                    raise SystemExit("the daemon is not ready")
                yield
            finally:
                process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def new_pods(count: int) -> Iterator[list[str]]:
    """Create network namespaces for a block, and provide the paths."""
    names = [f"os-vif-bench-{os.getpid()}-{next(_numbers)}" for _ in range(count)]
    try:
        _ip(f"netns add {name}" for name in names)
        yield [f"/run/netns/{name}" for name in names]
    finally:
        left = [name for name in names if pathlib.Path("/run/netns", name).exists()]
        _ip(f"netns delete {name}" for name in left)


def _ip(lines: Iterator[str]) -> None:
    """Execute commands of ``ip`` by a single process."""
    command = ("ip", "-batch", "-")
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


def measure(plugins: dict[str, Plugin], client: Plugin, raw: RawPod, options: Any) -> Times:
    """Return the seconds by case and command. The cases alternate, and alternate in starting."""
    times: Times = {}
    with new_pods(len(plugins)) as namespaces:
        cases: dict[str, Callable[[int], dict[str, float]]] = {
            name: lambda number, plugin=plugin, netns=netns: plugin.time_calls(f"c{number}", netns)
            for (name, plugin), netns in zip(plugins.items(), namespaces, strict=True)
        }
        cases[RAW] = lambda _: {"ADD": raw.plug(), "DEL": raw.unplug()}
        # Without a daemon the client answers VERSION alone.
        cases[START] = lambda _: {"VERSION": client.call("VERSION", "none", "")[0]}
        # Discard the first round, which imports modules.
        for number in range(-1, options.rounds):
            for name in list(cases) if number % 2 else reversed(cases):
                for command, seconds in cases[name](number + 1).items():
                    if number >= 0:
                        times.setdefault((name, command), []).append(seconds)
    return times


def run_threads(count: int, threads: int, call: Callable[[int], object]) -> tuple[int, float]:
    """Call a function with each number; return the number of errors, and the seconds."""
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(call, number) for number in range(count)]
    errors = [error for each in calls if (error := each.exception()) is not None]
    for error in errors[:3]:
        print(f"# {error}")
    return len(errors), time.perf_counter() - start


def load_daemon(plugin: Plugin, options: Any) -> Iterator[Row]:
    """Add and delete pods from several threads, and yield the errors."""
    with new_pods(options.pods) as namespaces:
        for command in ("ADD", "DEL"):
            errors, seconds = run_threads(
                options.pods,
                options.threads,
                lambda number, command=command: plugin.call(
                    command, f"p{number}", namespaces[number]
                ),
            )
            text = f"errors of {options.pods} {command} by {options.threads} threads"
            print(f"# {text}: {errors}, {seconds:.1f} s", flush=True)
            yield pod_figures.count(text, errors, 0)


def processes_here() -> list[int]:
    """Return the process ids in the network namespace of this process, without this process."""
    ours = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/net").stat().st_ino == ours:
                found.append(int(process.name))
    return sorted(set(found) - {os.getpid()})


def resources() -> tuple[int, int]:
    """Return the memory (RSS) in KiB and the number of descriptors of the daemons."""
    memory = descriptors = 0
    for pid in processes_here():
        status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        memory += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        descriptors += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    return memory, descriptors


def compare_resources(plugin: Plugin, options: Any) -> Iterator[Row]:
    """Yield memory and descriptors of the daemons after pairs of ADD and DEL, with those before."""
    with new_pods(options.threads) as namespaces:
        share = options.pairs // options.threads

        def add_and_delete(thread: int) -> None:
            for number in range(share):
                for command in ("ADD", "DEL"):
                    plugin.call(command, f"t{thread}-{number}", namespaces[thread])

        memory, descriptors = resources()
        errors, seconds = run_threads(options.threads, options.threads, add_and_delete)
        memory_after, descriptors_after = resources()
    pairs = share * options.threads
    text = f"{pairs} pairs of ADD and DEL"
    print(f"# {text}: {errors} errors, {seconds:.1f} s", flush=True)
    after = f"of the daemons after {text}"
    yield pod_figures.count(f"errors of {text}", errors, 0)
    yield pod_figures.count(f"descriptors {after}", descriptors_after, descriptors)
    yield pod_figures.count(f"memory (KiB) {after}", memory_after, memory * pod_figures.MEMORY)
    growth = round((memory_after - memory) * 1024 / pairs)
    yield pod_figures.count("growth of the memory for a pair (bytes)", growth, None)


def version_of_go_plugins() -> str:
    """Return the upstream version of the package of Go's plugins, or "unknown"."""
    command = ("dpkg-query", "-W", "-f", "${Version}", "containernetworking-plugins")
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.partition("+")[0]


def main() -> None:
    parser = sides.argument_parser(__doc__, rounds=100)
    parser.add_argument("--pods", type=int, default=200, help="pods of the threads")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=200, help="pairs for memory and descriptors")
    parser.add_argument("--write", action="store_true", help="store the figures of the page")
    options = sides.parse_options(parser)
    missing = [name for name in ("bridge", "host-local") if not (GO_PLUGINS / name).exists()]
    if missing:
        raise SystemExit(f"needs {', '.join(missing)} of the package containernetworking-plugins")
    load = sides.load_average()
    hide_state_directory()
    with tempfile.TemporaryDirectory() as directory, private_namespace():
        scratch = pathlib.Path(directory)
        client = build_client(scratch)
        kind = "C" if client.parent == scratch else "Python"
        print(
            f"# Linux {platform.release()}, Python {platform.python_version()}, client in {kind}"
        )
        print(f"# ms: median, 99th percentile and least of {options.rounds}")
        for bridge in ("br-go", "br-ours", "br-raw"):
            run(f"ip link add {bridge} type bridge && ip link set {bridge} up")
        path = str(scratch / "cni.sock")

        def plugin(executable: pathlib.Path, configuration: dict[str, Any], at: str) -> Plugin:
            folder = scratch / configuration["name"]
            folder.mkdir(exist_ok=True)
            return Plugin(executable, configuration, folder, at)

        plugins = {
            GO: plugin(GO_PLUGINS / "bridge", network("go", "bridge", scratch), ""),
            OURS: plugin(client, network("ours", "os-vif-cni", scratch), path),
            OURS_VIF: plugin(client, network_of_vif(), path),
            # Each plugin with IPAM executes host-local, so no call takes less time.
            IPAM: plugin(GO_PLUGINS / "host-local", network("ipam", "bridge", scratch), ""),
        }
        without_daemon = plugin(client, {"cniVersion": VERSION, "name": "none"}, "/none")
        with running_daemon(scratch, path), new_pods(1) as (netns,):
            raw = RawPod(netns, "br-raw", mtu=MTU, address=ADDRESS, gateway=GATEWAY)
            with contextlib.closing(raw):
                times = measure(plugins, without_daemon, raw, options)
            counts = [
                *load_daemon(plugins[OURS], options),
                *compare_resources(plugins[OURS], options),
            ]
    results = pod_figures.figures(times, counts)
    pod_figures.print_figures(results)
    machine = {
        "linux": platform.release(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "cni_plugins": version_of_go_plugins(),
        "client": kind,
        "load": [load, sides.load_average()],
    }
    if options.write:
        stored = {"machine": machine, "rounds": options.rounds, **results}
        sides.write_figures(pod_figures.PAGE, stored)


if __name__ == "__main__":
    main()
