# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The pages of the steps have an example for each step of the authors' API, with its commands."""

from __future__ import annotations

import doctest

import pytest

from os_vif import steps
from tests.support.documents.pages import PAGES

NAMES = {name: getattr(steps, name) for name in steps.__all__}
EXAMPLES = [
    (page, example)
    for page in ("plugin_authors/steps", "plugin_authors/ovs_steps")
    for example in doctest.DocTestParser().get_examples(PAGES[page])
]


def test_each_public_step_has_an_example():
    shown = "".join(example.source for _, example in EXAMPLES)
    public = {
        name
        for name, cls in NAMES.items()
        if isinstance(cls, type)
        and issubclass(cls, steps.Step)
        and cls not in {steps.Step, steps.KernelStep, steps.PluginStep}
    }
    assert {name for name in public if f"{name}(" not in shown} == set()


@pytest.mark.parametrize(
    ("page", "example"), [pytest.param(*e, id=e[1].source.strip()) for e in EXAMPLES]
)
def test_an_example_prints_what_the_page_shows(page, example):
    test = doctest.DocTest([example], NAMES, page, None, example.lineno, None)
    failed, attempted = doctest.DocTestRunner(verbose=False).run(test)
    assert (failed, attempted) == (0, 1)
