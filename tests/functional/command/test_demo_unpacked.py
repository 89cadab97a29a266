# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``tools/demo.sh`` where Open vSwitch is not installed: Debian's package is unpacked beside."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from os_vif.testing import open_vswitch, tap_bridge
from os_vif.testing.host_snapshots import snapshot

_ROOT = pathlib.Path(__file__).parents[3]
_PACKAGES = ("openvswitch-switch", "openvswitch-common")
#: Stands for apt-get: the archive has one package, which is not installed.
_APT_GET = """#!/bin/sh
for last; do :; done
[ "$last" = update ] && exit 0
[ "$last" = openvswitch-switch ] || exit 100
for option; do
    case $option in -oDir::Cache::archives=*) cp "{package}" "${{option#*=}}" ;; esac
done
"""
#: Hides what is installed, in a mount namespace.
_HIDE = """
for program in ovs-vswitchd ovsdb-server ovsdb-tool ovs-vsctl ovs-appctl ovs-ofctl; do
    there=$(command -v $program) && mount --bind /dev/null "$(readlink -f "$there")"
done
mount -t tmpfs none /usr/share/openvswitch
exec "$@"
"""


@pytest.fixture
def package(tmp_path) -> pathlib.Path:
    """Build a package of the installed files: Debian's, without the archive."""
    if missing := open_vswitch.missing_requirement() or tap_bridge.missing_requirement():
        pytest.skip(f"nothing to unpack: {missing}")
    listed = subprocess.run(
        ["dpkg", "-L", *_PACKAGES], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("Open vSwitch is not installed from Debian's packages")
    tree = tmp_path / "package"
    for name in map(pathlib.Path, listed.stdout.split()):
        # The documentation may be left out of an image.
        if name.is_file() and "/usr/share/doc" not in str(name):
            copy = tree / name.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, copy, follow_symlinks=False)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: openvswitch-switch\nVersion: 1\nArchitecture: all\n"
        "Maintainer: none <none@example.org>\nDescription: for a test\n"
    )
    built = tmp_path / "openvswitch-switch.deb"
    subprocess.run(
        ["dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, built],
        check=True,
        capture_output=True,
    )
    return built


@pytest.fixture
def checkout(tmp_path) -> pathlib.Path:
    """Return a checkout of its own, in which everything but Open vSwitch is installed."""
    root = tmp_path / "checkout"
    (root / "tools").mkdir(parents=True)
    for name in ("demo.sh", "venv.sh"):
        shutil.copy(_ROOT / "tools" / name, root / "tools")
    described = ("setup.cfg", "pyproject.toml", "test-requirements.txt")
    for name in described:
        shutil.copy(_ROOT / name, root)
    (root / ".venv").mkdir()
    (root / ".venv/bin").symlink_to(_ROOT / ".venv/bin")
    stamp = subprocess.run(
        ["sh", "-c", f"cat {' '.join(described)} | cksum"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (root / ".venv/.installed").write_text(stamp)
    return root


def test_the_demo_shows_open_vswitch_where_it_is_not_installed(
    rights, tmp_path, package, checkout
):
    """A document comes first, then the plan and the switch."""
    if not (_ROOT / ".venv/bin/os-vif").exists():
        pytest.skip("os-vif is not installed in .venv of this checkout")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text(_APT_GET.format(package=package))
    (programs / "apt-get").chmod(0o755)
    before = snapshot()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _HIDE, "sh", checkout / "tools/demo.sh"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    document = shown.partition("== A VIF as a document\n")[2].partition("\n\n== ")[0]
    assert json.loads(document)["kind"] == "VIFBridge"
    assert "versioned_object" not in shown
    assert "Not shown" not in shown
    assert shown.index("A VIF as a document") < shown.index("Open vSwitch: a private one")
    assert "br-int has no ports, and the database has no QoS rows." in shown
    assert "Nothing is left." in shown
    assert (checkout / ".venv/openvswitch/usr/sbin/ovs-vswitchd").exists()
    assert snapshot() == before
