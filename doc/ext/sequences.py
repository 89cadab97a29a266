# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Sequence drawings of the documentation, as data and as SVG.

A sequence has participants from left to right, and messages from top to bottom. ``drawings.py``
draws a sequence by name.
"""

from __future__ import annotations

import dataclasses

from os_vif.cmd.render.canvas import Canvas

_WIDTH, _MARGIN, _HEAD, _STEP, _ARROW = 820, 70, 40, 44, 7


@dataclasses.dataclass(frozen=True)
class Message:
    """A message from a participant to another, or an action of a single participant."""

    source: int
    target: int
    text: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Participants, each with the kind of the box, and the messages."""

    participants: tuple[tuple[str, str], ...]
    messages: tuple[Message, ...]


_HOST_A, _HOST_B = ("kernel", "host A"), ("switch", "host B")
_NOVA, _NEUTRON = ("guest", "nova"), ("card", "neutron")

SEQUENCES: dict[str, Sequence] = {
    "negotiation/boot": Sequence(
        (_NOVA, _NEUTRON, ("kernel", "agent or OVN"), ("switch", "os-vif on the host")),
        (
            Message(3, 2, "os_vif.offer()", "release, plugins, facts"),
            Message(2, 1, "agent: offer and release", "agent_state() checks the sizes"),
            Message(0, 1, "bind the port to the host", "profile: classes for the guest"),
            Message(1, 1, "of_agent(), bind()", "first offer that can plug the port"),
            Message(1, 0, "vif_type, vif_details", "the document beside the old keys"),
            Message(0, 3, "plug(vif_of(port, …))", "text for the release of the host"),
            Message(3, 2, "the port exists"),
            Message(2, 1, "the port is up"),
            Message(1, 0, "network-vif-plugged"),
        ),
    ),
    "negotiation/live_migration": Sequence(
        (_HOST_A, _NOVA, _NEUTRON, _HOST_B),
        (
            Message(1, 2, "POST bindings for host B"),
            Message(2, 1, "vif_type, vif_details of B", "status INACTIVE"),
            Message(1, 1, "verdict(here, there, offer)", "stop here if it is not possible"),
            Message(1, 3, "plug(there)"),
            Message(0, 3, "memory of the guest"),
            Message(1, 2, "PUT activate, empty body"),
            Message(1, 0, "unplug(here)"),
            Message(1, 2, "DELETE binding of host A"),
            Message(1, 3, "check(there)", "no differences"),
        ),
    ),
    "negotiation/rolling_upgrade": Sequence(
        (("guest", "controller"), ("card", "agents"), _HOST_A, _HOST_B),
        (
            Message(2, 1, "release 5.3.0"),
            Message(3, 1, "release 5.3.0"),
            Message(1, 0, "resource_versions", "os_vif: 5.3.0, twice"),
            Message(0, 2, "OVO primitive for 5.3.0"),
            Message(0, 3, "OVO primitive for 5.3.0"),
            Message(2, 1, "release 6.0.0, offer", "host A is upgraded"),
            Message(0, 2, "document, all fields"),
            Message(0, 3, "OVO primitive for 5.3.0", "losses are named"),
            Message(3, 1, "release 6.0.0, offer", "host B is upgraded"),
            Message(0, 3, "document, all fields"),
        ),
    ),
}


def draw(name: str, title: str) -> str:
    """Return a sequence as SVG.

    :raises LookupError: no sequence has the name.
    """
    sequence, canvas = SEQUENCES[name], Canvas()
    count = len(sequence.participants)
    places = [_MARGIN + 40 + n * (_WIDTH - 2 * _MARGIN - 80) // (count - 1) for n in range(count)]
    top = canvas.y
    for (kind, participant), x in zip(sequence.participants, places, strict=True):
        canvas.rect(kind, x - 75, top, 150, 26, external=False)
        canvas.text("text", x, top + 17, participant)
    canvas.y = top + _HEAD + 10
    end = canvas.y + _STEP * len(sequence.messages)
    for x in places:
        canvas.line("cable", (x, top + 26), (x, end))
    for number, message in enumerate(sequence.messages, 1):
        _draw_message(canvas, number, message, places)
        canvas.y += _STEP
    canvas.y = end + 16
    return canvas.document(title, _WIDTH)


def _draw_message(canvas: Canvas, number: int, message: Message, places: list[int]) -> None:
    """Draw an arrow with the text above and the note below."""
    start, end = places[message.source], places[message.target]
    y = canvas.y + 18
    text = f"{number}. {message.text}"
    if start == end:
        canvas.rect("paper", start - 105, y - 14, 210, 32, external=False)
        canvas.text("text", start, y, text)
        canvas.text("note", start, y + 14, message.note)
        return
    direction = 1 if end > start else -1
    tip = end - direction * 2
    middle = (start + end) // 2
    _draw_text(canvas, "text", middle, y - 5, text)
    if message.note:
        _draw_text(canvas, "note", middle, y + 14, message.note)
    canvas.line("cable", (start, y), (tip, y))
    canvas.line("cable", (tip, y), (tip - direction * _ARROW, y - 4))
    canvas.line("cable", (tip, y), (tip - direction * _ARROW, y + 4))


def _draw_text(canvas: Canvas, css: str, x: int, y: int, text: str) -> None:
    """Draw a text on paper, above the lines of the participants."""
    width = 13 * len(text) // 2 + 6
    canvas.parts.append(
        f'<rect class="paper" stroke-opacity="0" x="{x - width // 2}" y="{y - 11}" '
        f'width="{width}" height="14"/>'
    )
    canvas.text(css, x, y, text)
