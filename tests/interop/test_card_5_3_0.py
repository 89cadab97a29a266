# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""On a card in a virtual machine, the public os-vif 5.3.0 and ours plug the same VIFs in turn."""

from __future__ import annotations

import sys

import pytest

from testbed import environments
from testbed.environments import Subject
from testbed.vm import guest
from testbed.vm.scenarios import SCENARIOS

pytestmark = pytest.mark.interop


def test_what_one_plugged_the_other_plugs_again_and_unplugs(made_lab, tmp_path):
    """The environment of 5.3.0 is made here: the machine reaches no package index."""
    try:
        subject = Subject.from_public_release(tmp_path / "public")
        pinned = environments.pins("public")
        python = environments.environment("public-5.3.0", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    out = tmp_path / "out"
    out.mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.support.interop.card_turns",
        str(python),
        str(subject.path),
    ]
    machine = guest.Guest(made_lab, SCENARIOS["igb"], command, out, silence=900)
    try:
        assert list(machine.lines()) == []
        assert machine.status() == 0, (out / "output").read_text(errors="replace")
    finally:
        machine.end()
