# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif compare`` on stored objects before and after a migration."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from os_vif.cmd import exit_codes, main
from os_vif.operations.stores.store_comparison import Comparison, StoreChange, StoreDifference
from tests.support.data.stored_pods import ADDRESS_SPACE, stored
from tests.support.forks import forked

ANNOTATION = "openstack.org/kuryr-vif"


def valid_pods() -> list[dict]:
    """Return pods without a fault, as the API server stores them."""
    pods = [pod for n in range(8) if n % 4 != 3 for pod in stored(1, start=n)]
    for number, pod in enumerate(pods):
        pod["metadata"]["uid"] = f"b0000000-0000-4000-8000-{number:012}"
        pod["spec"] = {"nodeName": "node"}
    return pods


@pytest.fixture
def run(tmp_path):
    """Run os-vif; the result has exit code and streams."""
    return lambda *arguments: forked(lambda: main.main([*map(str, arguments)]), b"", tmp_path)


@pytest.fixture
def write(tmp_path):
    """Write objects, or the output of a command, to a file; return the path."""

    def write(name, content):
        path = tmp_path / name
        if not isinstance(content, bytes):
            content = json.dumps({"apiVersion": "v1", "kind": "List", "items": content}).encode()
        path.write_bytes(content)
        return path

    return write


def differences(run, *arguments) -> list[tuple[str, ...]]:
    result = run("compare", "-f", "json", *arguments)
    found = json.loads(result.stdout)
    assert all([*row] == ["Object", "Change", "Path", "Before", "After"] for row in found)
    rows = [tuple(row.values()) for row in found]
    assert result.returncode == (exit_codes.EXIT_DRIFT if rows else 0), result.stderr
    return rows


@pytest.mark.parametrize(
    "words",
    [
        ["--form", "json"],
        ["--release", "kuryr-2.1.0"],
        ["--release", "kuryr-6.0.1", "--kuryrports"],
    ],
)
def test_a_conversion_without_losses_changes_no_object(run, write, words):
    before = write("before.json", valid_pods())
    converted = run("convert", *words, before)
    assert converted.returncode == 0, converted.stderr
    after = write("after.json", converted.stdout)
    assert after.read_bytes() != before.read_bytes()
    assert differences(run, before, after) == []


def test_changed_missing_and_new_objects_are_differences(run, write):
    pods = valid_pods()
    before = write("before.json", pods)
    changed = json.loads(before.read_text())["items"]
    state = changed[0]["metadata"]["annotations"]
    state[ANNOTATION] = state[ANNOTATION].replace('"vlan_id": 7', '"vlan_id": 8')
    changed[1]["metadata"]["name"] = "new"
    changed.reverse()
    assert differences(run, before, write("after.json", changed)) == [
        ("b/new", "only after", "", "", ""),
        ("a/web-0", "changed", "eth0.vlan_id", "7", "8"),
        ("b/web-1", "only before", "", "", ""),
    ]


def test_vifs_without_an_envelope_are_compared_by_id(run, write):
    vif = {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "noop"}
    first, second = (
        {**vif, "id": f"b0000000-0000-4000-8000-00000000000{number}"} for number in (1, 2)
    )
    lines = [json.dumps(each).encode() for each in (first, second)]
    before = write("before.json", b"\n".join(lines))
    changed = json.dumps({**second, "vif_name": "tap2"}).encode()
    after = write("after.json", b"\n".join([changed, lines[0]]))
    assert differences(run, before, after) == [
        (second["id"], "changed", "vif_name", "", '"tap2"'),
    ]


def test_the_same_fault_is_no_difference_but_an_invalid_object(run, write):
    before, after = (write(name, stored(8)) for name in ("before.json", "after.json"))
    result = run("compare", "-f", "json", before, after)
    assert result.returncode == exit_codes.EXIT_PARTIAL
    assert json.loads(result.stdout) == []
    assert b"web-3" in result.stderr


def test_namespaces_are_selected(run, write):
    before, after = write("before.json", valid_pods()), write("after.json", [])
    names = [name for name, *_ in differences(run, before, after, "--only", "namespace=b")]
    assert names == ["b/web-1", "b/web-5"]


def test_standard_input_is_only_one_side(run):
    result = run("compare", "-", "-")
    assert result.returncode == exit_codes.EXIT_BAD_INPUT
    assert b"only one of BEFORE and AFTER" in result.stderr


def test_an_equal_object_is_preferred_among_objects_of_one_name():
    with Comparison() as comparison:
        comparison.add_before("vif", {"n": 1})
        comparison.add_before("vif", {"n": 2})
        assert comparison.add_after("vif", {"n": 2})
        assert not comparison.add_after("vif", {"n": 3})
        assert not comparison.add_after("vif", {"n": 4})
        assert list(comparison.differences()) == [
            StoreDifference("vif", StoreChange.CHANGED, "n", "1", "3"),
            StoreDifference("vif", StoreChange.ADDED),
        ]


@pytest.mark.parametrize(
    "number", [4_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_memory_does_not_grow_with_the_number_of_objects(tmp_path, number):
    """The command runs in a limited address space, on input larger than the rest of that space."""
    path = tmp_path / "many.json"
    padding = {"padding": "x" * (ADDRESS_SPACE // 4_000)}
    with path.open("w") as file:
        for n in range(number):
            more = padding if n % (number // 4_000) == 0 else {}
            (pod,) = stored(1, start=n)
            file.write(json.dumps(pod | more) + "\n")
    assert path.stat().st_size > ADDRESS_SPACE

    process = subprocess.run(
        [sys.executable, "-m", "os_vif", "compare", "-f", "csv", str(path), str(path)],
        check=False,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE)),
    )
    assert process.returncode == exit_codes.EXIT_PARTIAL, process.stderr[-2000:]
    assert len(process.stdout.splitlines()) == 1
