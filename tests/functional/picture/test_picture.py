# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif list --svg`` and ``--html``: pictures of real hosts, and pictures in a real browser."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from oslo_serialization import jsonutils

from os_vif import objects
from os_vif.cmd.render import host_picture
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.documents import pictures
from tests.support.vifs import bridge_vif

#: Programs of Chromium on Debian and elsewhere.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Reports each text that is outside of its box, over another box, or hard to read.
MEASURE = """
const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1
  && a.bottom <= b.bottom + 1;
const apart = (a, b) => a.right <= b.left || a.left >= b.right || a.bottom <= b.top + 3
  || a.top >= b.bottom - 3;
const light = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const svg = document.querySelector("svg");
const paper = document.querySelector(".paper").getBoundingClientRect();
const rects = [...document.querySelectorAll("rect")].map((element) => (
  {element, box: element.getBoundingClientRect()}));
const faults = [];
const texts = [...document.querySelectorAll("text")];
for (const text of texts) {
  const box = text.getBoundingClientRect(), style = getComputedStyle(text);
  const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
  let behind = null;
  for (const {element, box: rect} of rects) {
    if (x >= rect.left && x <= rect.right && y >= rect.top && y <= rect.bottom) {
      if (!inside(box, rect)) faults.push("overflow: " + text.textContent);
      behind = element;  // the last one is on top
    } else if (!apart(box, rect)) faults.push("over a box: " + text.textContent);
  }
  if (!box.width || style.visibility !== "visible" || style.opacity < 1) {
    faults.push("invisible: " + text.textContent);
  }
  const ratio = behind && contrast(light(style.fill), light(getComputedStyle(behind).fill));
  if (!(ratio >= 4.5)) faults.push("contrast " + ratio + ": " + text.textContent);
}
for (const {element, box} of rects) if (!inside(box, paper)) faults.push("outside: " + box.right);
const found = {faults, texts: texts.length, scrolls: document.body.scrollWidth > innerWidth,
  dark: matchMedia("(prefers-color-scheme: dark)").matches};
const pre = document.createElement("pre");
pre.id = "found";
pre.textContent = JSON.stringify(found);
document.body.append(pre);
"""


@pytest.fixture(scope="module")
def browser() -> str:
    """Return the path of a browser, or skip the test."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(
            f"needs a browser, one of {', '.join(BROWSERS)}; Debian has the package "
            "chromium-headless-shell"
        )
    return found


def show(browser: str, page: pathlib.Path, *options: str) -> tuple[str, str]:
    """Load a page; return the document after its scripts, and the messages of the console."""
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={page.parent / 'profile'}", "--window-size=1040,800", *options,
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"HOME": str(page.parent)},
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, "\n".join(console)


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_all_texts_inside_their_boxes(browser, tmp_path, dark):
    """200 VIFs of all ways and states, with hostile names; nothing is hard to read."""
    picture = host_picture.render_html(
        pictures.entries(200), "compute-1.example.org", pictures.uplinks()
    )
    page = tmp_path / "host.html"
    page.write_text(picture.replace("</body>", f"<script>{MEASURE}</script></body>"))
    scheme = "--blink-settings=preferredColorScheme=" + ("0" if dark else "1")
    document, console = show(browser, page, scheme)
    assert console == ""
    (text,) = re.findall('<pre id="found">(.*)</pre>', document)
    found = json.loads(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found["faults"] == []
    assert found["texts"] > 200 * 3
    assert (found["dark"], found["scrolls"]) == (dark, False)


def test_the_test_finds_a_text_that_is_too_long_and_an_error_of_a_script(browser, tmp_path):
    """The browser reports both."""
    picture = host_picture.render_html(pictures.entries(1), "host")
    wrong = picture.replace("qvo00000000-0b", "qvo" * 9)
    page = tmp_path / "host.html"
    script = f"<script>{MEASURE}; console.error('seen')</script></body>"
    page.write_text(wrong.replace("</body>", script))
    document, console = show(browser, page)
    assert "overflow: qvoqvo" in document
    assert "seen" in console


def test_an_svg_file_alone_is_shown_without_messages(browser, tmp_path):
    """As a file of its own, it is XML."""
    page = tmp_path / "host.svg"
    page.write_text(host_picture.render_svg(pictures.entries(11), "host", pictures.uplinks()))
    document, console = show(browser, page)
    assert (console, "parsererror" in document) == ("", False)
    assert "br-int" in document


def test_the_picture_of_a_host_is_red_where_check_differs(br_int, os_vif, tmp_path, monkeypatch):
    """A hybrid VIF, right and then with another MTU."""
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", br_int.connection)
    vif = ovs_vif(objects.VIFBridge)
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
    assert os_vif("plug", str(path), "--instance-name", "guest-1").returncode == 0
    done = os_vif("list", "--svg", "-")
    assert (done.returncode, done.stderr) == (0, "")
    texts = _texts(done.stdout)
    (port,) = [name for name in texts if name.startswith("qvo")]
    assert {"br-int", "guest-1", port} <= texts
    assert 'class="wrong"' not in done.stdout.replace(_legend(done.stdout), "")
    run(f"ip link set {port} mtu 1400")
    html = tmp_path / "host.html"
    assert os_vif("list", "--html", str(html)).returncode == 0
    text = html.read_text()
    assert f"differs: {port}: MTU is 1400" in text
    assert text.count('class="wrong') > 1


def test_patch_ports_of_a_trunk_and_uplinks_are_drawn(br_int, os_vif, tmp_path, monkeypatch):
    """Build the bridges of Neutron: the integration bridge, a trunk and a bridge with an uplink."""
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", br_int.connection)
    for name in ("eth1", "eth2"):
        run(f"ip link add name {name} type veth peer name far-{name}")
    for bridge in ("br-ex", "tbr-1"):
        br_int.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev")
    br_int.vsctl("add-port", "br-ex", "eth1")
    br_int.vsctl("add-port", "br-int", "vx0", "--", "set", "Interface", "vx0", "type=vxlan",
                 "options:remote_ip=192.0.2.1")  # fmt: skip
    ids = "external_ids:iface-id=7d7f external_ids:attached-mac=fa:16:3e:00:00:01"
    for one, bridge, other, peer, more in (
        ("int-br-ex", "br-int", "phy-br-ex", "br-ex", ""),
        ("tpi-1", "br-int", "tpt-1", "tbr-1", f"{ids} external_ids:iface-status=active"),
    ):
        for port, place, end, extra in ((one, bridge, other, more), (other, peer, one, "")):
            br_int.vsctl("add-port", place, port, "--", "set", "Interface", port, "type=patch",
                         f"options:peer={end}", *extra.split())  # fmt: skip
    vifs = {
        "trunk": ovs_vif(
            objects.VIFOpenVSwitch, "tbr-1", create_port=True, datapath_type="netdev"
        ),
        "hybrid": ovs_vif(objects.VIFBridge, number=2),
        "uplink": bridge_vif(3),
    }
    vifs["uplink"].network.bridge_interface = "eth2"
    for name, vif in vifs.items():
        path = tmp_path / f"{name}.json"
        path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
        assert os_vif("plug", str(path)).returncode == 0
    done = os_vif("list", "--svg", "-")
    assert (done.returncode, done.stderr) == (0, "")
    texts = _texts(done.stdout)
    assert {"int-br-ex", "patch to br-ex, eth1", "vx0", "vxlan tunnel"} <= texts
    assert {"tpi-1", "patch to tbr-1", "tpt-1", "patch to br-int"} <= texts
    assert {"eth2", "uplink"} <= texts
    # Ports of VIFs have rows, and no boxes of uplinks; br-ex has no VIF.
    assert not {"eth1", "phy-br-ex", "br-ex"} & texts


def test_a_file_that_cannot_be_written_is_named(namespace, os_vif):
    """The exit code is 1."""
    done = os_vif("list", "--html", "/nonesuch/host.html")
    assert done.returncode == 1
    assert "/nonesuch/host.html: No such file or directory" in done.stderr


def _texts(picture: str) -> set[str]:
    image = ET.fromstring(picture)  # noqa: S314 - our own
    return {element.text for element in image.iter("{http://www.w3.org/2000/svg}text")}


def _legend(picture: str) -> str:
    """Return the red box of the legend."""
    return re.findall(r'<rect class="wrong".*\n<text class="note".*differs, or', picture)[-1]


def test_a_bridge_of_a_single_vif_is_linked_by_its_patch_ports_and_names_are_complete():
    """The name of the patch port has the whole id of the VIF."""
    (entry,) = [each for each in pictures.entries(11) if each.way == "per-port bridge"]
    texts = _texts(host_picture.render_svg([entry], "host"))
    assert entry.port is not None
    assert len(entry.port) > 15
    assert {entry.port, f"pb{entry.id[:12]}", "patch", "br-int"} <= texts
    assert f"own bridge, {entry.devices[0]}" in texts
