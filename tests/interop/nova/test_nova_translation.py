# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""nova 34.0.0 translates ports of Neutron to the VIFs of os_vif.negotiation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from os_vif import exception, negotiation, objects, serialization
from os_vif.serialization import to_document
from testbed import environments
from tests.support.negotiation import recorded_nova
from tests.support.negotiation.neutron_cases import Case, all_cases, migration_cases

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject


def ask_nova(
    subject: Subject, cases: list[Case], scratch: Path, release: str | None = None
) -> list[dict[str, Any]]:
    objects.register_all()
    try:
        return recorded_nova.ask_nova(subject, cases, scratch, release)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


def primitive_of(case: Case) -> dict[str, Any]:
    """Return the primitive of our VIF after JSON."""
    primitive: dict[str, Any] = json.loads(json.dumps(case.vif().obj_to_primitive()))
    return primitive


@pytest.mark.interop
def test_each_vif_equals_the_vif_of_nova(subject: Subject, tmp_path: Path) -> None:
    """The primitives are compared, with the names of the changed fields.

    The answers also equal the recorded answers, which the quick tests use.
    """
    cases = all_cases()
    answers = ask_nova(subject, cases, tmp_path)
    assert recorded_nova.compact(answers) == recorded_nova.recorded()
    translated = [
        (case, answer["vif"])
        for case, answer in zip(cases, answers, strict=True)
        if answer.get("vif") is not None
    ]
    assert len(translated) > 2500
    assert not [case.name for case, vif in translated if primitive_of(case) != vif]


@pytest.mark.interop
def test_each_vif_on_the_destination_of_a_migration_equals_the_vif_of_nova(
    subject: Subject, tmp_path: Path
) -> None:
    """nova 34.0.0 keeps the bridge of the source; no other field of a VIF differs.

    vif_of() has the bridge of the destination, in which the port is.
    """
    same_bridge, other_bridge = list(migration_cases()), list(migration_cases("br-x"))
    answers = ask_nova(subject, same_bridge + other_bridge, tmp_path)
    count = len(same_bridge)
    equal = zip(same_bridge, answers[:count], strict=True)
    assert not [case.name for case, answer in equal if primitive_of(case) != answer["vif"]]
    for case, answer in zip(other_bridge, answers[count:], strict=True):
        vif = case.vif()
        assert vif.network.bridge == "br-x"
        vif.network.bridge = "br-int"
        if vif.obj_name() == "VIFOpenVSwitch":
            vif.bridge_name = "br-int"
        primitive = json.loads(json.dumps(vif.obj_to_primitive()))
        assert primitive == answer["vif"], case.name


@pytest.mark.interop
def test_an_older_nova_reads_the_keys_of_details_with_a_document(
    subject: Subject, tmp_path: Path
) -> None:
    """nova 31.0.0 knows no ``ovs_create_tap``, and ignores the member ``os_vif``."""
    served: list[tuple[Case, objects.VIFBase]] = []
    for case in all_cases()[::5]:
        try:
            vif = case.vif()
        except exception.InvalidBinding:
            continue
        if vif.plugin == "sriov" or case.port["binding:vif_type"] == "hostdev_physical":
            continue
        vif_type, details = negotiation.details_of(vif)
        case.port |= {"binding:vif_type": vif_type, "binding:vif_details": details}
        served.append((case, vif))
    assert len(served) > 500
    answers = ask_nova(subject, [case for case, _ in served], tmp_path, "31.0.0")
    for (case, vif), answer in zip(served, answers, strict=True):
        expected = to_document(vif)
        expected.get("port_profile", {}).pop("create_tap", None)
        assert to_document(serialization.loads(json.dumps(answer["vif"]))) == expected, case.name
