# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The patches of ``os-vif convert --patch`` on a real API server of Kubernetes, by kubectl."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from os_vif.cmd import main
from os_vif.serialization import json_text, yaml_text
from testbed import snippets
from testbed.cache import Unavailable
from testbed.environments import CHECKOUT
from tests.support.cluster import api_server
from tests.support.data.stored_pods import MACVLAN, VLAN
from tests.support.data.stored_samples import envelopes
from tests.support.forks import forked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cluster.api_server import Cluster

pytestmark = pytest.mark.interop

PAGE = (CHECKOUT / "doc" / "source" / "operators" / "convert_cluster.rst").read_text("utf-8")
(SCRIPT,) = [b.text for b in snippets.blocks(PAGE, "bash") if b.caption == "patch.sh"]
Run = Callable[..., subprocess.CompletedProcess[bytes]]
ANNOTATION = "openstack.org/kuryr-vif"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run an API server."""
    try:
        with api_server.running_api_server(tmp_path_factory.mktemp("cluster")) as found:
            yield found
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Create a namespace with pods, as kuryr stores them."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].strip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    stored = envelopes(VLAN, MACVLAN)
    pods = []
    for number, kind in enumerate(("pod with state of two", "pod with state of two", None)):
        annotations = {"other": "1"}
        if kind:
            annotations |= stored[kind]["metadata"]["annotations"]
        metadata = {"name": f"web-{number}", "namespace": name, "annotations": annotations}
        spec = {"containers": [{"name": "c", "image": "i"}]}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.apply(*pods)
    return name


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run os-vif in the directory of the test."""

    def call(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return forked(lambda: main.main([*arguments]), data, tmp_path)

    return call


def saved(cluster: Cluster, kind: str, namespace: str) -> bytes:
    """Return what ``kubectl get -o json`` prints."""
    done = cluster.kubectl("get", kind, "-n", namespace, "-o", "json")
    assert done.returncode == 0, done.stderr
    return done.stdout.encode()


def without_versions(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the members that the server changes with each request."""
    item = copy.deepcopy(item)
    for name in ("resourceVersion", "generation", "managedFields"):
        item["metadata"].pop(name, None)
    return item


def test_the_script_of_the_page_makes_the_converted_objects(
    cluster: Cluster, namespace: str, run: Run, tmp_path: Path
) -> None:
    """All else in the objects stays; a second conversion has no patch."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    before = saved(cluster, "pods", namespace)
    converted = json.loads(run("convert", "--form", "json", data=before).stdout)
    patches = run("convert", "--form", "json", "--patch", data=before)
    assert patches.returncode == 0
    assert len(patches.stdout.splitlines()) == 2
    (tmp_path / "patches.jsonl").write_bytes(patches.stdout)
    done = subprocess.run(
        ["bash", "-c", SCRIPT],
        env=cluster.environ(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" patched\n") == len(patches.stdout.splitlines())
    after = saved(cluster, "pods", namespace)
    found = json.loads(after)["items"]
    assert [*map(without_versions, found)] == [*map(without_versions, converted["items"])]
    assert found != json.loads(before)["items"]
    assert run("convert", "--form", "json", "--patch", data=after).stdout == b""
    (tmp_path / "before.json").write_bytes(before)
    compared = run("compare", "before.json", "-", "-f", "json", data=after)
    assert (compared.returncode, json.loads(compared.stdout)) == (0, [])


def test_a_patch_of_an_object_that_has_changed_is_refused(
    cluster: Cluster, namespace: str, run: Run
) -> None:
    """kuryr changes the VIFs between the backup and the patch: the server keeps kuryr's VIFs."""
    before = saved(cluster, "pods", namespace)
    lines = run("convert", "--form", "json", "--patch", data=before).stdout.splitlines()
    line = next(each for each in map(json.loads, lines) if each["name"] == "web-0")
    item = next(i for i in json.loads(before)["items"] if i["metadata"]["name"] == "web-0")
    value = item["metadata"]["annotations"][ANNOTATION].replace('"vlan_id": 7', '"vlan_id": 8')
    path = "/metadata/annotations/openstack.org~1kuryr-vif"
    other = [{"op": "replace", "path": path, "value": value}]
    arguments = ("patch", "pod", "web-0", "-n", namespace, "--type", "json", "-p")
    assert cluster.kubectl(*arguments, json.dumps(other)).returncode == 0
    kept = cluster.get("pod", "web-0", "-n", namespace)
    refused = cluster.kubectl(*arguments, json.dumps(line["patch"]))
    assert refused.returncode == 1
    assert "is invalid" in refused.stderr or "test" in refused.stderr
    assert cluster.get("pod", "web-0", "-n", namespace) == kept


def test_patches_in_yaml_are_read_by_kubectl(cluster: Cluster, namespace: str, run: Run) -> None:
    """Each document has a patch, as the lines of JSON have."""
    before = saved(cluster, "pods", namespace)
    text = run("convert", "--form", "json", "--patch", data=before).stdout
    line = json.loads(text.splitlines()[0])
    patch = yaml_text.compose(line["patch"])
    done = cluster.kubectl(
        "patch", line["kind"], line["name"], "-n", namespace, "--type", "json", "-p", patch
    )
    assert done.returncode == 0, done.stderr
    annotations = cluster.get("pod", line["name"], "-n", namespace)["metadata"]["annotations"]
    assert json_text.parse(annotations[ANNOTATION])["kind"] == "PodState"
