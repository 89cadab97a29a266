# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The suites of os_vif.testing on the objects that kuryr-kubernetes and zun create."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from os_vif.objects.versioning import history
from testbed import environments
from tests.support.interop import embedder_suites, vendor_plugins

if TYPE_CHECKING:
    from testbed.environments import Subject

pytestmark = pytest.mark.interop

PROGRAM = Path(embedder_suites.__file__).read_text(encoding="utf-8")
#: The classes of each project that no release of os-vif has, and that no format of os-vif can have.
OUTSIDE = {"kuryr": set(), "zun": {"Container"}}


@pytest.mark.parametrize("project", ["kuryr", "zun"])
def test_the_objects_of_a_project_pass_both_suites(
    project: str, subject: Subject, tmp_path: Path
) -> None:
    """Each VIF, and each object with VIFs, for every release that can read the object."""
    pinned = environments.pins(project)
    vendor = vendor_plugins.vendor(project, pinned, (), subject, tmp_path)
    result = vendor.run(PROGRAM.replace("sys.argv[1]", repr(project)))
    assert result["file"] == str(subject.path / "os_vif" / "__init__.py")
    for suite in ("round_trip", "back_level"):
        assert [row for row in result[suite] if row[2] == "failed"] == []
    passed = _counts(result["round_trip"], "passed")
    for case in passed.keys() - OUTSIDE[project]:
        # A copy, a primitive, and each text.
        assert passed[case] >= 4, case
    releases = history.peers() if project == "kuryr" else history.releases()
    skipped = _counts(result["back_level"], "skipped")
    # The classes of kuryr appeared one after another: PodState in kuryr 0.5.0.
    expected = {
        "kuryr": {"PodState": 12, "PodState (7)": 12, "VIFMacvlanNested": 1},
        "zun": {"Container": len(releases)},
    }
    assert skipped == expected[project]


def _counts(rows: list[list[Any]], verdict: str) -> dict[str, int]:
    return dict(collections.Counter(case for case, _, found, _ in rows if found == verdict))
