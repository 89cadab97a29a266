# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Random objects are written for every release in every form, and read back."""

from __future__ import annotations

import contextlib
import json
import logging

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo

from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import downgrade, dumps, from_document, loads, to_document
from tests.support.data import document_samples, expected_losses, released
from tests.support.data.document_samples import fill_lists
from tests.support.strategies import ALL, any_object, any_objects, make

RANDOM = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def paths(losses):
    """Return the paths of losses, which must be distinct."""
    found = [loss.path for loss in losses]
    assert len(found) == len(set(found))
    return set(found)


@contextlib.contextmanager
def logged():
    """Return the logged messages about losses."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("os_vif.objects.base")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def listed(obj, losses):
    """Return losses in the wording of the log."""
    if not losses:
        return []
    text = "; ".join(map(str, losses))
    return [f"{obj.obj_name()} was written for an older reader, and loses: {text}"]


def test_every_distinct_reader_is_tried():
    """The manifests of the oracle are exactly the manifests of the library."""
    assert expected_losses.has_all_manifests()
    for release in expected_losses.RELEASES:
        assert history.manifest(release) == expected_losses.versions(release)


@pytest.mark.parametrize("release", expected_losses.RELEASES)
@RANDOM
@given(data=st.data())
def test_downgrade_names_what_is_lost_and_only_that(release, data):
    """The losses are those of the released packages; ``obj_to_primitive`` logs the same losses."""
    known = expected_losses.versions(release)
    obj = data.draw(any_objects([name for name in ALL if name in known]))
    with logged() as messages:
        primitive, losses = downgrade(obj, release)
    assert paths(losses) == expected_losses.lost_paths(obj, known)
    assert messages == []
    with logged() as messages:
        assert obj.obj_to_primitive(version_manifest=history.manifest(release)) == primitive
    assert messages == listed(obj, losses)
    the_rest_comes_back(obj, loads(json.dumps(primitive)), paths(losses), release)


def the_rest_comes_back(before, after, gone, release):
    """Check that each value is unchanged unless the value or an enclosing object was lost."""
    found = expected_losses.flat(after)
    addresses = [
        expected_losses.address(ip)
        for ip in (
            *expected_losses.addresses_of_vif(after),
            *expected_losses.addresses_of_subnets(after),
        )
    ]
    for path, value in expected_losses.flat(before).items():
        if ".ips" in path and release == "1.8.0":
            continue
        within = any(path.startswith(lost) and path[len(lost) :][:1] in ".[ " for lost in gone)
        if path not in gone and not (within and path not in found):
            assert (path, found.get(path)) == (path, value)
    for ip in (
        expected_losses.addresses_of_subnets(before) if "VIFBase" in ancestors(before) else ()
    ):
        assert expected_losses.address(ip) in addresses or release != "1.8.0"


def ancestors(obj):
    return [cls.__name__ for cls in type(obj).__mro__]


@pytest.mark.parametrize("name", ALL)
def test_full_objects_for_every_release(name):
    """Objects with all fields and with few fields are written for each release with the class."""
    for obj in (make(name), make(name, full=False)):
        for release in expected_losses.RELEASES:
            known = expected_losses.versions(release)
            if name in known:
                primitive, losses = downgrade(obj, release)
                assert paths(losses) == expected_losses.lost_paths(obj, known), release
                again = loads(json.dumps(primitive))
                the_rest_comes_back(obj, again, paths(losses), release)


@pytest.mark.parametrize("release", expected_losses.RELEASES)
@RANDOM
@given(data=st.data())
def test_dumps_for_a_release_is_exact_or_refused(release, data):
    """``dumps`` raises an error with the losses, or the text gives an equal object."""
    known = expected_losses.versions(release)
    obj = data.draw(any_objects([name for name in ALL if name in known]))
    expected = expected_losses.lost_paths(obj, known)
    if expected:
        with pytest.raises(exception.DataLoss) as caught:
            dumps(obj, release=release)
        assert paths(caught.value.losses) == expected
        assert all(str(loss) in str(caught.value) for loss in caught.value.losses)
        return
    text = dumps(obj, release=release)
    assert text == dumps(obj, form="ovo", release=release)
    assert text == json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True)
    the_rest_comes_back(obj, loads(text), set(), release)
    if release != "1.8.0":
        assert expected_losses.flat(loads(text)) == expected_losses.flat(obj)
        assert to_document(fill_lists(loads(text))) == to_document(fill_lists(obj))


def test_every_vif_of_a_pod_is_written_for_the_reader():
    """The VIFs of all interfaces are written in the versions of the reader."""
    profile = make("VIFPortProfileOpenVSwitch", full=False, create_port=True)
    pod = make("PodState", additional_vifs={"eth1": make("VIFBridge", port_profile=profile)})
    primitive, losses = downgrade(pod, "kuryr-0.5.4")
    assert "additional_vifs.eth1.port_profile.create_port" in paths(losses)
    inner = primitive["versioned_object.data"]["additional_vifs"]["eth1"]
    profile = inner["versioned_object.data"]["port_profile"]
    assert profile["versioned_object.version"] == "1.0"


@settings(RANDOM, max_examples=100)
@given(data=st.data())
def test_from_release_to_release(data):
    """Data of a release is written for another; the losses of both downgrades are reported."""
    first, second = (data.draw(st.sampled_from(expected_losses.RELEASES)) for _ in "12")
    both = expected_losses.versions(first).keys() & expected_losses.versions(second).keys()
    obj = data.draw(any_objects(sorted(both)))
    stored = loads(json.dumps(downgrade(obj, first)[0]))
    primitive, losses = downgrade(stored, second)
    assert paths(losses) == expected_losses.lost_paths(stored, expected_losses.versions(second))
    the_rest_comes_back(stored, loads(json.dumps(primitive)), paths(losses), second)


@settings(RANDOM, max_examples=60)
@given(data=st.data())
def test_addresses_of_1_8_0_survive_every_form(data):
    """A VIF of release 1.8.0 gives the same document after any conversion, and converts back."""
    known = expected_losses.versions("1.8.0")
    names = [name for name in known if name.startswith("VIF") and "Profile" not in name]
    obj = fill_lists(data.draw(any_objects(sorted(names))))
    assume(not expected_losses.lost_paths(obj, known))
    stored = fill_lists(loads(dumps(obj, release="1.8.0")))
    stored.obj_reset_changes(recursive=True)
    document = dumps(stored)
    assert ("fixed_ips" in document) == bool(list(expected_losses.addresses_of_subnets(obj)))
    for again in (
        loads(document),
        loads(dumps(stored, form="ovo")),
        loads(dumps(loads(document), form="ovo")),
        stored.obj_clone(),
        loads(dumps(loads(document), release="1.8.0")),
    ):
        assert dumps(again) == document
        assert dumps(again, release="1.8.0") == dumps(stored, release="1.8.0")


def test_addresses_come_back_from_1_8_0():
    """The document of an object read from 1.8.0 also has ``fixed_ips``, and no other difference."""
    vif = document_samples.vif()
    del vif.port_profile.datapath_offload
    before, after = to_document(vif), to_document(loads(dumps(vif, release="1.8.0")))
    assert after.pop("fixed_ips") == [
        {"address": "10.0.0.5", "floating_ips": []},
        {"address": "2001:db8::5"},
    ]
    assert after == before


def test_address_in_no_subnet_is_lost_for_others():
    """An address outside of all subnets is a loss for other releases, and stays in both forms."""
    vif = loads(json.dumps(downgrade(document_samples.vif(), "1.8.0")[0]))
    vif.fixed_ips.objects.append(objects.FixedIP(address="192.0.2.1"))
    assert dumps(loads(dumps(vif, form="ovo"))) == dumps(vif)
    for release in ("1.7.2", "1.9.0", "5.3.0"):
        with pytest.raises(exception.DataLoss) as caught:
            dumps(vif, release=release)
        assert paths(caught.value.losses) >= {"fixed_ips[2]"}
        assert "fixed_ips[0]" not in str(caught.value)
    assert downgrade(loads(dumps(vif, release="1.8.0")), "1.8.0")[1] == []


@pytest.mark.parametrize(("name", "version"), released.VERSIONS)
@settings(RANDOM, max_examples=5)
@given(data=st.data())
def test_target_version_logs_what_is_lost(name, version, data):
    """``obj_to_primitive(target_version)`` logs losses; the present version has no losses."""
    obj = data.draw(any_object(name))
    with logged() as messages:
        primitive = obj.obj_to_primitive(target_version=version)
    release = released.newest_with(name, version)
    expected = set()
    if version != obj.VERSION:
        expected = expected_losses.lost_paths(obj, expected_losses.versions(release))
    named = [text.partition(" loses: ")[2] for text in messages]
    assert bool(named) == bool(expected)
    assert all(f"{path or 'the object'} (" in named[0] for path in expected)
    the_rest_comes_back(obj, loads(json.dumps(primitive)), expected, release)


@pytest.mark.parametrize("name", ALL)
def test_a_release_without_the_class_is_refused(name):
    """A release without the class of the object is refused: no other class is a substitute."""
    for release in expected_losses.RELEASES:
        if name not in expected_losses.versions(release):
            with pytest.raises(exception.UnknownKind) as caught:
                dumps(make(name), release=release)
            assert caught.value.found == name
            assert release in str(caught.value)


@settings(RANDOM, max_examples=100)
@given(any_objects(ALL))
def test_this_library_loses_nothing(obj):
    """Writing and reading in the present release loses nothing in either form."""
    assert downgrade(obj, CURRENT_RELEASE) == (json.loads(dumps(obj, form="ovo")), [])
    assert dumps(obj, form="ovo", release=CURRENT_RELEASE) == dumps(obj, form="ovo")
    assert dumps(fill_lists(obj), release=CURRENT_RELEASE) == dumps(obj)
    assert expected_losses.flat(loads(dumps(obj))) == expected_losses.flat(obj)
    assert expected_losses.flat(loads(dumps(obj, form="ovo"))) == expected_losses.flat(obj)


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"form": "xml"}, ValueError),
        ({"form": "json", "release": "5.3.0"}, ValueError),
        ({"form": "json", "release": "kuryr-10.0.0"}, ValueError),
        ({"release": "5.3"}, exception.UnsupportedVersion),
        ({"release": ""}, exception.UnsupportedVersion),
        ({"form": "ovo", "release": "kuryr-11.0.0"}, exception.UnsupportedVersion),
    ],
)
def test_forms_and_releases_that_there_are_not(kwargs, error):
    """An unknown form and an unknown release are refused, and the error names the argument."""
    with pytest.raises(error) as caught:
        dumps(make("VIFBridge"), **kwargs)
    assert str(list(kwargs.values())[-1]) in str(caught.value)


def mutable(value, found):
    """Return the identities of all mutable parts of a value."""
    if isinstance(value, (list, dict, set, ovo.VersionedObject)) or hasattr(value, "__dict__"):
        found[id(value)] = value
    items = value if isinstance(value, (list, set)) else ()
    items = value.values() if isinstance(value, dict) else items
    items = vars(value).values() if isinstance(value, ovo.VersionedObject) else items
    for item in items:
        mutable(item, found)
    return found


def shared(first, second):
    one, other = mutable(first, {}), mutable(second, {})
    return [one[key] for key in one.keys() & other.keys()]


@settings(RANDOM, max_examples=100)
@given(any_objects(ALL), st.sampled_from(["json", "ovo"]))
def test_loaded_objects_share_nothing(obj, form):
    """Objects read from the same text or dict share no mutable value, also not with the dict."""
    text = dumps(fill_lists(obj), form=form)
    assert shared(loads(text), loads(text)) == []
    document = to_document(obj) | {"apiVersion": "os-vif/2.9", "zone": [{"a": []}]}
    before = json.dumps(document)
    first, second = from_document(document), from_document(document)
    assert shared(first, second) == []
    assert shared(first, document) == []
    assert shared(first, first.obj_clone()) == []
    assert shared(first, to_document(first)) == []
    assert json.dumps(document) == before
