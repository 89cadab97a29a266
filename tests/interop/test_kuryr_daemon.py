# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The kuryr-daemon of kuryr-kubernetes 10.0.0 plugs pods with this os-vif, without a change.

The Kubernetes API is the few calls that the daemon makes. The privileged daemon is shared.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from os_vif import objects
from os_vif.objects.kuryr import VIFMacvlanNested
from os_vif.testing import private_namespaces
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from testbed import environments, ovs
from tests.support import cni, kuryr_port_api
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.interop

#: The port of kuryr-daemon, in a network namespace of the test.
_PORT = 5036
_PATIENCE = 120
_CONFIGURATION = """
[DEFAULT]
log_file = {folder}/kuryr.log
[kubernetes]
api_root = {api}
token_file =
ssl_ca_crt_file =
ssl_verify_server_crt = false
[cni_daemon]
worker_num = 2
vif_annotation_timeout = 20
bind_address = 127.0.0.1:{port}
[cni_health_server]
port = 5091
[prometheus_exporter]
cni_exporter_port = 9655
[binding]
link_iface = up0
[neutron_defaults]
ovs_bridge = br-int
[oslo_concurrency]
lock_path = {folder}
[os_vif]
privileged_socket = {folder}/privileged.sock
[os_vif_ovs]
ovsdb_connection = {ovsdb}
"""


@pytest.fixture(scope="module")
def rights() -> None:
    """Skip the tests if a right is missing; give this process a private state directory."""
    if missing := private_namespaces.missing_right() or ovs.missing_requirement():
        pytest.skip(missing)
    private_namespaces.hide_state_directory()


@pytest.fixture
def switch(rights, tmp_path) -> Iterator[ovs.Switch]:
    """Provide an Open vSwitch with br-int, in a private network namespace with an uplink."""
    with private_namespaces.private_namespace(), ovs.Switch(tmp_path) as found:
        found.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        run("ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up")
        yield found


@pytest.fixture(scope="module")
def python(subject) -> pathlib.Path:
    """Return the Python with kuryr-kubernetes. Made outside of the network namespace."""
    try:
        return environments.environment("kuryr", environments.pins("kuryr"), subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def kuryr(python, subject, switch, tmp_path) -> Iterator[kuryr_port_api.KuryrPortApi]:
    """Run kuryr-daemon and the shared privileged daemon, and provide the API."""
    with contextlib.ExitStack() as stack:
        api, kubeconfig = stack.enter_context(kuryr_port_api.serving(tmp_path))
        server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        text = _CONFIGURATION.format(
            folder=tmp_path, api=server, port=_PORT, ovsdb=switch.connection
        )
        (tmp_path / "kuryr.conf").write_text(text)
        log = stack.enter_context((tmp_path / "output.log").open("w"))
        # kuryr-daemon calls ovs-vsctl at the default socket.
        (tmp_path / "openvswitch").mkdir()
        socket_path = switch.connection.removeprefix("unix:")
        (tmp_path / "openvswitch/db.sock").symlink_to(socket_path)
        environment = environments.without_python_settings(os.environ) | {
            "PYTHONPATH": str(subject.path),
            "KUBERNETES_NODE_NAME": "node1",
            "OVS_RUNDIR": str(tmp_path / "openvswitch"),
            "PATH": f"{python.parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        privileged = tmp_path / "privileged.sock"
        for command, path in (
            (
                [python, "-m", "os_vif.cmd.main", "privileged", "--listen", privileged],
                privileged,
            ),
            (
                [python.parent / "kuryr-daemon", "--config-file", tmp_path / "kuryr.conf"],
                None,
            ),
        ):
            process = stack.enter_context(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
            )
            stack.callback(_end, process)
            _await(path, process, tmp_path)
        yield api


def _end(process: subprocess.Popen) -> None:
    """End a daemon and its workers."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def _await(path: pathlib.Path | None, process: subprocess.Popen, folder: pathlib.Path) -> None:
    """Wait for the socket of a daemon; without a path, for the port of kuryr-daemon."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        assert process.poll() is None, (folder / "output.log").read_text()[-2000:]
        assert time.monotonic() < deadline, (folder / "output.log").read_text()[-2000:]
        if path is not None and path.exists():
            return
        if path is None:
            with contextlib.suppress(OSError), contextlib.closing(_connection()) as connection:
                connection.connect()
                return
        time.sleep(0.1)


def _connection() -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_PATIENCE)


def call(command: str, name: str, netns: str) -> tuple[int, str, float]:
    """Call kuryr-daemon as its client does; return the status, the answer and the seconds."""
    body = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": f"id-{name}",
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/x",
        "CNI_ARGS": f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};"
        f"K8S_POD_INFRA_CONTAINER_ID=id-{name}",
        "config_kuryr": {"cniVersion": "0.3.1", "name": "kuryr", "type": "kuryr-cni"},
    }
    path = "/addNetwork" if command == "ADD" else "/delNetwork"
    began = time.monotonic()
    with contextlib.closing(_connection()) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), time.monotonic() - began


def network(bridge: str, number: int) -> objects.Network:
    """Return a network with a subnet and an address."""
    subnet = objects.Subnet(
        cidr="10.66.0.0/24",
        gateway="10.66.0.1",
        dns=[],
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=f"10.66.0.{5 + number}")]),
        routes=objects.RouteList(objects=[]),
    )
    return objects.Network(
        id="11111111-1111-4111-8111-111111111111",
        bridge=bridge,
        mtu=1400,
        should_provide_bridge=True,
        subnets=objects.SubnetList(objects=[subnet]),
    )


def vif_of(kind: str, number: int) -> objects.VIFBase:
    """Return a VIF as kuryr-controller makes it."""
    own_id = f"{number:08x}-0000-4000-8000-000000000000"
    common = {
        "id": own_id,
        "address": f"fa:16:3e:00:00:{number:02x}",
        "active": True,
        "has_traffic_filtering": True,
        "preserve_on_delete": False,
        "vif_name": f"tap{own_id}"[:14],
    }
    if kind == "VIFBridge":
        vif = bridge_vif(number, bridge="brkuryr", mtu=1400)
        vif.network = network("brkuryr", number)
        vif.active, vif.preserve_on_delete = True, False
        return vif
    if kind == "VIFOpenVSwitch":
        profile = objects.VIFPortProfileOpenVSwitch(interface_id=own_id)
        return objects.VIFOpenVSwitch(
            **common,
            plugin="ovs",
            bridge_name="br-int",
            network=network("br-int", number),
            port_profile=profile,
        )
    return VIFMacvlanNested(**common, plugin="noop", network=network("", number))


@pytest.mark.parametrize("kind", ["VIFBridge", "VIFOpenVSwitch", "VIFMacvlanNested"])
def test_pods_of_kuryr_daemon(kuryr, python, subject, switch, kind, tmp_path):
    before = sorted(link["ifname"] for link in ip("link"))
    durations = []
    for number in (1, 2, 3):
        name = f"web-{number}"
        vif = vif_of(kind, number)
        kuryr.put(
            name, f"uid-{number}", {"eth0": {"default": True, "vif": vif.obj_to_primitive()}}
        )
        with cni.pod_namespace(f"os-vif-kuryr-{os.getpid()}-{number}") as netns:
            status, text, seconds = call("ADD", name, netns)
            log = (tmp_path / "kuryr.log").read_text()[-3000:]
            assert status == 202, f"{text}\n{log}"
            durations.append(seconds)
            assert cni.addresses_in(netns) == [f"10.66.0.{5 + number}/24"]
            assert cni.links_in(netns)["eth0"]["mtu"] == 1400
            status, text, _ = call("DEL", name, netns)
            assert status == 204, text
        kuryr.delete(name)
    sys.stdout.write(f"{kind}: ADD took {', '.join(f'{each:.2f} s' for each in durations)}\n")
    # An empty bridge remains until gc, because kuryr-daemon unplugs before the veth pair goes.
    subprocess.run(
        [
            *(python, "-m", "os_vif.cmd.main", "--config-file", tmp_path / "kuryr.conf"),
            *("gc", "--keep-nothing", "--older-than", "0s", "--seen", "1"),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(subject.path)},
        cwd=tmp_path,
    )
    assert sorted(link["ifname"] for link in ip("link")) == before
    assert switch.vsctl("list-ports", "br-int").strip() == ""
