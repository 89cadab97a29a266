# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The known release for a stated release."""

from __future__ import annotations

import pytest

from os_vif.objects.versioning import history
from os_vif.objects.versioning.release_names import newest_release_until
from os_vif.objects.versioning.releases import CURRENT_RELEASE


def test_a_known_release_is_itself():
    names = (*history.releases(), *history.peers())
    assert tuple(map(newest_release_until, names)) == names


@pytest.mark.parametrize(
    ("stated", "known"),
    [
        ("5.3", "5.3.0"),
        ("5", "5.0.0"),
        ("v5.3.0", "5.3.0"),
        ("5.3.0.0", "5.3.0"),
        ("5.2.9", "5.2.2"),
        ("5.9", "5.3.0"),
        ("5.10.0", "5.3.0"),
        ("7.1.2", CURRENT_RELEASE),
        # pbr names the commits after 5.2.2, and the commits after 5.3.0.
        ("5.3.0.dev7", "5.2.2"),
        ("5.3.1.dev7", "5.3.0"),
        # Pre-releases.
        ("6.0.0rc1", "5.3.0"),
        ("6.0.0.0rc1", "5.3.0"),
        ("6.0.0b2.dev3", "5.3.0"),
        ("6.0.0.dev1", "5.3.0"),
        ("6.1.0rc1", CURRENT_RELEASE),
        # Packages of distributions.
        ("5.3.0.post1", "5.3.0"),
        ("5.3.0+vendor.2", "5.3.0"),
    ],
)
def test_an_unknown_release_is_the_release_before_it(stated, known):
    assert newest_release_until(stated) == known


@pytest.mark.parametrize(
    "stated",
    ["", "latest", "0.9", "1.0.0rc1", "kuryr-99.0", "kuryr-10", "1!5.3.0", "5.3.x", "9" * 5000,
     None, 5, 5.3, ["5.3.0"], {}],
    ids=lambda value: repr(value)[:12],
)  # fmt: skip
def test_a_value_that_is_no_release_has_no_known_release(stated):
    assert newest_release_until(stated) is None
