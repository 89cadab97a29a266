# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""``os-vif import`` of what nova 34.0.0 itself writes: network_info, and the XML of domains."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from os_vif import objects, serialization
from os_vif.cmd import exit_codes, main
from os_vif.serialization import to_document, yaml_text
from testbed import environments
from tests.support.forks import forked
from tests.support.negotiation.neutron_cases import all_cases
from tests.support.negotiation.recorded_nova import TRANSLATOR, run_nova

if TYPE_CHECKING:
    from testbed.environments import Subject

pytestmark = pytest.mark.interop

PROGRAM = TRANSLATOR.with_name("nova_store.py")


@pytest.fixture(scope="module")
def stored(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what nova stores of each case, with the name of the case."""
    objects.register_all()
    cases = all_cases()
    questions = [[dataclasses.asdict(case)] for case in cases]
    try:
        answers = run_nova(subject, PROGRAM, questions, tmp_path_factory.mktemp("nova"))
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return [
        {"name": case.name, "type": case.port.get("binding:vif_type"), **answer}
        for case, answer in zip(cases, answers, strict=True)
        if "error" not in answer
    ]


def imported(program: str, text: str, folder: Path, *options: str) -> tuple[list[Any], list[str]]:
    """Return the documents and the errors of ``os-vif import``."""
    done = forked(lambda: main.main(["import", program, *options]), text.encode(), folder)
    errors = done.stderr.decode().splitlines()
    assert done.returncode == (exit_codes.EXIT_PARTIAL if errors else 0), errors[-3:]
    return [json.loads(line) for line in done.stdout.splitlines()], errors


def document_of(primitive: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = to_document(serialization.loads(json.dumps(primitive)))
    return document


def test_network_info_of_nova_becomes_the_vifs_of_nova(
    stored: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Each row is a line with the column as nova writes the column."""
    given = [each for each in stored if each["vifs"] != [None]]
    assert len(given) > 2500
    rows = "".join(f"{json.dumps({'network_info': each['network_info']})}\n" for each in given)
    documents, errors = imported("nova", rows, tmp_path)
    assert errors == []
    differing = [
        (each["name"], document, document_of(each["vifs"][0]))
        for each, document in zip(given, documents, strict=True)
        if document != document_of(each["vifs"][0])
    ]
    assert differing == []


def test_rows_without_a_vif_for_os_vif_are_errors_with_the_path(
    stored: list[dict[str, Any]], tmp_path: Path
) -> None:
    """nova passes ports of these types to no plugin of os-vif."""
    given = [each for each in stored if each["vifs"] == [None]]
    assert given
    rows = "".join(f"{json.dumps({'network_info': each['network_info']})}\n" for each in given)
    documents, errors = imported("nova", rows, tmp_path)
    assert len(documents) + len(errors) == len(given)
    assert all("network_info[0]." in error for error in errors)


def test_a_cache_with_several_vifs_as_yaml(stored: list[dict[str, Any]], tmp_path: Path) -> None:
    """The list of network_info is one document of YAML."""
    given = [each for each in stored if each["vifs"] != [None]][:40]
    entries = [entry for each in given for entry in json.loads(each["network_info"])]
    documents, errors = imported("nova", yaml_text.compose_document(entries), tmp_path)
    assert errors == []
    assert documents == [document_of(each["vifs"][0]) for each in given]


#: The fields of a VIF that the XML of an interface has, by the type of the interface.
IN_XML = {
    "bridge": ("kind", "plugin", "vif_name", "bridge_name"),
    "ethernet": ("vif_name",),
    "hostdev": ("kind", "dev_address", "dev_type"),
    "vhostuser": ("kind", "path", "mode", "vif_name"),
}


def test_domains_of_nova_become_vifs_with_all_that_the_xml_has(
    stored: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Every VIF type whose interface nova writes without a card of this machine."""
    by_xml = {(each["type"], each["domain"]): each for each in stored if "domain" in each}
    types = {name for name, _ in by_xml}
    assert {"ovs", "agilio_ovs", "vhostuser", "tap", "ivs", "hostdev_physical"} <= types
    kinds = set()
    for (_, xml), each in by_xml.items():
        documents, errors = imported("libvirt", xml, tmp_path)
        if each["type"] in ("hostdev_physical", "ib_hostdev"):
            # nova defines no interface, but the device of the whole card.
            assert (documents, errors) == ([], [])
            continue
        assert errors == []
        (document,) = documents
        (kind,) = ET.fromstring(xml).iterfind("./devices/interface")  # noqa: S314
        kinds.add(kind.get("type"))
        (entry,) = json.loads(each["network_info"])
        assert (document["id"], document["address"]) == (entry["id"], entry["address"].lower())
        if each["vifs"] != [None]:
            vif = document_of(each["vifs"][0])
            names = {n for n in IN_XML[str(kind.get("type"))] if n in document}
            if vif["plugin"] == "ivs":
                # The hybrid bridge of the plugin ivs has the name of that of the plugin ovs.
                names.discard("plugin")
            assert {n: document[n] for n in names} == {n: vif.get(n) for n in names}, each["name"]
            if kind.find("mtu") is not None:
                assert document["network"]["mtu"] == vif["network"]["mtu"]
    assert kinds == {*IN_XML}


def test_a_domain_with_several_interfaces_has_the_ports_of_the_metadata(
    subject: Subject, tmp_path: Path
) -> None:
    """nova 31 and later name the ports in the order of the interfaces."""
    objects.register_all()
    questions = []
    for number, made in enumerate(all_cases()[:3]):
        made.port["id"] = made.port["id"].replace("1111", f"111{number}")
        made.port["mac_address"] = f"fa:16:3e:00:00:0{number}"
        questions.append(dataclasses.asdict(made))
    try:
        (answer,) = run_nova(subject, PROGRAM, [questions], tmp_path)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    documents, errors = imported("libvirt", answer["domain"], tmp_path)
    entries = json.loads(answer["network_info"])
    assert errors == []
    assert [(d["id"], d["address"]) for d in documents] == [
        (entry["id"], entry["address"]) for entry in entries
    ]
