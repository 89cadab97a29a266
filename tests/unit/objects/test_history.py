# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The version of each class in each release."""

from __future__ import annotations

import pytest

from os_vif import objects
from os_vif.objects.versioning import history
from tests.support.data import released


def test_releases_are_the_public_ones_in_order():
    """The 67 releases are 1.0.0 to 5.3.0."""
    assert history.releases() == released.RELEASES
    assert len(history.releases()) == 67


@pytest.mark.parametrize("release", released.RELEASES)
def test_manifest_is_what_the_release_really_had(release):
    """The manifest from the declared histories is the manifest of the released package."""
    assert history.manifest(release) == released.MANIFESTS[release]


@pytest.mark.parametrize("release", ["", "1.0", "5.3", "1.2.2", "v5.3.0", "5.3.1", "99.0.0"])
def test_unknown_release_is_an_error_that_names_it(release):
    """The error names the unknown release, and the known releases."""
    with pytest.raises(ValueError, match=r"5\.2\.2, 5\.3\.0") as caught:
        history.manifest(release)
    assert repr(release) in str(caught.value)


def test_manifest_may_be_changed_by_its_caller():
    """A change of a returned manifest does not change the next returned manifest."""
    history.manifest("5.3.0")["VIFVlanNested"] = "1.0"
    assert history.manifest("5.3.0") == released.MANIFESTS["5.3.0"]


@pytest.mark.parametrize(("name", "version"), released.VERSIONS)
def test_newest_release_with_a_version(name, version):
    """The newest release with a withdrawn version is 1.8.0."""
    cls = getattr(objects, name)
    assert history.newest_release_with(cls, version) == released.newest_with(name, version)


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0"])
def test_version_that_never_was_is_in_no_release(version):
    """The result for an unknown version is None."""
    assert history.newest_release_with(objects.VIFBase, version) is None


@pytest.mark.parametrize("release", released.RELEASES)
@pytest.mark.parametrize("name", ["VIFBase", "Subnet", "VIFNestedDPDK"])
def test_version_at_a_release(name, release):
    """The result for a class that the release lacks is None."""
    assert history.version_in_release(getattr(objects, name), release) == released.MANIFESTS[
        release
    ].get(name)


@pytest.mark.parametrize(("name", "version"), released.VERSIONS)
def test_payload_is_read_as_its_own_version_unless_withdrawn(name, version):
    """Only the two withdrawn versions of 1.8.0 are read as another version."""
    is_withdrawn = (name, version) in (("VIFBase", "1.1"), ("Subnet", "1.1"))
    assert history.version_to_read(name, version) == ("1.0" if is_withdrawn else version)


def test_data_of_the_tests_agrees_with_itself():
    """The field sets in released.json belong to the versions in the manifests."""
    for release, manifest in released.MANIFESTS.items():
        rows = [row for row in released.ROWS if released.in_release(row, release)]
        assert {row["object"]: row["version"] for row in rows} == manifest
        assert len(rows) == len(manifest)
