# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest

from tests.support.data import third_party


@pytest.fixture(scope="module")
def classes():
    """Register classes of third parties for the tests of a module."""
    with third_party.registered_classes() as classes:
        yield classes


@pytest.fixture
def new(classes):
    """Return a function that creates an object of a third party's class."""
    return third_party.object_factory(classes)
