# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Each MUST of the CNI specification for plugins, for each version and both clients.

The names of the tests are the sentences of SPEC.md 1.1.0, in short. The client in Python has the
newest version only: a client passes the configuration on without reading the version.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import json

from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cni import PYTHON_CLIENT, VERSIONS, addresses_in, links_in, routes_in

#: Versions with the command CHECK, and with GC and STATUS.
WITH_CHECK, WITH_GC = VERSIONS[2:], VERSIONS[4:]


def host_links():
    return sorted(link["ifname"] for link in ip("link"))


def each_version(test):
    """Run a test with the argument ``configuration`` once for each version, each with a new pod."""

    @functools.wraps(test)
    def run_all(network, pods, runtime, **fixtures):
        for version in VERSIONS[-1:] if runtime.client == PYTHON_CLIENT else VERSIONS:
            fresh = dataclasses.replace(runtime, netns=pods())
            configuration = network | {"cniVersion": version}
            test(runtime=fresh, configuration=configuration, **fixtures)
            for ifname in ("eth0", "net1") if state_files() else ():
                fresh.call("DEL", configuration, CNI_IFNAME=ifname).succeeded()
            assert host_links() == ["lo"]

    own = inspect.signature(test)
    names = dict.fromkeys((*own.parameters, "network", "pods"))
    names.pop("configuration")
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind) for name in names]
    run_all.__signature__ = own.replace(parameters=parameters)
    del run_all.__wrapped__
    return run_all


def with_previous(configuration, result):
    return configuration | {"prevResult": result}


@each_version
def test_add_creates_the_interface_and_prints_the_result(runtime, configuration):
    result = runtime.call("ADD", configuration).result
    pod = links_in(runtime.netns)["eth0"]
    interfaces = {each["name"]: each for each in result["interfaces"]}
    assert result["cniVersion"] == configuration["cniVersion"]
    assert interfaces["eth0"]["mac"] == pod["address"]
    assert interfaces["eth0"]["sandbox"] == runtime.netns
    assert pod["mtu"] == 1400
    # Interfaces of the host have no sandbox.
    bridge, veth = (link for link in ip("link") if link["ifname"] in interfaces)
    for link in (bridge, veth):
        assert interfaces[link["ifname"]] == {"name": link["ifname"], "mac": link["address"]}
    (address,) = result["ips"]
    assert [address["address"]] == addresses_in(runtime.netns)
    assert address["gateway"] == "10.77.0.1" == routes_in(runtime.netns)["default"]
    assert result["interfaces"][address["interface"]]["name"] == "eth0"
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]
    is_old = configuration["cniVersion"] < "1"
    assert address.get("version") == ("4" if is_old else None)
    assert interfaces["eth0"].get("mtu") == (
        1400 if configuration["cniVersion"] == "1.1.0" else None
    )


@each_version
def test_add_fails_if_the_interface_exists(runtime, configuration, allocated):
    runtime.call("ADD", configuration).result  # noqa: B018 - asserts success
    before = host_links(), links_in(runtime.netns), state_files()
    error = runtime.call("ADD", configuration).error
    assert error["code"] == 4
    assert "eth0" in error["details"]
    assert (host_links(), links_in(runtime.netns), state_files()) == before
    assert len(allocated()) == 1


@each_version
def test_add_fails_for_an_interface_of_another_program(runtime, configuration, allocated):
    run(f"nsenter --net={runtime.netns} ip link add eth0 type veth peer name p0")
    assert runtime.call("ADD", configuration).error["code"] == 4
    assert "p0" in links_in(runtime.netns)
    runtime.call("DEL", configuration).succeeded()
    assert "p0" in links_in(runtime.netns)
    assert allocated() == []


@each_version
def test_add_passes_on_the_result_of_the_plugin_before(runtime, configuration):
    version = {"version": "4"} if configuration["cniVersion"] < "1" else {}
    before = {
        "cniVersion": configuration["cniVersion"],
        "interfaces": [{"name": "net9", "mac": "02:00:00:00:00:09", "sandbox": runtime.netns}],
        "ips": [{"address": "192.0.2.9/24", "interface": 0, **version}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.1"]},
    }
    result = runtime.call("ADD", with_previous(configuration, before)).result
    assert result["interfaces"][0] == before["interfaces"][0]
    assert result["ips"][0] == before["ips"][0]
    assert result["interfaces"][result["ips"][1]["interface"]]["name"] == "eth0"
    assert result["routes"] == [{"dst": "192.0.2.0/24"}, {"dst": "0.0.0.0/0"}]
    assert result["dns"] == before["dns"]


@each_version
def test_dns_of_the_configuration_is_in_the_result(runtime, configuration):
    dns = {"nameservers": ["10.77.0.1"], "domain": "x", "search": ["y"], "options": ["z"]}
    assert runtime.call("ADD", configuration | {"dns": dns}).result["dns"] == dns


@each_version
def test_del_releases_everything_and_prints_nothing(runtime, configuration, allocated):
    result = runtime.call("ADD", configuration).result
    runtime.call("DEL", with_previous(configuration, result)).succeeded()
    assert host_links() == ["lo"]
    assert list(links_in(runtime.netns)) == ["lo"]
    assert allocated() == []
    assert state_files() == {}


@each_version
def test_del_can_be_repeated(runtime, configuration):
    result = runtime.call("ADD", configuration).result
    for _ in range(3):
        runtime.call("DEL", with_previous(configuration, result)).succeeded()


@each_version
def test_del_without_an_add_succeeds(runtime, configuration):
    runtime.call("DEL", configuration).succeeded()
    assert state_files() == {}


@each_version
def test_del_without_namespace_and_previous_result_releases_everything(
    runtime, configuration, allocated
):
    runtime.call("ADD", configuration).result  # noqa: B018 - asserts success
    runtime.call("DEL", configuration, CNI_NETNS=None).succeeded()
    assert host_links() == ["lo"]
    assert list(links_in(runtime.netns)) == ["lo"]
    assert allocated() == []


@each_version
def test_del_after_the_end_of_the_namespace_releases_everything(runtime, configuration, allocated):
    result = runtime.call("ADD", configuration).result
    # The kernel deletes the devices of the namespace before, during or after the DEL.
    run(f"ip netns delete {runtime.netns.rpartition('/')[2]}")
    runtime.call("DEL", with_previous(configuration, result)).succeeded()
    assert host_links() == ["lo"]
    assert allocated() == []
    assert state_files() == {}


@each_version
def test_del_of_another_interface_keeps_the_interface(runtime, configuration):
    runtime.call("ADD", configuration).result  # noqa: B018 - asserts success
    runtime.call("DEL", configuration, CNI_IFNAME="net1").succeeded()
    runtime.call("DEL", configuration, CNI_CONTAINERID="c2").succeeded()
    runtime.call("DEL", configuration | {"name": "other"}).succeeded()
    assert "eth0" in links_in(runtime.netns)


@each_version
def test_a_container_can_have_two_interfaces_in_a_network(runtime, configuration, allocated):
    first = runtime.call("ADD", configuration).result
    second = runtime.call(
        "ADD", configuration | {"ipam": configuration["ipam"] | {"routes": []}}, CNI_IFNAME="net1"
    ).result
    assert first["ips"][0]["address"] != second["ips"][0]["address"]
    assert sorted(links_in(runtime.netns)) == ["eth0", "lo", "net1"]
    runtime.call("DEL", configuration, CNI_IFNAME="net1").succeeded()
    assert sorted(links_in(runtime.netns)) == ["eth0", "lo"]
    runtime.call("DEL", configuration).succeeded()
    assert allocated() == []


@each_version
def test_check_after_add_succeeds_and_prints_nothing(runtime, configuration):
    result = runtime.call("ADD", configuration).result
    answer = runtime.call("CHECK", with_previous(configuration, result))
    if configuration["cniVersion"] in WITH_CHECK:
        answer.succeeded()
    else:
        assert answer.error["code"] == 1


#: Changes of a pod that CHECK finds: a missing interface, address or route, another state or MAC.
CHECKED = (
    "ip link delete eth0",
    "ip link set eth0 down",
    "ip address flush dev eth0",
    "ip route delete default",
    "ip link set eth0 address 02:00:00:00:00:99",
)


def test_check_finds_a_resource_of_the_previous_result_that_is_missing(quick_runtime, network):
    for version, change in zip(itertools.cycle(WITH_CHECK), CHECKED, strict=False):
        configuration = network | {"cniVersion": version}
        result = quick_runtime.call("ADD", configuration).result
        run(f"nsenter --net={quick_runtime.netns} {change}")
        error = quick_runtime.call("CHECK", with_previous(configuration, result)).error
        assert error["code"] == 101
        assert error["cniVersion"] == version
        quick_runtime.call("DEL", configuration).succeeded()


def test_check_finds_a_host_end_outside_of_the_bridge(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    veth = result["interfaces"][1]["name"]
    run(f"ip link set {veth} nomaster")
    assert quick_runtime.call("CHECK", with_previous(network, result)).error["code"] == 101


def test_check_permits_changes_of_later_plugins(quick_runtime, network):
    pod = f"nsenter --net={quick_runtime.netns}"
    for version in WITH_CHECK:
        configuration = network | {"cniVersion": version}
        result = quick_runtime.call("ADD", configuration).result
        run(f"{pod} ip link set eth0 address 02:00:00:00:00:55 mtu 1300 promisc on")
        run(f"{pod} ip address add 10.77.0.200/24 dev eth0")
        run(f"{pod} ip route add 10.99.0.0/16 via 10.77.0.1")
        run(f"{pod} ip route delete default")
        changed = json.loads(json.dumps(result))
        changed["interfaces"][-1]["mac"] = "02:00:00:00:00:55"
        changed["routes"] = [{"dst": "10.99.0.0/16", "gw": "10.77.0.1"}]
        quick_runtime.call("CHECK", with_previous(configuration, changed)).succeeded()
        quick_runtime.call("DEL", configuration).succeeded()


def test_check_consults_the_previous_result(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    other = json.loads(json.dumps(result))
    other["interfaces"][-1]["name"] = "net9"
    error = quick_runtime.call("CHECK", with_previous(network, other)).error
    assert error["code"] == 7
    other = json.loads(json.dumps(result))
    other["interfaces"][-1]["mac"] = "02:00:00:00:00:77"
    assert quick_runtime.call("CHECK", with_previous(network, other)).error["code"] == 101
    assert quick_runtime.call("CHECK", network).error["code"] == 7


def _with_address(result):
    own = len(result["interfaces"]) - 1
    result["ips"].append({"address": "10.77.0.99/24", "interface": own})


def _with_prefix(result):
    result["ips"][0]["address"] = result["ips"][0]["address"].replace("/24", "/25")


def _with_route(result):
    result["routes"].append({"dst": "10.200.0.0/16", "gw": "10.77.0.1"})


def _with_gateway(result):
    result["routes"][0]["gw"] = "10.77.0.9"


def _with_host_interface(result):
    result["interfaces"].append({"name": "ghost0", "mac": "02:00:00:00:99:98"})


def _with_mac_of_the_host(result):
    result["interfaces"][1]["mac"] = "02:00:00:00:99:99"


ONLY_PREVIOUS = (
    (_with_address, "eth0 does not have the address 10.77.0.99/24"),
    (_with_prefix, "eth0 does not have the address 10.77.0.2/25"),
    (_with_route, "the pod does not have the route to 10.200.0.0/16 via 10.77.0.1"),
    (_with_gateway, "the pod does not have the route to 0.0.0.0/0 via 10.77.0.9"),
    (_with_host_interface, "the host has no interface ghost0"),
    (_with_mac_of_the_host, "not 02:00:00:00:99:99"),
)


def test_check_finds_what_only_the_previous_result_has(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    for add, text in ONLY_PREVIOUS:
        changed = json.loads(json.dumps(result))
        add(changed)
        error = quick_runtime.call("CHECK", with_previous(network, changed)).error
        assert error["code"] == 101
        assert text in error["details"]
    quick_runtime.call("CHECK", with_previous(network, result)).succeeded()


def test_check_refuses_the_sandbox_of_another_pod(quick_runtime, network, pods):
    result = quick_runtime.call("ADD", network).result
    result["interfaces"][-1]["sandbox"] = pods()
    error = quick_runtime.call("CHECK", with_previous(network, result)).error
    assert error["code"] == 7
    assert quick_runtime.netns in error["details"]
    # Another path of the same namespace.
    result["interfaces"][-1]["sandbox"] = quick_runtime.netns.replace("/run/", "/run/../run/")
    quick_runtime.call("CHECK", with_previous(network, result)).succeeded()


def test_check_permits_addresses_and_routes_that_later_plugins_have_added(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    pod = f"nsenter --net={quick_runtime.netns}"
    run(f"{pod} ip address add 10.77.0.99/24 dev eth0")
    run(f"{pod} ip address add 10.78.0.1/32 dev lo")
    run(f"{pod} ip route add 10.200.0.0/16 via 10.77.0.1 table 100")
    _with_address(result)
    _with_route(result)
    result["ips"].append({"address": "10.78.0.1/32"})
    quick_runtime.call("CHECK", with_previous(network, result)).succeeded()


def test_check_calls_the_ipam_plugin_and_passes_the_error_on(
    quick_runtime, network, allocated, tmp_path
):
    result = quick_runtime.call("ADD", network).result
    (tmp_path / "host-local/net" / allocated()[0]).unlink()
    error = quick_runtime.call("CHECK", with_previous(network, result)).error
    assert "host-local" in error["msg"]


def test_check_fails_for_a_container_without_an_attachment(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    quick_runtime.call("DEL", network).succeeded()
    assert quick_runtime.call("CHECK", with_previous(network, result)).error["code"] in (101, 100)


def test_version_lists_all_versions(runtime):
    for version in VERSIONS:
        result = runtime.call("VERSION", {"cniVersion": version}).result
        assert result == {"cniVersion": version, "supportedVersions": list(VERSIONS)}
    assert runtime.call("VERSION", "", CNI_CONTAINERID=None, CNI_IFNAME=None).result[
        "supportedVersions"
    ] == list(VERSIONS)


@each_version
def test_errors_have_the_form_of_the_specification(runtime, configuration):
    error = runtime.call("ADD", configuration, CNI_IFNAME="a/b").error
    assert error.keys() <= {"cniVersion", "code", "msg", "details"}
    assert error["cniVersion"] == configuration["cniVersion"]
    assert (error["code"], type(error["msg"])) == (4, str)


def test_the_error_codes(quick_runtime, network):
    def code(command="ADD", changes=None, **environment):
        return quick_runtime.call(command, network | (changes or {}), **environment).error["code"]

    assert code(changes={"cniVersion": "9.9.9"}) == 1
    assert code(CNI_NETNS="/run/netns/missing") == 3
    assert code(CNI_NETNS="/etc/passwd") == 4
    assert code(CNI_CONTAINERID=None) == 4
    assert code(command="UPDATE") == 4
    assert code(command=None) == 4
    assert quick_runtime.call("ADD", "{").error["code"] == 6
    assert code(changes={"bridge": None}) == 7
    assert code(changes={"plugin": "nothing"}) == 7
    assert code(changes={"ipam": {"type": "missing"}}) == 7
    assert host_links() == ["lo"]
    assert state_files() == {}


def test_the_hosts_own_namespace_is_refused(quick_runtime, network, allocated):
    error = quick_runtime.call("ADD", network, CNI_NETNS="/proc/thread-self/ns/net").error
    assert error["code"] >= 3
    assert host_links() == ["lo"]
    assert allocated() == []


@each_version
def test_arguments_that_are_unknown_are_ignored(runtime, configuration):
    changed = configuration | {"args": {"labels": {"a": "b"}, "cni": {"labels": [1]}}}
    runtime.call("ADD", changed, CNI_ARGS="IgnoreUnknown=true;FOO=BAR").result  # noqa: B018
