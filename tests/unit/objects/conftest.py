# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest

from tests.unit.objects import third_party


@pytest.fixture(scope="module")
def classes():
    """Classes of third parties, registered for the tests of one module."""
    with third_party.registered_for_a_while() as classes:
        yield classes


@pytest.fixture
def new(classes):
    """Make an object of a third party's class by its name."""
    return third_party.maker(classes)
