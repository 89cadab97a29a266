# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""tools.personas follows existing pages, with the commands of the pages."""

from __future__ import annotations

import pytest

from testbed import snippets
from tests.support.documents.pages import PAGES
from tools import personas


@pytest.mark.parametrize("persona", personas.PERSONAS)
def test_each_page_of_a_persona_has_something_to_do(persona):
    """Commands or Python code, on a page that tests/functional/docs/test_doc.py follows too."""
    for name in personas.PERSONAS[persona]:
        assert {block.language for block in snippets.blocks(PAGES[name])} & {"console", "python"}
        assert not name.startswith(("operators/ovs/", "operators/sriov/"))


def test_the_environment_is_made_with_the_commands_of_the_quickstart():
    """Python makes the environment, and pip installs the checkout."""
    made, *installed = personas.install_commands()
    assert made == f"python3 -m venv {personas.PREFIX}"
    assert [line.split()[:2] for line in installed] == [[f"{personas.PREFIX}/bin/pip", "install"]]


def test_an_unknown_persona_is_refused(capsys):
    """The error lists the personas."""
    with pytest.raises(SystemExit) as raised:
        personas.main(["nobody"])
    assert raised.value.code == 2
    assert "unknown: nobody; known: new-user, operator" in capsys.readouterr().err
