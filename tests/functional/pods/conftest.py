# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the tests of pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from oslo_config import cfg


@pytest.fixture
def configured() -> Iterator[Callable[[str, object, str], None]]:
    """Return a function that sets an option of a group until the test ends."""
    changed: list[tuple[str, str]] = []

    def change(option: str, value: object, group: str) -> None:
        cfg.CONF.set_override(option, value, group=group)
        changed.append((option, group))

    yield change
    for option, group in changed:
        cfg.CONF.clear_override(option, group=group)
