# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""What is written for a release, that release reads and writes again, and nothing is lost.

The long form asks the releases themselves. The short form needs none of them: what they have read
is kept, and must still be what is written.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from oslo_versionedobjects import exception

from os_vif.objects.versioning import history
from testbed.environments import Unavailable
from tests.support.data import released
from tests.support.interop import releases, samples, written
from tests.support.strategies import OFFLOADS, PROFILES, load

FIRST = tuple(first for first, _ in written.SPANS)
#: In the short form one sample of three, and for each release others.
SHARE = pytest.mark.parametrize(
    "share", [pytest.param(3, id="short"), pytest.param(1, marks=pytest.mark.interop, id="long")]
)


@pytest.fixture(scope="module", autouse=True)
def _no_log():
    """What is lost on the way is told elsewhere; to find it costs as much as all the rest."""
    log = logging.getLogger("os_vif.objects.base")
    level = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(level)


@pytest.fixture(scope="module")
def objects():
    return [*samples.samples()]


def some(samples, release, share):
    """Every so many of the samples, by name."""
    names = [*samples][FIRST.index(release) % share :: share]
    return {name: samples[name] for name in names}


def normal(value):
    """A primitive without the order of changes, which is a set in releases."""
    if isinstance(value, dict):
        return {
            key: sorted(item) if key == "versioned_object.changes" else normal(item)
            for key, item in value.items()
        }
    return [normal(item) for item in value] if isinstance(value, list) else value


def test_the_matrix_is_whole(objects):
    """Every class in every variant, every VIF with every profile, every profile with every offload."""
    names = [name for name, _ in objects]
    assert len(set(names)) == len(names)
    for variant in samples.VARIANTS:
        wanted = {f"{name} {variant}" for name in samples.CLASSES}
        profiles = {
            f"{p} {variant}{end}" for p in PROFILES for end in ("", *map(" {}".format, OFFLOADS))
        }
        wanted |= profiles | {f"{vif} {profile}" for vif in samples.VIFS for profile in profiles}
        assert wanted | {f"{name} reset" for name in wanted} <= set(names)


def test_the_releases_are_the_first_and_the_last_of_each_manifest():
    """Every manifest that there ever was has a reader, and every era."""
    assert len(written.SPANS) == 10
    assert {*sum(written.SPANS, ())} == {*releases.PINNED} - {"2.8.0"}
    assert {releases.era(release) for release in releases.PINNED} == {*releases.ERAS}


@SHARE
@pytest.mark.parametrize("release", FIRST)
def test_what_is_written_is_what_the_releases_have_read(release, share, objects):
    """To the byte. If this is meant to change: `python -m tests.support.interop.written`."""
    kept = written.stored_lines(release)
    known = written.known_samples(release, objects)
    assert known.keys() == kept.keys()
    known = some(known, release, share)
    assert [name for name, obj in known.items() if written.line(obj, release) != kept[name]] == []


@SHARE
@pytest.mark.parametrize("release", FIRST)
def test_nothing_is_dropped_that_the_release_has_a_field_for(release, share, objects):
    """Classes, versions and values at every depth, in what is kept."""
    kept = written.stored_lines(release)
    manifest = released.MANIFESTS[release]
    for name, obj in some(written.known_samples(release, objects), release, share).items():
        assert released.actual(json.loads(kept[name])) == released.expected(obj, manifest), name


@SHARE
@pytest.mark.parametrize("release", FIRST)
def test_what_is_written_reads_here_and_is_written_again(release, share):
    """The same bytes again, as the releases do it."""
    kept = some(written.stored_lines(release), release, share)
    again = {name: written.line(load(json.loads(text)), release) for name, text in kept.items()}
    assert [name for name in kept if again[name] != kept[name]] == []


@pytest.mark.parametrize("release", FIRST)
def test_what_the_release_has_no_class_for_is_not_written(release, objects):
    """An error says so."""
    known = written.known_samples(release, objects)
    for name, obj in objects:
        if name not in known:
            with pytest.raises(exception.UnsupportedObjectError, match=obj.obj_name()):
                obj.obj_to_primitive(version_manifest=history.manifest(release))


@pytest.mark.interop
@pytest.mark.parametrize("release", releases.PINNED)
def test_the_release_itself_writes_the_same_again(release, tmp_path):
    """Read by its own code, in an environment of its time: all of it, identically."""
    kept = written.stored_lines(release)
    its = releases.era(release)
    try:
        reading = releases.read(release, tmp_path, kept.values())
    except Unavailable as reason:
        pytest.skip(f"releases {its.name}: {reason}")
    assert Path(reading.reader["os_vif"]).is_relative_to(tmp_path)
    assert reading.reader["python"].startswith(f"{its.python}.")
    assert reading.reader["manifest"] == released.MANIFESTS[release]
    answers = dict(zip(kept, reading.answers, strict=True))
    errors = {name: answer["error"] for name, answer in answers.items() if "error" in answer}
    assert errors == {}
    differing = [n for n in kept if normal(answers[n]["written"]) != normal(json.loads(kept[n]))]
    assert differing == []
