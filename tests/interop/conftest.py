# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""What the interoperability tests share: the wheel of this checkout, ready to run."""

from __future__ import annotations

import pytest

from tests.interop.environments import Subject, Unavailable


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The checkout, built and installed as others would install it."""
    try:
        return Subject.from_checkout(tmp_path_factory.mktemp("checkout"))
    except Unavailable as reason:
        pytest.skip(str(reason))
