# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The picture of a host as XML; tests/functional/picture checks the display in a browser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from os_vif.cmd.render import host_picture
from os_vif.operations.plugged import State
from tests.support.documents import pictures

SVG = "{http://www.w3.org/2000/svg}"


def groups(entries) -> dict[str, ET.Element]:
    """Return the elements of each VIF, by id."""
    image = ET.fromstring(host_picture.render_svg(entries, "host"))  # noqa: S314 - our own
    found = {}
    for group in image.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title").text
        found[title.splitlines()[0].removeprefix("VIF ")] = group
    return found


def test_each_vif_has_a_row_with_a_title_of_id_owner_and_reasons():
    entries = pictures.entries(200)
    found = groups(entries)
    assert found.keys() == {entry.id for entry in entries}
    for entry in entries:
        title = found[entry.id].find(f"{SVG}title").text
        assert f"state: {entry.state}" in title
        assert all(reason in title for reason in entry.reasons)


def test_a_row_is_red_if_the_vif_needs_attention():
    entries = pictures.entries(60)
    found = groups(entries)
    for entry in entries:
        kinds = {rect.get("class").split()[0] for rect in found[entry.id].iter(f"{SVG}rect")}
        wrong = entry.state in (State.DIFFERS, State.LEFT_OVER, State.UNKNOWN)
        assert (kinds == {"wrong"}) == wrong
        assert ("wrong" in kinds) == wrong


def test_devices_bridges_and_ports_have_names():
    entries = pictures.entries(11)
    texts = {text.text for group in groups(entries).values() for text in group.iter(f"{SVG}text")}
    assert {"qbr00000000-00", "qvo00000000-0b", "tap00000001-0b"} & texts
    image = host_picture.render_svg(entries, "host")
    for name in ("br-int", "tbr-1", "brq-1", "network card", "socket"):
        assert f">{name}<" in image


@pytest.mark.parametrize("render", [host_picture.render_svg, host_picture.render_html])
def test_a_picture_needs_no_other_file_and_escapes_names(render):
    picture = render(pictures.entries(40), pictures.HOSTILE)
    for absent in ("<script", "href", "url(", "@import", "src=", "\x1b"):
        assert absent not in picture
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "@media(prefers-color-scheme:dark)" in picture


def test_the_same_vifs_have_the_same_picture_in_any_order():
    entries = pictures.entries(30)
    assert host_picture.render_svg(entries, "h") == host_picture.render_svg(entries[::-1], "h")


def test_uplinks_tunnels_and_patch_ports_are_boxes_of_their_bridge():
    """Check that patch ports to one bridge and tunnels of one type share a box."""
    entries = pictures.entries(11)
    image = ET.fromstring(host_picture.render_svg(entries, "host", pictures.uplinks()))  # noqa: S314 - our own
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert {"vlan100", "VLAN of eth0", "bond0", "uplink", "int-br-ex"} <= {*texts}
    assert {"patch to br-ex, eth1", "tpt-1", "3 patch ports"} <= {*texts}
    # 3 devices without the port of the VIF, 30 peers and the tunnels are 33 boxes, of which 8 fit.
    assert texts.count("26 more") == 1
    assert texts.count("tap00000001-0b") == 1


def test_a_host_without_vifs_has_a_picture():
    assert "host: 0 VIFs" in host_picture.render_html([], "host")
