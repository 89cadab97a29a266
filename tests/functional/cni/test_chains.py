# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Chains with plugins of the Debian package containernetworking-plugins."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support import cni
from tests.support.cni import Chain, links_in

#: Versions that the plugins 1.1.1 of Debian 12 know.
KNOWN = cni.VERSIONS[:-1]
TUNING = {
    "type": "tuning",
    "sysctl": {"net.core.somaxconn": "500"},
    "mac": "02:00:00:00:00:42",
    "mtu": 1300,
}
BANDWIDTH = {
    "type": "bandwidth",
    "runtimeConfig": {"bandwidth": {"ingressRate": 1_000_000, "ingressBurst": 1_000_000}},
}
PORTMAP = {
    "type": "portmap",
    "runtimeConfig": {
        "portMappings": [{"hostPort": 18080, "containerPort": 80, "protocol": "tcp"}]
    },
}
CHAINS = {
    "tuning": (TUNING,),
    "bandwidth": (BANDWIDTH,),
    "portmap": (PORTMAP,),
    "all": (TUNING, BANDWIDTH, PORTMAP),
}


def require(plugins):
    cni.require_plugins("host-local", *(plugin["type"] for plugin in plugins))
    if PORTMAP in plugins:
        cni.require_command("iptables -t nat -A POSTROUTING -j MASQUERADE")
    if BANDWIDTH in plugins:
        cni.require_command(
            "ip link add v0 type veth peer name v1; tc qdisc add dev v0 root tbf rate 1mbit burst 9k latency 25ms"
        )


@pytest.mark.parametrize("plugins", CHAINS.values(), ids=CHAINS)
def test_a_chain(quick_runtime, network, pods, allocated, tmp_path, plugins):
    require(plugins)
    # CHECK of portmap 1.1.1 looks for the rules of IPv4 in ip6tables, too, if that is on the path.
    folder = tmp_path / "sbin"
    folder.mkdir()
    if PORTMAP in plugins:
        program = shutil.which("iptables", path="/usr/sbin:/sbin")
        (folder / "iptables").symlink_to(program)
    quick_runtime = dataclasses.replace(quick_runtime, program_path=str(folder))
    # The chain of all plugins has each version.
    for version in KNOWN if len(plugins) > 1 else KNOWN[-1:]:
        runtime = quick_runtime.for_container("chained", pods())
        chain = Chain(runtime, "net", version, (network, *plugins))
        result = chain.add()
        pod = links_in(runtime.netns)["eth0"]
        if TUNING in plugins:
            assert (pod["address"], pod["mtu"]) == ("02:00:00:00:00:42", 1300)
            assert result["interfaces"][-1]["mac"] == "02:00:00:00:00:42"
        if BANDWIDTH in plugins:
            (host,) = (i["name"] for i in result["interfaces"] if i["name"].startswith("tap"))
            (link,) = (link for link in ip("link") if link["ifname"] == host)
            assert link["qdisc"] == "tbf"
        if version >= "0.4.0":
            chain.check(result)
        chain.delete(result)
        chain.delete()
        assert list(links_in(runtime.netns)) == ["lo"]
        assert [link["ifname"] for link in ip("link")] == ["lo"]
        assert allocated() == []
        assert state_files() == {}


def test_the_plugin_is_second_in_a_chain(quick_runtime, network, allocated):
    """The bridge plugin of the Go project makes eth0, and os-vif a second interface."""
    cni.require_plugins("bridge", "host-local")
    first = {
        "type": "bridge",
        "bridge": "br-go",
        "ipam": network["ipam"] | {"ranges": [[{"subnet": "10.78.0.0/24"}]]},
    }
    for version in KNOWN:
        go = quick_runtime.run_plugin("ADD", first | {"name": "go", "cniVersion": version})
        chained = network | {"cniVersion": version, "prevResult": go.result}
        chained |= {"ipam": network["ipam"] | {"routes": []}}
        result = quick_runtime.call("ADD", chained, CNI_IFNAME="net1").result
        names = [each["name"] for each in result["interfaces"]]
        assert names.index("eth0") < names.index("net1")
        assert names[result["ips"][0]["interface"]] == "eth0"
        assert names[result["ips"][1]["interface"]] == "net1"
        checked = chained | {"prevResult": result}
        if version >= "0.4.0":
            quick_runtime.call("CHECK", checked, CNI_IFNAME="net1").succeeded()
        quick_runtime.call("DEL", checked, CNI_IFNAME="net1").succeeded()
        assert sorted(links_in(quick_runtime.netns)) == ["eth0", "lo"]
        first_deleted = first | {"name": "go", "cniVersion": version}
        assert quick_runtime.run_plugin("DEL", first_deleted).code == 0
    assert allocated() == []
    run("ip link delete br-go")
