# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A VIF is displayed as a tree and as a picture, with all set fields."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from os_vif import serialization
from os_vif.cmd.render import svg, tree
from os_vif.cmd.store import stored_entry
from os_vif.cmd.store.json_scanner import Chunk
from tests.support.data import document_samples
from tests.support.data.stored_samples import envelopes, kuryr_vif
from tests.support.strategies import any_objects, make

VIF = """\
VIFOpenVSwitch 11111111-1111-4111-8111-111111111111
|-- active: yes
|-- address: fa:16:3e:00:00:01
|-- bridge_name: br-int
|-- has_traffic_filtering: yes
|-- plugin: ovs
|-- preserve_on_delete: no
|-- vif_name: tap11111111-11
|-- network: Network 22222222-2222-4222-8222-222222222222
|   |-- bridge: br-int
|   |-- label: private
|   |-- mtu: 1450
|   |-- multi_host: no
|   |-- should_provide_bridge: no
|   |-- should_provide_vlan: no
|   |-- vlan: none
|   `-- subnets
|       |-- 10.0.0.0/24
|       |   |-- dns: 8.8.8.8
|       |   |-- gateway: 10.0.0.1
|       |   |-- routes: none
|       |   `-- ips
|       |       `-- 10.0.0.5
|       |           `-- floating_ips: none
|       `-- 2001:db8::/64
|           `-- ips
|               `-- 2001:db8::5
`-- port_profile: VIFPortProfileOpenVSwitch
    |-- interface_id: 11111111-1111-4111-8111-111111111111
    `-- datapath_offload: DatapathOffloadRepresentor
        |-- representor_address: 0000:03:00.2
        `-- representor_name: rep0"""


def of(data) -> tree.Node:
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    entry = stored_entry.StoredEntry(Chunk(data, 1, is_object=True))
    return tree.build_tree(None if entry.is_bare else entry.name, entry.read())


def test_a_vif_in_ascii_and_in_unicode():
    """ASCII and Unicode output have the same tree with other line characters."""
    node = of(serialization.dumps(document_samples.vif()).encode())
    assert "\n".join(tree.render_text(node, tree.ASCII)) == VIF
    lines = "\n".join(tree.render_text(node, tree.UNICODE))
    for new, old in zip(tree.UNICODE, tree.ASCII, strict=True):
        lines = lines.replace(new, old)
    assert lines == VIF


def test_a_pod_has_its_vifs_by_interface():
    data = envelopes(kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested"))
    port = data["KuryrPort of two"]
    port["metadata"] = {"namespace": "a", "name": "web"}
    node = of(port)
    assert str(node) == "KuryrPort a/web"
    assert [str(child).split()[:2] for child in node.children] == [
        ["eth0:", "VIFVlanNested"],
        ["eth1:", "VIFMacvlanNested"],
    ]


def test_what_is_not_known_here_is_shown_as_such():
    document = serialization.to_document(make("VIFBridge"))
    node = of(document | {"apiVersion": "os-vif/2.9", "color": ["blue"]})
    assert str(node.children[-1]) == "color: blue (unknown field)"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(any_objects())
def test_every_object_can_be_drawn(obj):
    """Every object has a printable tree and a picture of well-formed XML."""
    node = tree.build_tree(None, obj)
    lines = [*tree.render_text(node, tree.UNICODE)]
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith(obj.obj_name())
    picture = ET.fromstring(svg.render_svg([node]))  # noqa: S314 - it is ours
    texts = ["".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted(line.lstrip("│├└─ ") for line in lines)


def boxes(picture: str) -> list[tuple[float, ...]]:
    """Return the positions of the boxes of a picture, and the size of the picture."""
    root = ET.fromstring(picture)  # noqa: S314
    found = [
        tuple(float(rect.get(name)) for name in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("class") == "box"
    ]
    return [(0, 0, float(root.get("width")), float(root.get("height"))), *found]


def test_no_box_of_a_picture_covers_another():
    """Boxes do not overlap, and are inside of the picture."""
    nodes = [
        of(serialization.dumps(o).encode()) for o in (document_samples.vif(), make("PodState"))
    ]
    (_, _, width, height), *found = boxes(svg.render_svg(nodes))
    assert len(found) > 20
    for n, (x, y, w, h) in enumerate(found):
        assert x >= 0 <= y
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in found[n + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_text_of_a_picture_is_escaped():
    picture = svg.render_svg([tree.Node('<a href="x">&', "<script>", [])])
    assert "<script>" not in picture
    assert "".join(ET.fromstring(picture).itertext()).count("<script>") == 1  # noqa: S314


@pytest.mark.parametrize(
    ("stream", "locale", "style"),
    [
        ("utf-8", "UTF-8", tree.UNICODE),
        # Python in the locale C.
        ("utf-8", "ANSI_X3.4-1968", tree.ASCII),
        ("ascii", "UTF-8", tree.ASCII),
        ("latin-1", "ISO-8859-1", tree.ASCII),
    ],
)
def test_lines_of_unicode_are_for_who_has_them(monkeypatch, stream, locale, style):
    monkeypatch.setattr("locale.getencoding", lambda: locale)
    assert tree.choose_style(io.TextIOWrapper(io.BytesIO(), encoding=stream)) is style
