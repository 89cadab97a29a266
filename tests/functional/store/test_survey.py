# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif survey``, ``convert --patch``, ``--only`` and ``--skip`` on stored objects."""

from __future__ import annotations

import copy
import csv
import io
import json
import resource
import subprocess
import sys

import pytest

from os_vif.cmd import exit_codes, main
from os_vif.operations.stores.json_patch import json_patch
from tests.support.data.stored_pods import ADDRESS_SPACE, stored
from tests.support.forks import forked


@pytest.fixture
def pods(tmp_path):
    path = tmp_path / "pods.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": stored(8)}))
    return path


@pytest.fixture
def run(tmp_path):
    """Run os-vif; the result has exit code and streams."""
    return lambda *arguments: forked(lambda: main.main([*map(str, arguments)]), b"", tmp_path)


def rows(result) -> dict[tuple[str, str], int]:
    found = json.loads(result.stdout)
    return {(row["Subject"], row["Value"]): row["Objects"] for row in found}


def test_a_survey_counts_by_era_class_namespace_and_fault(run, pods):
    result = run("survey", "-f", "json", pods)
    assert result.returncode == exit_codes.EXIT_PARTIAL
    found = rows(result)
    assert found["era", "pod with a PodState (kuryr 0.5 to 2.1)"] == 5
    assert found["namespace", "a"] == 3
    assert found["namespace", "b"] == 2
    assert found["class", "VIFVlanNested 1.0 (OVO primitive)"] == 5
    ((_, reason),) = [key for key in found if key[0] == "fault"]
    assert reason.endswith("default_vif.vlan_id: expected a whole number")
    assert found["fault", reason] == 2


def test_csv_has_the_rows_of_json(run, pods):
    table = list(csv.DictReader(io.StringIO(run("survey", "-f", "csv", pods).stdout.decode())))
    assert {(r["Subject"], r["Value"]): int(r["Objects"]) for r in table} == rows(
        run("survey", "-f", "json", pods)
    )


def test_the_names_of_faulty_objects_are_lines_for_a_loop(run, pods):
    result = run("survey", "--faulty", pods)
    assert result.stdout.decode().splitlines() == ["b Pod/web-3", "b Pod/web-7"]


def test_objects_are_selected_by_namespace(run, pods):
    only, skipped = (
        run("survey", "-f", "json", o, "namespace=b*", pods) for o in ("--only", "--skip")
    )
    assert ("namespace", "a") not in rows(only)
    assert ("namespace", "b") not in rows(skipped)
    assert skipped.returncode == 0


def test_faults_are_selected_by_reason(run, pods):
    skipped = run("survey", "--faulty", "--skip", "reason=*vlan_id*", pods)
    assert (skipped.returncode, skipped.stdout) == (0, b"")
    kept = run("survey", "--faulty", "--only", "reason=*vlan_id*", pods)
    assert len(kept.stdout.splitlines()) == 2


def test_an_unknown_condition_is_bad_input(run, pods):
    result = run("survey", "--only", "name=x", pods)
    assert result.returncode == exit_codes.EXIT_BAD_INPUT
    assert b"namespace=PATTERN" in result.stderr


def apply(patch: list[dict], data):
    """Apply a JSON patch as RFC 6902 says."""
    whole = {"": copy.deepcopy(data)}
    for step in patch:
        keys = [k.replace("~1", "/").replace("~0", "~") for k in step["path"].split("/")]
        place = whole
        for key in keys[:-1]:
            place = place[key]
        if step["op"] == "test":
            assert place[keys[-1]] == step["value"]
        elif step["op"] == "remove":
            del place[keys[-1]]
        else:
            place[keys[-1]] = step["value"]
    return whole[""]


def test_the_patches_make_the_converted_objects(run, pods):
    result = run("convert", "--form", "json", "--patch", pods)
    converted = json.loads(run("convert", "--form", "json", pods).stdout)["items"]
    expected = {item["metadata"]["name"]: item for item in converted}
    before = {item["metadata"]["name"]: item for item in stored(8)}
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == exit_codes.EXIT_PARTIAL
    assert [line["name"] for line in lines] == ["web-0", "web-1", "web-2", "web-5", "web-6"]
    for line in lines:
        assert apply(line["patch"], before[line["name"]]) == expected[line["name"]]
        assert (line["kind"], line["namespace"]) == ("Pod", "ab"[int(line["name"][-1]) % 2])


def test_a_conversion_leaves_other_namespaces_unchanged(run, pods):
    result = run("convert", "--form", "json", "--only", "namespace=a", pods)
    items = json.loads(result.stdout)["items"]
    assert [i for i in items if i["metadata"]["namespace"] == "b"] == stored(8)[1::2]
    assert result.returncode == 0


def test_patches_are_no_replacement_of_a_file(run, pods):
    assert run("convert", "--form", "json", "--patch", "--in-place", pods).returncode == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"a/b~c": 1}),
        ({"a/b~c": 1}, {}),
        ({"a": {"b": [1]}}, {"a": {"b": [2]}}),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_a_patch_makes_the_new_version_of_the_old(before, after):
    patch = json_patch(before, after)
    assert apply(patch, before) == after
    assert bool(patch) == (before != after)


@pytest.mark.short_form(1)
@pytest.mark.parametrize(
    "number", [4_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize(
    "words", [("survey", "-f", "json"), ("convert", "--form", "json", "--patch")]
)
def test_memory_does_not_grow_with_the_number_of_objects(tmp_path, number, words):
    """The command runs in a limited address space, on input larger than the rest of that space."""
    path = tmp_path / "many.json"
    padding = {"padding": "x" * (ADDRESS_SPACE // 4_000)}
    with path.open("w") as file:
        file.write('{"apiVersion":"v1","kind":"List","items":[')
        for n in range(number):
            # The padding of 4,000 objects alone has the size of the limit.
            more = padding if n % (number // 4_000) == 0 else {}
            (pod,) = stored(1, start=n)
            file.write(("," if n else "") + json.dumps(pod | more))
        file.write("]}")
    assert path.stat().st_size > ADDRESS_SPACE

    with (tmp_path / "out").open("wb") as out:
        process = subprocess.run(
            [sys.executable, "-m", "os_vif", *words, str(path)],
            check=False,
            stdout=out,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE)
            ),
        )
    assert process.returncode == exit_codes.EXIT_PARTIAL, process.stderr[-2000:]
