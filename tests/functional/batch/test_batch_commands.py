# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif plug``, ``unplug``, ``check`` and ``plan`` with several files, JSON lines and lists."""

from __future__ import annotations

import json

import pytest

from os_vif import serialization
from os_vif.testing.host_snapshots import snapshot
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("namespace")

VIFS = [bridge_vif(number, f"brq-{number}") for number in range(1, 4)]
DOCUMENTS = [serialization.dumps(vif) for vif in VIFS]


def links():
    return {link["ifname"] for link in snapshot()["links"]}


@pytest.fixture(params=["files", "lines", "list", "items", "concatenated", "mixed"])
def given(request, tmp_path):
    """Return the arguments, and the standard input, for three VIFs."""
    match request.param:
        case "files":
            paths = [tmp_path / f"{number}.json" for number in range(3)]
            for path, text in zip(paths, DOCUMENTS, strict=True):
                path.write_text(text)
            return [str(path) for path in paths], ""
        case "lines":
            return [], "".join(f"{text}\n" for text in DOCUMENTS)
        case "list":
            return ["-"], f"[{', '.join(DOCUMENTS)}]"
        case "items":
            return [], json.dumps({"items": [vif.obj_to_primitive() for vif in VIFS]})
        case "concatenated":
            return [], "".join(json.dumps(json.loads(text), indent=2) for text in DOCUMENTS)
        case _:
            path = tmp_path / "two.jsonl"
            path.write_text("\n".join(DOCUMENTS[:2]))
            return [str(path), "-"], DOCUMENTS[2]


def test_several_vifs_are_plugged_checked_and_unplugged(os_vif, given):
    arguments, text = given
    missing = os_vif("check", *arguments, text=text)
    assert missing.returncode == 3
    assert len([line for line in missing.stdout.splitlines() if "missing" in line]) == 3
    plugged = os_vif("plug", *arguments, text=text)
    assert (plugged.returncode, plugged.stderr) == (0, "")
    assert {"brq-1", "brq-2", "brq-3"} <= links()
    checked = os_vif("check", "-f", "json", *arguments, text=text)
    assert checked.returncode == 0
    assert json.loads(checked.stdout) == []
    unplugged = os_vif("unplug", *arguments, text=text)
    assert (unplugged.returncode, unplugged.stderr) == (0, "")
    assert links() == {"lo"}


def test_the_error_of_a_vif_names_file_and_line_and_the_others_are_plugged(os_vif, tmp_path):
    run("ip link add brq-2 type veth peer name other")
    path = tmp_path / "vifs.jsonl"
    path.write_text("\n".join(DOCUMENTS))
    done = os_vif("plug", str(path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{path}:2: Could not plug VIFBridge(id=00000002-")
    assert {"brq-1", "brq-3"} <= links()
    unplugged = os_vif("unplug", str(path))
    assert unplugged.returncode == 0
    assert unplugged.stdout.startswith(f"{path}:2: brq-2 stays")


def test_input_with_errors_changes_nothing_and_names_each_error(os_vif, tmp_path):
    path = tmp_path / "vifs.jsonl"
    path.write_text("\n".join([DOCUMENTS[0], '{"apiVersion": "os-vif/2.0"}', DOCUMENTS[1], "{}"]))
    done = os_vif("plug", str(path), str(tmp_path / "missing"))
    assert done.returncode == 2
    first, second, third = done.stderr.splitlines()
    assert first.startswith(f"{path}:2: cannot read the VIF: ")
    assert second.startswith(f"{path}:4: cannot read the VIF: ")
    assert str(tmp_path / "missing") in third
    assert links() == {"lo"}


def test_the_exit_code_is_of_the_worst_result(os_vif, tmp_path):
    wrong = bridge_vif(9, "a-bridge-name-that-is-too-long")
    text = "\n".join([*DOCUMENTS, serialization.dumps(wrong)])
    done = os_vif("plug", text=text)
    # The code 2 promises that nothing was changed.
    assert done.returncode == 1
    assert done.stderr.startswith("<stdin>:4: ")
    assert os_vif("plug", text="\n".join([serialization.dumps(wrong)] * 2)).returncode == 2
    assert {"brq-1", "brq-2", "brq-3"} <= links()
    run("ip link set brq-1 down")
    assert os_vif("check", text="\n".join(DOCUMENTS)).returncode == 3
    assert os_vif("check", text=text).returncode == 2


def test_differences_of_several_vifs_name_the_vif(os_vif):
    text = "\n".join(DOCUMENTS)
    os_vif("plug", text=text)
    run("ip link set brq-2 down")
    done = os_vif("check", text=text)
    assert done.returncode == 3
    assert "<stdin>:2: brq-2: state is down, should be up" in done.stdout
    rows = json.loads(os_vif("check", "-f", "json", text=text).stdout)
    assert {row["VIF"] for row in rows if not row["Pending"]} == {"<stdin>:2"}


@pytest.mark.parametrize("text", ["[]", '{"items": []}', ""])
def test_input_without_a_vif_is_an_error(os_vif, text):
    done = os_vif("plug", text=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("<stdin>: cannot read the VIF: ")


def test_plans_of_several_vifs_name_the_vif(os_vif):
    text = "\n".join(
        [*DOCUMENTS[:2], serialization.dumps(bridge_vif(9, "a-name-that-is-too-long"))]
    )
    for form, beginning in (("sh", "# <stdin>:1\nip link"), ("text", "# <stdin>:1\n+ ")):
        done = os_vif("plan", "-f", form, text=text)
        assert done.returncode == 2
        assert done.stderr.startswith("<stdin>:3: ")
        assert done.stdout.startswith(beginning)
        assert "# <stdin>:2\n" in done.stdout
    plans = json.loads(os_vif("plan", "-f", "json", text=text).stdout)
    assert [plan["input"] for plan in plans] == ["<stdin>:1", "<stdin>:2"]
    assert links() == {"lo"}
