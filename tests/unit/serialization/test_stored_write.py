# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs are written in the envelopes of kuryr and zun; losses are named."""

from __future__ import annotations

import json

import pytest

from os_vif import exception, objects, serialization
from os_vif.objects.versioning import history
from os_vif.serialization import storage
from tests.support.data.stored_samples import (
    KURYR,
    ROWS,
    contents,
    ids,
    kuryr_vif,
    parsed,
    primitive_with_all_changes,
    state,
    stored_row,
    versionless,
    without_changes,
)
from tests.support.strategies import UUID, make


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_what_kuryr_stored_is_written_again(row):
    """Every value is written in the versions of the writer, and no field counts as changed."""
    envelope, was = stored_row(row)
    written = storage.write(storage.read(row["payload"]), envelope, "6.0.0")
    assert isinstance(written, str) == (envelope != "kuryrport")
    assert parsed(written) == without_changes(was)


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_the_kuryr_that_wrote_it_gets_it_back(row):
    """Each release that wrote a row loses nothing, and reads the same row from kuryr."""
    envelope, was = stored_row(row)
    bare = row["wrap"] == "none" and envelope == "pod-vif"
    for both in row["releases"]:
        release = both.partition(" / ")[0].replace("kuryr-kubernetes ", "kuryr-")
        if bare:
            # A VIF sent over HTTP, or stored in a KuryrPort.
            inside = "kuryrport" if release in KURYR[KURYR.index("kuryr-3.0.0") :] else "pod-state"
            written = parsed(storage.write(storage.read(row["payload"]), inside, release))
            found = storage.read(written)["eth0"].obj_to_primitive()
        else:
            found = parsed(storage.write(storage.read(row["payload"]), envelope, release))
        assert versionless(without_changes(found)) == versionless(without_changes(was))
        assert storage.read(found).keys() == {"eth0"}


@pytest.mark.parametrize(
    ("kind", "envelope", "release"),
    [
        ("VIFSriov", "kuryrport", None),
        ("VIFSriov", "kuryrport", "kuryr-7.0.0"),
        ("VIFSriov", "pod-state", "kuryr-0.5.4"),
        ("VIFDPDKNested", "pod-state", "kuryr-1.1.2"),
        ("VIFMacvlanNested", "pod-vif", "kuryr-0.1.0"),
        ("VIFVlanNested", "cni-metadata", "5.3.0"),
    ],
)
def test_a_kind_that_the_reader_does_not_have_is_refused(kind, envelope, release):
    """The error names the interface, the class and the reader."""
    with pytest.raises(exception.UnknownKind) as info:
        storage.write({"eth0": make(kind, full=False)}, envelope, release)
    assert info.value.path == "eth0"
    assert kind in str(info.value)
    assert (release or storage.ENVELOPES[envelope].default_release) in str(info.value)


def test_an_sriov_vif_for_a_kuryr_without_its_pod():
    """VIFSriov 1.0 has no pod fields, so both fields are lost for a kuryr with 1.0."""
    sriov = kuryr_vif("VIFSriov", physnet="physnet1", pod_name="p", pod_link="/api/v1/p")
    vifs = {"eth0": kuryr_vif("VIFBridge"), "eth2": sriov}
    with pytest.raises(exception.DataLoss) as info:
        storage.write(vifs, "pod-state", "kuryr-1.0.1")
    assert [loss.path for loss in info.value.losses] == ["eth2.pod_link", "eth2.pod_name"]
    assert "kuryr-1.0.1 as pod-state" in str(info.value)


def test_what_is_written_is_what_kuryr_and_zun_write():
    """Each envelope equals the envelope of kuryr or zun; zun omits empty ``additional_vifs``."""
    vif, other = kuryr_vif("VIFBridge"), kuryr_vif("VIFVlanNested", vlan_id=5)
    one, two = {"eth0": vif}, {"eth1": other, "eth0": vif}
    first, second = (
        without_changes(primitive_with_all_changes(vif)),
        without_changes(primitive_with_all_changes(other)),
    )
    empty, both = (
        without_changes(state(default=first, additional_vifs=more))
        for more in ({}, {"eth1": second})
    )
    assert parsed(storage.write(one, "pod-vif")) == first
    assert parsed(storage.write(one, "pod-state")) == empty
    assert parsed(storage.write(two, "pod-state")) == both
    assert storage.write(two, "kuryrport") == {
        "vifs": {
            "eth0": {"default": True, "vif": first},
            "eth1": {"default": False, "vif": second},
        }
    }
    assert storage.write({}, "kuryrport") == {"vifs": {}}
    assert storage.write(one, "cni-metadata") == {"vif": without_changes(state("VIFState", first))}
    ovs = kuryr_vif("VIFOpenVSwitch")
    assert storage.write(one | {"eth1": ovs}, "cni-metadata")["vif"] == without_changes(
        state(
            "VIFState",
            first,
            additional_vifs={"eth1": without_changes(primitive_with_all_changes(ovs))},
        )
    )


@pytest.mark.parametrize("envelope", storage.ENVELOPES)
def test_what_is_written_is_read_again(envelope):
    """Written envelopes are read back, for the newest reader by default; the VIFs do not change."""
    vifs = {"eth0": kuryr_vif("VIFBridge"), "eth1": kuryr_vif("VIFOpenVSwitch")}
    if envelope == "pod-vif":
        del vifs["eth1"]
    before = {name: vif.obj_to_primitive() for name, vif in vifs.items()}
    written = storage.write(vifs, envelope)
    again = storage.read(written)
    assert contents(again) == contents(vifs)
    assert storage.write(dict(reversed(again.items())), envelope) == written
    assert {name: vif.obj_to_primitive() for name, vif in vifs.items()} == before
    assert "versioned_object.changes" not in json.dumps(written)


@pytest.mark.parametrize("release", ["kuryr-0.1.0", "kuryr-0.4.7", "kuryr-2.1.0"])
def test_an_annotation_of_one_vif_has_no_place_for_others(release):
    """The VIFs of other interfaces are losses; the downgrade of kuryr drops such VIFs silently."""
    vifs = {
        "eth0": kuryr_vif("VIFVlanNested"),
        "eth2": kuryr_vif("VIFBridge"),
        "eth1": kuryr_vif("VIFBridge"),
    }
    with pytest.raises(exception.DataLoss) as info:
        storage.write(vifs, "pod-vif", release)
    assert [str(loss) for loss in info.value.losses] == ["eth1 (left out)", "eth2 (left out)"]


def test_what_an_older_kuryr_has_no_place_for_is_named():
    """The losses have interface and field; the rest is written in the versions of the reader."""
    profile = objects.VIFPortProfileOpenVSwitch(interface_id=UUID, create_port=True)
    vifs = {
        "eth0": kuryr_vif("VIFBridge"),
        "eth1": kuryr_vif("VIFVHostUser", port_profile=profile),
    }
    with pytest.raises(exception.DataLoss) as info:
        storage.write(vifs, "pod-state", "kuryr-0.5.0")
    assert [loss.path for loss in info.value.losses] == ["eth1.port_profile.create_port"]
    del profile.create_port
    vifs["eth1"].port_profile = objects.VIFPortProfileOpenVSwitch(interface_id=UUID)
    written = json.loads(storage.write(vifs, "pod-state", "kuryr-0.5.0"))
    port = written["versioned_object.data"]["additional_vifs"]["eth1"]
    inner = port["versioned_object.data"]["port_profile"]
    manifest = history.manifest("kuryr-0.5.0")
    assert port["versioned_object.version"] == manifest["VIFVHostUser"]
    assert inner["versioned_object.version"] == manifest["VIFPortProfileOpenVSwitch"] == "1.0"


@pytest.mark.parametrize("envelope", ["pod-vif", "pod-state", "kuryrport"])
def test_who_reads_an_envelope(envelope):
    """The releases from the first to the last read an envelope; other releases are refused."""
    first, last = storage.ENVELOPES[envelope].kuryr_releases
    vifs = {"eth0": kuryr_vif("VIFVlanNested", vlan_id=5)}
    for release in KURYR:
        if KURYR.index(first) <= KURYR.index(release) <= KURYR.index(last):
            storage.write(vifs, envelope, release)
        else:
            with pytest.raises(exception.UnsupportedVersion, match=f"{first} to {last}"):
                storage.write(vifs, envelope, release)
    with pytest.raises(exception.UnsupportedVersion, match="no kuryr reads cni-metadata"):
        storage.write(vifs, "cni-metadata", first)


def test_what_cannot_be_written_is_refused():
    """Unknown envelopes, unknown releases and states without the first interface are refused."""
    vifs = {"eth1": kuryr_vif("VIFBridge")}
    with pytest.raises(ValueError, match="pod-vif, pod-state, kuryrport, cni-metadata"):
        storage.write(vifs, "pod")
    with pytest.raises(exception.UnsupportedVersion, match=r"kuryr-0.3.1") as info:
        storage.write(vifs, "kuryrport", "kuryr-0.3.1")
    assert info.value.path == "release"
    for envelope in ("pod-vif", "pod-state", "cni-metadata"):
        with pytest.raises(exception.InvalidValue) as info:
            storage.write(vifs, envelope)
        assert info.value.path == "eth0"


@pytest.mark.parametrize("envelope", storage.ENVELOPES)
def test_documents_in_every_envelope(envelope):
    """A state is a single document; a KuryrPort has a document for each VIF."""
    newer = serialization.to_document(kuryr_vif("VIFBridge"))
    newer |= {"apiVersion": "os-vif/2.7", "color": "blue"}
    vifs = {"eth0": serialization.from_document(newer)}
    if envelope != "pod-vif":
        vifs["eth1"] = kuryr_vif("VIFVlanNested", vlan_id=7)
    written = storage.write(vifs, envelope, form="json")
    text = json.dumps(parsed(written))
    assert "versioned_object" not in text
    assert text.count("os-vif/2.7") == 1
    found = parsed(written) if envelope != "pod-vif" else newer
    assert contents(storage.read(found)) == contents(vifs)
    again = storage.write(storage.read(found), envelope, form="json")
    assert again == written


@pytest.mark.parametrize(
    ("form", "release", "words"),
    [
        ("xml", None, "kuryrport cannot contain the form 'xml'"),
        ("json", "kuryr-10.0.0", "does not read"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form, release, words):
    with pytest.raises(ValueError, match=words):
        storage.write({"eth0": kuryr_vif("VIFBridge")}, "kuryrport", release, form)


def test_downgrade_gives_the_rest_and_what_is_lost():
    """``downgrade`` returns the remaining data, and the losses in the error of ``write``."""
    vifs = {"eth0": kuryr_vif("VIFBridge"), "eth1": kuryr_vif("VIFBridge")}
    written, lost = storage.downgrade(vifs, "pod-vif", "kuryr-0.4.7")
    assert [str(loss) for loss in lost] == ["eth1 (left out)"]
    assert storage.read(json.loads(written)).keys() == {"eth0"}
    with pytest.raises(exception.DataLoss) as info:
        storage.write(vifs, "pod-vif", "kuryr-0.4.7")
    assert list(info.value.losses) == lost


def test_what_a_document_cannot_keep_is_lost_and_the_vif_stays():
    """Unknown fields of a newer primitive are lost in a document; the VIF remains."""
    primitive = primitive_with_all_changes(kuryr_vif("VIFBridge"))
    primitive["versioned_object.version"] = "1.9"
    primitive["versioned_object.data"]["color"] = "blue"
    vif = storage.read(primitive)["eth0"]
    written, lost = storage.downgrade({"eth0": vif}, "kuryrport", form="json")
    assert [loss.path for loss in lost] == ["eth0.color"]
    assert "color" not in json.dumps(written)
    assert (
        primitive_with_all_changes(vif)["versioned_object.data"].keys()
        <= primitive["versioned_object.data"].keys()
    )
    assert serialization.dumps(vif, form="ovo").count("blue") == 1


@pytest.mark.parametrize("path", ["metadata.uid", "metadata.name", "spec.nodeName", "spec"])
def test_a_pod_that_is_on_no_node_has_no_kuryrport(path):
    pod = {
        "metadata": {"namespace": "a", "name": "web", "uid": "u"},
        "spec": {"nodeName": "n"},
    }
    status = storage.write({"eth0": kuryr_vif("VIFBridge")}, "kuryrport")
    port = storage.kuryrport(pod, status)
    assert (port["kind"], storage.read(port).keys()) == ("KuryrPort", {"eth0"})
    part, _, name = path.partition(".")
    if name:
        del pod[part][name]
    else:
        del pod[part]
    with pytest.raises(exception.InvalidValue, match=path):
        storage.kuryrport(pod, status)
