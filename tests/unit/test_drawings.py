# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The drawings of the ways of plugging, and the pages that they are on."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from tests.support.documents.pages import PAGES, fits, load_extension

drawings = load_extension("drawings")
sequences = load_extension("sequences")
SVG = "{http://www.w3.org/2000/svg}"
#: The page of each drawing.
SHOWN = {
    name: page
    for page, text in PAGES.items()
    for name in re.findall(r"^\.\. drawing:: (\S+)\n   :alt: \S", text, re.MULTILINE)
}


def _names(drawing) -> list[str]:
    """Return the names of the devices, bridges and ports that os-vif creates."""
    boxes = [part for part in drawing if hasattr(part, "title") and not part.external]
    names = [box.title for box in boxes if box.kind in ("kernel", "switch")]
    return names + [
        port for box in boxes for port in (*box.above, *box.below) if not port.endswith("*")
    ]


def test_each_drawing_is_on_a_page_with_alternative_text():
    """Drawings and pages name the same drawings."""
    assert SHOWN.keys() == drawings.DRAWINGS.keys() | sequences.SEQUENCES.keys() | {
        "vif",
        "walk",
        "host",
    }


@pytest.mark.parametrize("name", sequences.SEQUENCES)
def test_a_sequence_shows_each_message(name):
    """The messages are numbered from top to bottom, and name a participant at both ends."""
    sequence = sequences.SEQUENCES[name]
    image = ET.fromstring(sequences.draw(name, "title <&>"))  # noqa: S314 - our own
    assert image.find(f"{SVG}title").text == "title <&>"
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert texts[: len(sequence.participants)] == [name for _, name in sequence.participants]
    numbered = [f"{n}. {message.text}" for n, message in enumerate(sequence.messages, 1)]
    assert [text for text in texts if text in numbered] == numbered
    ends = {end for message in sequence.messages for end in (message.source, message.target)}
    assert ends == set(range(len(sequence.participants)))


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_a_drawing_has_a_legend_for_each_kind_of_box(name):
    """The picture is XML, has a title, and dark colours for a dark theme."""
    picture = drawings.draw(name, "title <&>")
    image = ET.fromstring(picture)  # noqa: S314 - our own
    assert image.find(f"{SVG}title").text == "title <&>"
    assert "@media(prefers-color-scheme:dark)" in picture
    texts = {text.text for text in image.iter(f"{SVG}text")}
    meanings = {
        "kernel": "in the kernel",
        "switch": "in Open vSwitch",
        "card": "on the card",
        "guest": "other programs make it",
    }
    boxes = [part for part in drawings.DRAWINGS[name] if hasattr(part, "title")]
    assert {meanings[box.kind] for box in boxes} <= texts
    assert {box.title for box in boxes} <= texts


@pytest.mark.parametrize("name", [*drawings.DRAWINGS, "vif", "walk"])
def test_a_phone_shows_the_same_words_in_a_narrow_drawing(name):
    """Each text is inside the picture; the order of the words may differ."""
    words = []
    for layout in (drawings.WIDE, drawings.NARROW):
        image = ET.fromstring(drawings.draw(name, "title", layout))  # noqa: S314 - our own
        texts = [*image.iter(f"{SVG}text")]
        assert int(image.get("width")) == layout.width
        assert [text.text for text in texts if not fits(text, layout.width)] == []
        words.append(sorted(word for text in texts for word in text.text.split()))
    assert words[0] == words[1]


def test_the_example_of_a_host_has_a_row_for_each_vif():
    """A VIF that differs is red."""
    picture = drawings.draw("host", "")
    image = ET.fromstring(picture)  # noqa: S314 - our own
    titles = [title.text.splitlines()[0] for title in image.iter(f"{SVG}title")]
    assert sum(title.startswith("VIF ") for title in titles) == 6
    assert "differs: tap00000002-0b: MTU is 1500, should be 1450" in picture


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_the_page_of_a_drawing_names_the_devices_that_os_vif_creates(name):
    """The commands of the page run on a real switch: test_doc_ovs.py."""
    page = PAGES[SHOWN[name]]
    missing = [each for each in _names(drawings.DRAWINGS[name]) if each.rstrip("…") not in page]
    assert missing == []


def test_an_unknown_drawing_is_refused():
    """The directive names the page and the line."""
    with pytest.raises(LookupError):
        drawings.draw("ovs/none", "")
