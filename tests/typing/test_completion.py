# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""jedi, which many editors use, completes fields and keyword arguments."""

from __future__ import annotations

import jedi
import pytest

from os_vif import objects
from os_vif.objects.versioning import history
from testbed.environments import CHECKOUT

PREAMBLE = """
import os_vif
from os_vif import objects, serialization
from os_vif.serialization import storage
from tests.typing import own_classes
vif = objects.VIFOpenVSwitch()
"""


@pytest.fixture(scope="module")
def project() -> jedi.Project:
    return jedi.Project(CHECKOUT, smart_sys_path=False, added_sys_path=[str(CHECKOUT)])


def completions(project, expression):
    """Return the completions at the end of an expression."""
    source = PREAMBLE + expression
    script = jedi.Script(source, path=CHECKOUT / "an_editor.py", project=project)
    return script.complete()


@pytest.mark.parametrize(
    ("expression", "cls"),
    [
        ("vif.", "VIFOpenVSwitch"),
        ("vif.network.", "Network"),
        ("vif.network.subnets[0].routes[0].", "Route"),
        ("os_vif.host_info().", "HostInfo"),
        ("os_vif.host_info().plugin_info[0].vif_info[0].", "HostVIFInfo"),
        ("serialization.loads('', objects.VIFDirect).", "VIFDirect"),
        ("storage.read('')['eth0'].", "VIFBase"),
        ("objects.PodState().vifs['eth0'].", "VIFBase"),
        ("objects.VIFVlanNested().", "VIFVlanNested"),
    ],
)
def test_editor_completes_the_fields(project, expression, cls):
    """All fields of the class are offered."""
    names = {found.name for found in completions(project, expression)}
    assert names >= set(history.vocabulary()[cls].fields)


def test_editor_completes_classes_of_another_project(project):
    """The types of ``os-vif class-types`` give fields, nested objects and keyword arguments."""
    names = {found.name for found in completions(project, "own_classes.VIFHub().")}
    assert names >= {"hub_name", "hub_port", "more_subnets", "plugin", "network"}
    names = {f.name for f in completions(project, "own_classes.VIFHub().hub_port.")}
    assert names >= {"number", "addresses", "labels"}
    found = completions(project, "own_classes.VIFHub(")
    assert {"hub_name=", "hub_port=", "plugin="} <= {f.name for f in found}


def test_editor_completes_the_keyword_arguments(project):
    """Each field is offered between the parentheses of the constructor."""
    found = completions(project, "objects.VIFVlanNested(")
    keywords = {f.name.removesuffix("=") for f in found if f.name.endswith("=")}
    assert keywords == {"context", *objects.VIFVlanNested.fields}


def test_editor_shows_the_keyword_arguments_of_each_class(project):
    """The constructor of a class has a keyword argument for each field, and no other."""
    classes = history.vocabulary()
    source = PREAMBLE + "\n".join(f"objects.{name}()" for name in classes)
    script = jedi.Script(source, path=CHECKOUT / "an_editor.py", project=project)
    first = len(PREAMBLE.splitlines())
    for number, (name, cls) in enumerate(classes.items(), first + 1):
        (signature,) = script.get_signatures(number, len(f"objects.{name}("))
        assert {param.name for param in signature.params} - {"context"} == set(cls.fields), name


def test_editor_shows_the_sentence_of_a_field(project):
    """The sentence above the field is the documentation of the attribute."""
    (found,) = (f for f in completions(project, "vif.vif_n") if f.name == "vif_name")
    assert found.docstring(raw=True) == "The name of the tap device."
