# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Stored objects are converted one after the other; text outside of the VIFs does not change."""

from __future__ import annotations

import contextlib
import copy
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from os_vif import exception, serialization
from os_vif.cmd import exit_codes, main
from os_vif.cmd.store import convert, stored_entry, visitor
from os_vif.cmd.store.conversion_target import Target, parse_target
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.json_splitter import split_chunks
from os_vif.cmd.store.progress import Outcome
from os_vif.objects.versioning import history
from os_vif.serialization import storage
from tests.support.data import document_samples
from tests.support.data.stored_samples import (
    ANNOTATION,
    contents,
    envelopes,
    ids,
    kuryr_vif,
    without_changes,
)
from tests.support.generated.json_texts import VALUES, in_chunks, json_text
from tests.support.interop import written
from tests.support.strategies import any_objects, make

ROWS = [json.loads(line) for line in document_samples.CORPUS.open(encoding="utf-8")]
DOCUMENTS = Target("json")


def entry(data) -> stored_entry.StoredEntry:
    return stored_entry.StoredEntry(Chunk(json.dumps(data).encode(), 1, is_object=True))


def converted(data: bytes, to: Target) -> bytes:
    """Return the converted form of an object, which must be without losses."""
    one = stored_entry.StoredEntry(Chunk(data, 1, is_object=True))
    new, losses = one.write(one.read(), to)
    assert losses == []
    return new


def read(data: bytes):
    return stored_entry.StoredEntry(Chunk(data, 1, is_object=True)).read()


def without_vifs(data):
    """Return the text around the VIFs."""
    data = copy.deepcopy(data)
    if "status" in data:
        for entry in data["status"]["vifs"].values():
            del entry["vif"]
    elif "metadata" in data:
        del data["metadata"]["annotations"][ANNOTATION]
    else:
        data.pop("vif", None)
    return data


def names(data):
    """Return the names of all objects in a value, in order."""
    if isinstance(data, dict):
        return [list(data), *[names(value) for value in data.values()]]
    return [names(item) for item in data] if isinstance(data, list) else None


def plain(found) -> str:
    """Return an object as text for comparison."""
    if isinstance(found, dict):
        return json.dumps({name: serialization.dumps(vif) for name, vif in found.items()})
    return serialization.dumps(found)


def writable(row) -> bool:
    """Return True for an object with a document: a list object without a list has none."""
    try:
        serialization.dumps(serialization.loads(json.dumps(row["payload"])))
    except exception.SerializationError:
        return False
    return True


@pytest.mark.parametrize(("indent", "step"), [(None, 1), (4, 5)])
def test_what_67_releases_wrote_there_and_back(indent, step):
    """Every payload of the corpus becomes a document, and reading it back gives the same object."""
    bare = 0
    for row in ROWS[::step]:
        data = json.dumps(row["payload"], indent=indent).encode()
        if row["wrap"] == "none" and not writable(row):
            continue
        there = converted(data, DOCUMENTS)
        back = converted(there, Target("ovo"))
        assert plain(read(there)) == plain(read(back)) == plain(read(data)), row["id"]
        assert converted(there, DOCUMENTS) == there
        assert converted(back, Target("ovo")) == back
        if row["wrap"] == "none":
            bare += 1
            text = serialization.dumps(serialization.loads(data))
            assert json.loads(there) == json.loads(text)
            assert indent or there.decode() == text
        else:
            before = json.loads(data)
            for written in (there, back):
                after = without_vifs(json.loads(written))
                assert after == without_vifs(before)
                assert names(after) == names(without_vifs(before))
    assert bare > 300 / step


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["src"] == "os-vif" and writable(row)][::9], ids=ids
)
def test_for_the_release_that_wrote_it(row):
    """The converted text is the output of ``dumps`` for the release."""
    release = row["releases"][0]
    there = serialization.dumps(serialization.loads(json.dumps(row["payload"])))
    back = converted(there.encode(), parse_target(None, release))
    assert back.decode() == serialization.dumps(serialization.loads(there), release=release)


VIF, OTHER = kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested")
WRAPPED = {
    name: data
    for name, data in envelopes(VIF, OTHER).items()
    if isinstance(data, dict) and ("metadata" in data or "vif" in data)
}


@pytest.mark.parametrize("form", ["json", "ovo"])
@pytest.mark.parametrize("name", WRAPPED)
def test_every_place_in_which_kuryr_and_zun_store(name, form):
    """The VIFs and the text around the VIFs survive a conversion and the conversion back."""
    data = json.dumps(WRAPPED[name], indent=4).encode()
    written = converted(data, Target(form))
    assert contents(read(written)) == contents(read(data))
    assert without_vifs(json.loads(written)) == without_vifs(WRAPPED[name])
    text = json.dumps(json.loads(written))
    assert ("os-vif/2.0" in text, "versioned_object" in text) == (form == "json", form == "ovo")


@pytest.mark.parametrize(
    ("name", "release", "kind"),
    [
        ("pod with vif", "kuryr-0.4.7", "VIFVlanNested"),
        ("pod with vif", "kuryr-2.1.0", "VIFVlanNested"),
        # Such a release reads only states.
        ("pod with vif", "kuryr-3.0.0", "PodState"),
        ("pod with state of two", "kuryr-3.1.0", "PodState"),
        ("pod with state of two", "kuryr-0.5.0", "PodState"),
    ],
)
def test_an_annotation_is_what_the_release_reads(name, release, kind):
    written = json.loads(
        converted(json.dumps(WRAPPED[name]).encode(), parse_target(None, release))
    )
    annotation = json.loads(written["metadata"]["annotations"][ANNOTATION])
    assert annotation["versioned_object.name"] == kind
    assert contents(storage.read(written)) == contents(storage.read(WRAPPED[name]))


def test_what_has_no_place_is_lost_by_name():
    """The first of two VIFs is written where a place exists; the error names the lost VIF."""
    one = entry(WRAPPED["pod with state of two"])
    new, losses = one.write(one.read(), parse_target(None, "kuryr-0.4.7"))
    assert [str(loss) for loss in losses] == ["eth1 (left out)"]
    assert [*read(new)] == ["eth0"]
    with pytest.raises(exception.UnsupportedVersion, match=r"kuryr-3\.1\.0, which read pod-state"):
        one.write(one.read(), parse_target(None, "kuryr-4.0.0"))


@pytest.mark.parametrize("form", ["json", "ovo"])
def test_what_a_newer_version_wrote_is_lost_in_the_other_form_alone(form):
    """Unknown fields of a newer version are preserved in the same form, and lost in another."""
    document = serialization.to_document(make("VIFBridge"))
    document |= {"apiVersion": "os-vif/2.9", "color": "blue"}
    for data in (document, {"kind": "KuryrPort", "status": {"vifs": {"eth0": {"vif": document}}}}):
        one = entry(data)
        new, losses = one.write(one.read(), Target(form))
        assert [loss.path.rpartition(".")[2] for loss in losses] == ["color"] * (form == "ovo")
        assert (b"blue" in new) == (form == "json")


@pytest.mark.parametrize("kind", ["Pod", "Service", "KuryrPort"])
def test_what_has_no_vifs_stays(kind):
    data = b'{"kind": "%s",  "metadata": {"annotations": {"a": "{"}}, "spec": 1e5}' % kind.encode()
    one = stored_entry.StoredEntry(Chunk(data, 1, is_object=True))
    assert (one.has_vifs, one.write(one.read(), DOCUMENTS)) == (False, (data, []))


@pytest.mark.parametrize("data", [5, None, [], {}, {"a": 1}, {"vif": {}}])
def test_what_nobody_knows_is_refused(data):
    with pytest.raises(exception.SerializationError):
        entry(data)


def test_a_plugins_own_kind_is_found_with_the_plugins(monkeypatch):
    """Plugins are loaded at the first unknown class, not earlier."""
    loaded = []
    monkeypatch.setattr("os_vif.initialize", lambda: loaded.append(1))
    entry(WRAPPED["vif"] if "vif" in WRAPPED else VIF.obj_to_primitive()).read()
    assert loaded == []
    with pytest.raises(exception.UnknownKind):
        entry({"apiVersion": "os-vif/2.0", "kind": "VIFNonesuch"}).read()
    assert loaded == [1]


@pytest.mark.parametrize(
    ("form", "release", "expected"),
    [
        (None, "6.0.0", "json"),
        (None, "5.3.0", "ovo"),
        (None, "kuryr-10.0.0", "ovo"),
        ("ovo", "6.0.0", "ovo"),
        ("json", None, "json"),
    ],
)
def test_the_form_is_the_newest_that_the_release_reads(form, release, expected):
    assert parse_target(form, release) == (expected, release, False)


@pytest.mark.parametrize(
    ("form", "release"), [(None, None), ("json", "5.3.0"), (None, "9.9"), ("ovo", "kuryr-99")]
)
def test_a_target_that_nobody_reads_is_refused(form, release):
    with pytest.raises(main.BadInputError):
        parse_target(form, release)


def test_every_release_can_be_named():
    for release in (*history.releases(), *history.peers()):
        assert parse_target(None, release).form in serialization.FORMS


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"kind": "Pod", "metadata": {"namespace": "a", "name": "web"}}, "Pod a/web"),
        ({"metadata": {"name": "web"}}, "an object web"),
        ({"kind": "VIFBridge", "id": "x"}, "VIFBridge x"),
        ({"kind": "Pod", "metadata": {"name": "a\x1b[2Jb\n"}}, r"Pod a\x1b[2Jb\n"),
        ({"kind": ["x"], "metadata": None}, "['x']"),
        ({}, "an object"),
        (5, "an object"),
        (VIF.obj_to_primitive(), f"VIFVlanNested {VIF.id}"),
    ],
)
def test_an_object_is_named_in_words_that_can_be_printed(found, name):
    assert stored_entry.name_of(found) == name


GOOD = st.sampled_from([*WRAPPED.values(), VIF.obj_to_primitive()]) | any_objects(
    ("VIFBridge", "VIFOpenVSwitch", "Network")
).map(lambda obj: document_samples.fill_lists(obj).obj_to_primitive())
#: Objects that cannot be converted.
BAD = st.sampled_from(
    [
        {"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "address": "no MAC"},
        {"kind": "Pod", "metadata": {"annotations": {ANNOTATION: "{"}}},
        {"kind": "KuryrPort", "status": {"vifs": {"eth0": {}}}},
        {},
        5,
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), GOOD, BAD), max_size=4),
    st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata"]), VALUES),
    st.data(),
    st.integers(),
)
def test_bad_ones_in_a_list_stay_as_they_are_and_the_others_are_converted(
    chosen, around, data, seed
):
    """Invalid items stay unchanged and valid items are converted, in every layout of input."""
    items = [bad if is_bad else good for is_bad, good, bad in chosen]
    text = data.draw(json_text({**around, "items": items})).encode()
    written = b""
    for chunk in split_chunks(in_chunks(text, seed)):
        new = chunk.data
        if chunk.is_object:
            with contextlib.suppress(exception.SerializationError):
                new = converted(chunk.data, DOCUMENTS)
        written += new
    whole = json.loads(written)
    assert {name: whole[name] for name in around} == around
    assert [*whole] == [*json.loads(text)]
    assert len(whole["items"]) == len(items)
    for (is_bad, _, _), before, after in zip(chosen, items, whole["items"], strict=True):
        if is_bad:
            assert after == before
        else:
            assert "versioned_object" not in json.dumps(after)
            assert plain(read(json.dumps(after).encode())) == plain(
                read(json.dumps(before).encode())
            )


def test_a_form_that_is_no_text_holds_one_object(monkeypatch, tmp_path):
    """A binary form has a single object for each file, without the surrounding white space."""
    monkeypatch.setattr(serialization, "dumps", lambda obj, form, release=None: b"\x00new")
    binary = parse_target("json", None)
    assert binary.is_binary
    conversion = convert.Conversion(binary)
    failed = []

    def written(data: bytes) -> bytes:
        (tmp_path / "in").write_bytes(data)
        out = io.BytesIO()
        with visitor.open_sources([str(tmp_path / "in")]) as (source,):
            conversion.convert_file(source, out, "json")
        failed.append(source.counts.outcomes[Outcome.FAILED])
        return out.getvalue()

    text = json.dumps(VIF.obj_to_primitive()).encode()
    assert written(b"\n" + text + b"\n") == b"\x00new"
    with pytest.raises(main.BadInputError, match="found several objects; expected one"):
        written(text + text)
    pod = json.dumps(WRAPPED["pod with vif"]).encode()
    assert written(pod) == pod
    assert failed == [0, 1]


def pod(name, **more):
    """Return a pod with two VIFs, as Kubernetes returns it."""
    found = copy.deepcopy(WRAPPED["pod with state of two"])
    found["metadata"] |= {"namespace": "a", "name": name, "uid": "u-1"}
    return found | {"spec": {"nodeName": "n"}} | more


def test_pods_become_kuryrports(tmp_path):
    """A list of pods becomes a list of KuryrPorts; pods that cannot be converted are reported."""
    pods = [pod("1"), {"kind": "Pod", "metadata": {}}, pod("2", spec={}), pod("3")]
    (tmp_path / "pods").write_text(json.dumps({"kind": "List", "items": pods}))
    to, out = parse_target(None, "kuryr-6.0.1"), str(tmp_path / "ports")
    conversion = convert.Conversion(to, kuryrports=True)
    code = convert.convert_files(conversion, [str(tmp_path / "pods")], out)
    assert code == exit_codes.EXIT_PARTIAL
    ports = json.loads((tmp_path / "ports").read_text())
    assert (ports["kind"], [p["metadata"]["name"] for p in ports["items"]]) == ("List", ["1", "3"])
    for port in ports["items"]:
        assert contents(storage.read(port)) == contents(storage.read(pods[0]))
        assert port["spec"] == {"podUid": "u-1", "podNodeName": "n"}
    (tmp_path / "none").write_text(json.dumps({"items": []}))
    assert convert.convert_files(conversion, [str(tmp_path / "none")], out) == 0
    assert json.loads((tmp_path / "ports").read_text())["items"] == []


def test_a_kuryrport_of_what_is_no_pod_is_refused():
    one = entry(VIF.obj_to_primitive())
    with pytest.raises(exception.InvalidValue, match="expected a pod"):
        one.write_kuryrport(one.read(), DOCUMENTS)


def there_and_back(release: str, step: int) -> int:
    """Check that stored texts of a release survive conversion and back; return their number."""
    done = 0
    for line in [*written.stored_lines(release).values()][::step]:
        try:
            document = converted(line.encode(), DOCUMENTS)
        except exception.InvalidValue:
            # A list object without a list has no document.
            assert "objects" not in line or "List" in line
            continue
        back = converted(document, parse_target(None, release))
        assert without_changes(json.loads(back)) == without_changes(json.loads(line))
        done += 1
    return done


RELEASES = [first for first, _ in written.SPANS]


@pytest.mark.parametrize("release", RELEASES)
def test_some_of_what_is_written_for_a_release_there_and_back(release):
    assert there_and_back(release, 60) > 5


@pytest.mark.soak
@pytest.mark.parametrize("release", RELEASES)
def test_all_that_is_written_for_a_release_there_and_back(release):
    assert there_and_back(release, 1) > 300
