# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The kernel of the virtual machines is the newest kernel with all packages in the archive.

The recorded list is of 2026-11-29, when an update was half published: kbuild and source had version
6.1.192-3, image and headers still 6.1.192-2. The other lists are derived from the recorded list.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.cache import Unavailable
from testbed.vm import kernel

RECORDED = pathlib.Path(__file__).parents[1] / "vm/packages/half-published.txt"
NEW = "linux-image-6.1.0-56-amd64"
OLD = "linux-image-6.1.0-50-amd64"


@pytest.fixture
def half_published() -> str:
    return RECORDED.read_text(encoding="utf-8")


def without(described: str, *gone: str) -> str:
    """Return the list without packages: ``NAME=VERSION``, or all versions of ``NAME``."""
    stanzas = described.strip().split("\n\n")
    left = []
    for stanza in stanzas:
        (package,) = kernel.packages(stanza)
        if not {package.name, str(package)} & set(gone):
            left.append(stanza)
    assert len(left) < len(stanzas)
    return "\n\n".join(left)


def versions(chosen: kernel.Kernel) -> dict[str, str]:
    return {package.name: package.version for package in chosen.packages}


def test_of_a_complete_archive_the_newest_is_taken(half_published):
    """All packages have the same version."""
    complete = half_published.replace("6.1.192-3", "6.1.192-2")
    best = kernel.complete_kernels(complete)[0]
    assert versions(best) == {
        NEW: "6.1.192-2",
        "linux-headers-6.1.0-56-amd64": "6.1.192-2",
        "linux-headers-6.1.0-56-common": "6.1.192-2",
        "linux-kbuild-6.1": "6.1.192-2",
        "linux-source-6.1": "6.1.192-2",
    }
    assert str(best) == f"{NEW} 6.1.192-2"
    assert best.compiler == "gcc-12"


def test_a_newer_kbuild_of_the_series_is_taken_where_the_headers_permit_it(half_published):
    """The archive had this state on 2026-11-29."""
    best = kernel.complete_kernels(half_published)[0]
    assert versions(best) == {
        NEW: "6.1.192-2",
        "linux-headers-6.1.0-56-amd64": "6.1.192-2",
        "linux-headers-6.1.0-56-common": "6.1.192-2",
        "linux-kbuild-6.1": "6.1.192-3",
        "linux-source-6.1": "6.1.192-2",
    }
    assert str(best) == f"{NEW} 6.1.192-2, linux-kbuild-6.1 6.1.192-3"


def test_a_newer_kbuild_is_not_taken_where_the_headers_forbid_it(half_published):
    """The headers require an exact version of kbuild; the previous kernel is complete."""
    strict = half_published.replace(
        "linux-kbuild-6.1 (>= 6.1.192-2)", "linux-kbuild-6.1 (= 6.1.192-2)"
    )
    assert str(kernel.complete_kernels(strict)[0]) == f"{OLD} 6.1.176-1"


@pytest.mark.parametrize(
    "gone",
    [
        "linux-headers-6.1.0-56-amd64",
        "linux-headers-6.1.0-56-common",
        "linux-kbuild-6.1=6.1.192-3",
        NEW,
    ],
)
def test_an_older_kernel_is_taken_where_the_newest_is_not_complete(half_published, gone):
    """Any missing package has this result."""
    assert str(kernel.complete_kernels(without(half_published, gone))[0]) == f"{OLD} 6.1.176-1"


def test_the_source_may_differ_in_debian_s_revision_only(half_published):
    """The built files are the same."""
    newer = without(half_published, "linux-source-6.1=6.1.192-2")
    newer = without(newer, "linux-source-6.1=6.1.192-1")
    assert versions(kernel.complete_kernels(newer)[0])["linux-source-6.1"] == "6.1.192-3"
    other = without(newer, "linux-source-6.1=6.1.192-3")
    assert str(kernel.complete_kernels(other)[0]) == f"{OLD} 6.1.176-1"


def test_the_kernel_of_backports_comes_last(half_published):
    """The kernel of backports is chosen only without a complete kernel of the release."""
    found = [chosen.image.name for chosen in kernel.complete_kernels(half_published)]
    assert found == [NEW, OLD, "linux-image-6.12.117+deb12-amd64"]
    only = without(half_published, NEW, OLD)
    (best,) = kernel.complete_kernels(only)
    assert str(best) == "linux-image-6.12.117+deb12-amd64 6.12.117-1~deb12u1"


def test_where_no_kernel_is_complete_it_is_said_what_each_lacks(half_published):
    """The error has the missing packages of each kernel; an empty archive has an error too."""
    none = without(half_published, "linux-kbuild-6.1", "linux-kbuild-6.12.117+deb12")
    with pytest.raises(Unavailable) as info:
        kernel.complete_kernels(none)
    assert str(info.value) == (
        "no kernel of which image, headers, kbuild and source are there: "
        f"{NEW} 6.1.192-2 lacks linux-kbuild-6.1 (>= 6.1.192-2) (there: none); "
        f"{OLD} 6.1.176-1 lacks linux-kbuild-6.1 (>= 6.1.176-1) (there: none); "
        "linux-image-6.12.117+deb12-amd64 6.12.117-1~deb12u1 lacks linux-kbuild-6.12.117+deb12 "
        "(there: none)"
    )
    with pytest.raises(Unavailable, match="there is no package linux-image-VERSION-amd64"):
        kernel.complete_kernels("")


ORDERED = [
    ("1.0~rc1-1", "1.0-1"),
    ("1.0-1~deb12u1", "1.0-1"),
    ("6.1.99-1", "6.1.192-1"),
    ("6.1.192-2", "6.1.192-10"),
    ("1.0", "1.0-1"),
    ("9-1", "1:0-1"),
    ("1.0-1", "1.0+b1-1"),
    ("1.0a-1", "1.0+-1"),
]


@pytest.mark.parametrize(("older", "newer"), ORDERED)
def test_versions_are_ordered_as_debian_orders_them(older, newer):
    """A tilde sorts before the end, numbers by value, letters before signs."""
    assert kernel.compare(older, newer) < 0 < kernel.compare(newer, older)
    assert kernel.compare(older, older) == 0


VERSION = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-z.+~]{0,8}(-[0-9a-z.+~]{1,6})?\Z")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="there is no dpkg to compare with")
@given(VERSION, VERSION)
@settings(max_examples=50, deadline=None)
def test_versions_are_ordered_as_dpkg_orders_them(one, other):
    """The order agrees with dpkg for versions of any form."""
    for relation, holds in (
        ("lt", kernel.compare(one, other) < 0),
        ("eq", kernel.compare(one, other) == 0),
    ):
        done = subprocess.run(
            ["dpkg", "--compare-versions", one, relation, other], check=False, timeout=60
        )
        assert (done.returncode == 0) == holds
