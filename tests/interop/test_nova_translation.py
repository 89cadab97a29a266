# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""nova 34.0.0 translates ports of Neutron to the VIFs of os_vif.negotiation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from os_vif import negotiation, objects
from testbed import environments
from tests.support.negotiation import recorded_nova
from tests.support.negotiation.neutron_cases import Case, all_cases

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject


def primitive_of(case: Case) -> dict[str, object]:
    """Return the primitive of our VIF as JSON gives it back."""
    vif = negotiation.vif_of(*case.arguments(), preserve_on_delete=bool(case.preexisting))
    primitive: dict[str, object] = json.loads(json.dumps(vif.obj_to_primitive()))
    return primitive


@pytest.mark.interop
def test_each_vif_equals_the_vif_of_nova(subject: Subject, tmp_path: Path) -> None:
    """The primitives are compared, with the names of the changed fields.

    The answers also equal the recorded answers, which the quick tests use.
    """
    objects.register_all()
    cases = all_cases()
    try:
        answers = recorded_nova.ask_nova(subject, cases, tmp_path)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    assert recorded_nova.compact(answers) == recorded_nova.recorded()
    translated = [
        (case, answer["vif"])
        for case, answer in zip(cases, answers, strict=True)
        if answer.get("vif") is not None
    ]
    assert len(translated) > 2500
    assert not [case.name for case, vif in translated if primitive_of(case) != vif]
