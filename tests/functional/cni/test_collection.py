# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""GC and STATUS, which 1.1.0 of the specification has added."""

from __future__ import annotations

import json
import pathlib

import pytest

from os_vif.cni import attachment_records
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.cni import DEBIAN_PLUGINS, VERSIONS, links_in

NEWEST = {"cniVersion": "1.1.0"}


def valid(*attachments):
    listed = [{"containerID": container, "ifname": name} for container, name in attachments]
    return NEWEST | {"cni.dev/valid-attachments": listed}


def add(runtime, network, pods, *containers):
    """Add a pod for each container id; return the paths of the namespaces."""
    paths = {}
    for container in containers:
        pod = runtime.for_container(container, pods())
        assert pod.call("ADD", network).code == 0
        paths[container] = pod.netns
    return paths


def test_gc_unplugs_the_attachments_that_the_runtime_does_not_list(
    runtime, network, pods, allocated
):
    paths = add(runtime, network, pods, "a", "b", "c")
    runtime.call("GC", network | valid(("b", "eth0"))).succeeded()
    assert {name: "eth0" in links_in(path) for name, path in paths.items()} == {
        "a": False,
        "b": True,
        "c": False,
    }
    assert len(allocated()) == 1
    assert [each.container_id for each in attachment_records.read_all()] == ["b"]
    runtime.call("GC", network | valid()).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert allocated() == []
    assert attachment_records.read_all() == ()


def test_gc_keeps_the_attachments_of_other_networks(quick_runtime, network, pods):
    paths = add(quick_runtime, network, pods, "a")
    quick_runtime.call("GC", network | valid() | {"name": "other"}).succeeded()
    assert "eth0" in links_in(paths["a"])


def test_gc_of_an_interface_keeps_the_other_interface_of_the_container(
    quick_runtime, network, pods
):
    pod = quick_runtime.for_container("a", pods())
    assert pod.call("ADD", network).code == 0
    second = network | {"ipam": network["ipam"] | {"routes": []}}
    assert pod.call("ADD", second, CNI_IFNAME="net1").code == 0
    pod.call("GC", network | valid(("a", "net1"))).succeeded()
    assert sorted(links_in(pod.netns)) == ["lo", "net1"]


def test_gc_after_the_end_of_the_namespaces(quick_runtime, network, pods, allocated):
    paths = add(quick_runtime, network, pods, "a", "b")
    for path in paths.values():
        run(f"ip netns delete {path.rpartition('/')[2]}")
    quick_runtime.call("GC", network | valid()).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert allocated() == []


def test_gc_without_a_list_changes_nothing(quick_runtime, network, pods):
    paths = add(quick_runtime, network, pods, "a")
    assert quick_runtime.call("GC", network | NEWEST).error["code"] == 7
    assert "eth0" in links_in(paths["a"])


def test_gc_goes_on_after_a_failure_and_reports_it(quick_runtime, network, pods, tmp_path):
    paths = add(quick_runtime, network, pods, "a", "b")
    failing = tmp_path / "bin"
    failing.mkdir()
    (failing / "host-local").write_text('#!/bin/sh\necho \'{"code": 123, "msg": "no"}\'\nexit 1\n')
    (failing / "host-local").chmod(0o755)
    error = quick_runtime.call("GC", network | valid(), CNI_PATH=str(failing)).error
    assert error["code"] == 100
    assert error["details"].count("no") >= 2
    assert not any("eth0" in links_in(path) for path in paths.values())


def test_gc_unplugs_vifs_whose_attachment_has_no_record(quick_runtime, network, pods):
    """As the records of a pod of which a kill has left the VIF."""
    paths = add(quick_runtime, network, pods, "a", "b")
    for record in attachment_records.read_all():
        if record.container_id == "a":
            attachment_records.remove(record.key)
    quick_runtime.call("GC", network | valid(("b", "eth0"))).succeeded()
    assert "eth0" in links_in(paths["b"])
    assert len([link for link in ip("link") if link["ifname"].startswith("tap")]) == 1
    assert "eth0" not in links_in(paths["a"])


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_gc_and_status_need_the_newest_version(quick_runtime, network, version):
    for command in ("GC", "STATUS"):
        assert quick_runtime.call(command, network | {"cniVersion": version}).error["code"] == 1


def test_status_of_a_usable_host_prints_nothing(runtime, network):
    runtime.call("STATUS", network | NEWEST).succeeded()
    runtime.call(
        "STATUS", network | NEWEST, CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None
    ).succeeded()


def delegate(tmp_path, body) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "host-local"
    versions = json.dumps({"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)})
    path.write_text(
        f"#!/bin/sh\nif [ $CNI_COMMAND = VERSION ]; then echo '{versions}'; exit; fi\n"
        f"cat >> {tmp_path}/calls; echo $CNI_COMMAND $CNI_CONTAINERID >> {tmp_path}/commands\n{body}\n"
    )
    path.chmod(0o755)
    return str(folder)


def test_gc_and_status_are_forwarded_to_an_ipam_plugin_that_knows_them(
    quick_runtime, network, tmp_path
):
    folder = delegate(tmp_path, "true")
    quick_runtime.call("STATUS", network | NEWEST, CNI_PATH=folder).succeeded()
    quick_runtime.call("GC", network | valid(), CNI_PATH=folder).succeeded()
    assert pathlib.Path(tmp_path / "commands").read_text().split() == [
        *("STATUS", "c1"),
        *("GC", "c1"),
    ]
    assert '"cni.dev/valid-attachments": []' in (tmp_path / "calls").read_text()


def test_the_error_of_the_ipam_plugins_status_is_passed_on(quick_runtime, network, tmp_path):
    folder = delegate(tmp_path, 'echo \'{"code": 51, "msg": "no lease"}\'; exit 1')
    error = quick_runtime.call("STATUS", network | NEWEST, CNI_PATH=folder).error
    assert (error["code"], error["msg"]) == (51, "no lease")


def test_a_newer_configuration_is_written_for_an_older_ipam_plugin(quick_runtime, network):
    """host-local 1.1.1 of Debian 12 does not know 1.1.0."""
    result = quick_runtime.call("ADD", network | NEWEST).result
    assert result["cniVersion"] == "1.1.0"
    quick_runtime.call("CHECK", network | NEWEST | {"prevResult": result}).succeeded()
    quick_runtime.call("DEL", network | NEWEST | {"prevResult": result}).succeeded()
    assert DEBIAN_PLUGINS.exists()
