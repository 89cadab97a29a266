# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The picture of a host: bridges with their ports, the devices and the guest of each VIF.

Each bridge is a bar, and each VIF a row from the guest to a port of the bar. On the right of a bar are
the uplinks, tunnels and patch ports of the bridge. A row of
a VIF that needs attention is red, with the reason below. The title of a row, which a browser shows
under the pointer, has the id, the owner and all reasons.
"""

from __future__ import annotations

import collections
import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from os_vif.cmd.render import bridge_uplinks
from os_vif.cmd.render.bridge_uplinks import UplinkBox
from os_vif.cmd.render.canvas import DARK, LEGEND, LIGHT, Canvas
from os_vif.device_names import PER_PORT_BRIDGE
from os_vif.escape import printable
from os_vif.plugins.ovs.names import device_name

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged
    from os_vif.recognition import Uplink

# Places and sizes in pixels.
_GUEST_X, _GUEST_WIDTH = 24, 310
_MIDDLE_X, _MIDDLE_WIDTH = 390, 190
_PORT_X = 640
#: Least widths of the ports and of the bars; a longer name makes all of them wider.
_PORT_LEAST, _BAR_LEAST_WIDTH = 150, 186
_MARGIN, _PADDING = 24, 12
_ROW, _ROW_GAP, _NOTE = 42, 10, 18
#: Space above the first row and below the last; least height, for the texts of a bar.
_BAR_EDGE, _BAR_LEAST = 10, 70
#: Pixels of a character of a name and of a note, at most on average.
_NAME_CHARACTER, _NOTE_CHARACTER = 8.0, 7.2
#: Characters of the name of a port, of the name of a bridge, and of the reasons below a row.
_LONGEST_PORT, _LONGEST_BRIDGE, _LONGEST_REASONS = 40, 40, 100
#: Space between a bar and the uplinks; characters of the texts of an uplink.
_UPLINK_GAP, _LONGEST_UPLINK = 30, 40
#: Rows between two names of a bridge in a long bar.
_ROWS_PER_NAME = 12
#: The states of a VIF that needs attention.
_WRONG = {"differs", "left over", "unknown"}


@dataclasses.dataclass(frozen=True)
class _Columns:
    """The widths that depend on the names."""

    #: Width of a port, of a bar and of an uplink; 0 without uplinks.
    port: int
    bar: int
    uplink: int

    @property
    def bar_x(self) -> int:
        """The left edge of the bars."""
        return _PORT_X + self.port

    @property
    def width(self) -> int:
        """Width of the picture."""
        right = self.bar_x + self.bar
        return (self.uplink_x + self.uplink if self.uplink else right) + _MARGIN

    @property
    def uplink_x(self) -> int:
        """The left edge of the uplinks."""
        return self.bar_x + self.bar + _UPLINK_GAP


def _columns(bars: Iterable[_Bar]) -> _Columns:
    """Return the widths for the longest names of ports and bridges."""
    port, width, uplink = _PORT_LEAST, _BAR_LEAST_WIDTH, 0
    for bar in bars:
        width = max(width, _text_width(_shorten(bar.name, _LONGEST_BRIDGE)))
        port = max([port, *(_text_width(_port(entry)[0]) for entry in bar.entries)])
        for box in bar.uplinks:
            names = (_shorten(text, _LONGEST_UPLINK) for text in (box.name, box.note))
            uplink = max([uplink, _PORT_LEAST, *map(_text_width, names)])
    return _Columns(port, width, uplink)


def _text_width(name: str) -> int:
    """Return the width of a box with a name; East Asian wide characters take two places."""
    places = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in name)
    return int(places * _NAME_CHARACTER) + 2 * _PADDING


@dataclasses.dataclass
class _Bar:
    """A bridge, or the card of virtual functions, with the VIFs in it."""

    kind: str
    name: str
    entries: list[Plugged]
    uplinks: list[UplinkBox] = dataclasses.field(default_factory=list)

    @property
    def height(self) -> int:
        """Height of the bar, with a row for each VIF and for each uplink."""
        rows = sum(map(_row_height, self.entries))
        uplinks = len(self.uplinks) * (_ROW + _ROW_GAP)
        return max(_BAR_LEAST, max(rows, uplinks) - _ROW_GAP + 2 * _BAR_EDGE)


def render_svg(entries: Sequence[Plugged], host: str, uplinks: Sequence[Uplink] = ()) -> str:
    """Return the picture of a host as SVG.

    :param host: the name of the host, for the title.
    :param uplinks: the connections of the bridges of the host.
    """
    canvas = Canvas()
    title = _title(entries, host)
    canvas.y = 34
    canvas.text("text name", _GUEST_X, canvas.y, title, "start")
    canvas.y += 16
    bars = list(_bars(entries))
    vif_ports = {name for entry in entries for name in (entry.port, *entry.devices) if name}
    for bar in bars:
        if bar.kind in ("kernel", "switch"):
            bar.uplinks = bridge_uplinks.boxes(bar.name, uplinks, vif_ports)
    columns = _columns(bars)
    for bar in bars:
        _draw_bar(canvas, bar, columns)
    canvas.legend([*LEGEND, ("wrong", "differs, or is left over")], _GUEST_X, step=185)
    return canvas.document(title, columns.width)


def render_html(entries: Sequence[Plugged], host: str, uplinks: Sequence[Uplink] = ()) -> str:
    """Return the picture of a host as a page of HTML, without scripts and further files.

    :param host: the name of the host, for the title.
    :param uplinks: the connections of the bridges of the host.
    """
    light, dark = LIGHT["paper"][0], DARK["paper"][0]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(_title(entries, host))}</title>\n"
        f"<style>body{{margin:0;background:{light}}}"
        "svg{display:block;margin:0 auto;max-width:100%;height:auto}"
        f"@media(prefers-color-scheme:dark){{body{{background:{dark}}}}}</style>\n"
        f"</head>\n<body>\n{render_svg(entries, host, uplinks)}</body>\n</html>\n"
    )


def _title(entries: Sequence[Plugged], host: str) -> str:
    """Return the number of VIFs of each state."""
    counts = collections.Counter(str(entry.state) for entry in entries)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    noun = "VIF" if len(entries) == 1 else "VIFs"
    return f"{printable(host)}: {len(entries)} {noun}" + (f" ({listed})" if listed else "")


def _bars(entries: Iterable[Plugged]) -> Iterator[_Bar]:
    """Yield the bridges by name, then the bars of VIFs without a bridge."""
    bars: dict[tuple[bool, str, str], _Bar] = {}
    for entry in entries:
        kind, name = _bar_of(entry)
        key = (entry.bridge is None, kind, name)
        bars.setdefault(key, _Bar(kind, name, [])).entries.append(entry)
    for _, bar in sorted(bars.items()):
        bar.entries.sort(key=lambda entry: (entry.port or "", entry.id))
        yield bar


def _bar_of(entry: Plugged) -> tuple[str, str]:
    """Return the kind and the name of the bar with the port of a VIF."""
    kind = {"linux_bridge": "kernel", "ovs": "switch", "sriov": "card"}.get(entry.plugin, "guest")
    if entry.bridge is not None:
        return kind, entry.bridge
    return kind, "network card" if kind == "card" else f"no bridge ({entry.plugin})"


def _row_height(entry: Plugged) -> int:
    """Return the height of a row, with the line of reasons."""
    return _ROW + _ROW_GAP + (_NOTE if entry.reasons else 0)


def _draw_bar(canvas: Canvas, bar: _Bar, columns: _Columns) -> None:
    """Draw a bridge with all VIFs."""
    top = canvas.y
    canvas.rect(
        bar.kind, columns.bar_x, top, columns.bar, bar.height, external=bar.kind == "guest"
    )
    middle = columns.bar_x + columns.bar // 2
    name = _shorten(bar.name, _LONGEST_BRIDGE)
    canvas.text("text name", middle, top + 20, name)
    wrong = sum(entry.state in _WRONG for entry in bar.entries)
    noun = "VIF" if len(bar.entries) == 1 else "VIFs"
    canvas.text("note", middle, top + 38, f"{len(bar.entries)} {noun}")
    if wrong:
        canvas.text("fault", middle, top + 54, f"{wrong} to repair")
    canvas.y += _BAR_EDGE
    _draw_uplinks(canvas, bar, columns)
    for number, entry in enumerate(bar.entries, start=1):
        if number > 1 and number % _ROWS_PER_NAME == 0:
            canvas.text("note name", middle, canvas.y + 26, name)
        _draw_row(canvas, entry, bar.kind, columns)
    canvas.y = top + bar.height + 20


def _draw_uplinks(canvas: Canvas, bar: _Bar, columns: _Columns) -> None:
    """Draw the uplinks of a bridge, from top to bottom; the next element stays in place."""
    top = canvas.y
    for box in bar.uplinks:
        centre = canvas.y + _ROW // 2
        start = columns.bar_x + columns.bar
        canvas.line("cable", (start, centre), (columns.uplink_x, centre))
        _draw_box(
            canvas, box.kind, (columns.uplink_x, columns.uplink), (box.name, box.note),
            external=box.external,
        )  # fmt: skip
        canvas.y += _ROW + _ROW_GAP
    canvas.y = top


def _draw_row(canvas: Canvas, entry: Plugged, kind: str, columns: _Columns) -> None:
    """Draw the guest, the devices and the port of a VIF, from left to right."""
    wrong = entry.state in _WRONG
    canvas.group(_hover(entry))
    centre = canvas.y + _ROW // 2
    cable = "cut" if wrong else "cable"
    # The cable first: boxes hide the parts between their edges.
    canvas.line(f"cable {cable}", (_GUEST_X + _GUEST_WIDTH, centre), (_PORT_X, centre))
    _draw_box(
        canvas, "wrong" if wrong else "guest", (_GUEST_X, _GUEST_WIDTH),
        (_guest(entry), f"{entry.way}, owner {entry.owner or 'unknown'}"),
        external=True,
    )  # fmt: skip
    if (middle := _middle(entry)) is not None:
        box_kind, *lines = middle
        external = box_kind == "card"
        _draw_box(
            canvas, "wrong" if wrong else box_kind, (_MIDDLE_X, _MIDDLE_WIDTH), lines,
            external=external,
        )  # fmt: skip
        if entry.way == "per-port bridge":
            # The patch port of the bridge of the VIF is the peer of the port.
            canvas.text("note", (_MIDDLE_X + _MIDDLE_WIDTH + _PORT_X) // 2, centre - 5, "patch")
    elif label := _cable_label(entry):
        canvas.text("note", _MIDDLE_X + _MIDDLE_WIDTH // 2, centre - 5, label)
    name, external = _port(entry)
    canvas.rect(
        "wrong" if wrong else kind, _PORT_X, canvas.y + 6, columns.port, 30, external=external
    )
    canvas.text("text name", _PORT_X + columns.port // 2, centre + 5, name)
    canvas.y += _ROW
    if entry.reasons:
        text = _shorten(f"{entry.state}: {'; '.join(entry.reasons)}", _LONGEST_REASONS)
        canvas.text("fault" if wrong else "note", _GUEST_X, canvas.y + 15, text, "start")
        canvas.y += _NOTE
    canvas.y += _ROW_GAP
    canvas.end_group()


def _draw_box(
    canvas: Canvas, kind: str, place: tuple[int, int], lines: Sequence[str], *, external: bool
) -> None:
    """Draw a box with a name and a note.

    :param place: the left edge, and the width.
    """
    left, width = place
    middle = left + width // 2
    canvas.rect(kind, left, canvas.y, width, _ROW, external=external)
    name, note = lines
    canvas.text("text name", middle, canvas.y + 18, _shorten(name, int(width / _NAME_CHARACTER)))
    canvas.text("note", middle, canvas.y + 34, _shorten(note, int(width / _NOTE_CHARACTER)))


def _guest(entry: Plugged) -> str:
    """Return the name, else the UUID, of the virtual machine or pod."""
    instance = entry.instance
    for field in ("name", "uuid"):
        if field in instance and getattr(instance, field):
            return str(getattr(instance, field))
    return "nobody" if entry.state == "left over" else "unknown instance"


def _middle(entry: Plugged) -> tuple[str, str, str] | None:
    """Return kind, name and note of the box between guest and port, or None."""
    others = [device for device in entry.devices if device not in (entry.port, entry.bridge)]
    vif: Any = entry.vif
    address = str(vif.dev_address) if "dev_address" in vif else ""
    match entry.way:
        case "hybrid":
            bridges = [name for name in others if name.startswith("qbr")]
            return "kernel", (bridges or ["qbr missing"])[0], "bridge, veth pair"
        case "per-port bridge":
            own = device_name(PER_PORT_BRIDGE, entry.id)
            return "switch", own, f"own bridge, {(others or ['tap missing'])[0]}"
        case "representor" | "DPDK representor":
            return "card", address or "unknown address", "virtual function"
        case "macvtap" | "vDPA":
            return "kernel", (others or ["device missing"])[0], entry.way
        case _:
            return None


def _cable_label(entry: Plugged) -> str:
    """Return the text at the cable between guest and port."""
    labels = {"vhost-user": "socket", "virtual function": "passed to the guest"}
    return labels.get(entry.way, "")


def _port(entry: Plugged) -> tuple[str, bool]:
    """Return the name of a VIF's port, and whether another program creates the port."""
    vif: Any = entry.vif
    if entry.port is not None:
        return _shorten(entry.port, _LONGEST_PORT), False
    if entry.plugin == "sriov" and "dev_address" in vif:
        return _shorten(str(vif.dev_address), _LONGEST_PORT), True
    if "vif_name" in vif and vif.vif_name:
        return _shorten(str(vif.vif_name), _LONGEST_PORT), True
    return "no port", True


def _hover(entry: Plugged) -> str:
    """Return the title of a row."""
    lines = [
        f"VIF {entry.id}",
        f"{entry.kind} of the plugin {entry.plugin}, {entry.way}",
        f"instance: {_guest(entry)}",
        f"owner: {entry.owner or 'unknown'}",
        f"devices: {', '.join(entry.devices) or 'none'}",
        f"port: {entry.port or 'none'}, bridge: {entry.bridge or 'none'}",
        f"state: {entry.state}",
        *entry.reasons,
    ]
    if entry.since is not None:
        lines.insert(4, f"since: {entry.since.isoformat(timespec='seconds')}")
    return "\n".join(map(printable, lines))


def _shorten(text: str, longest: int) -> str:
    """Return a text without control characters, cut to a number of characters."""
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
