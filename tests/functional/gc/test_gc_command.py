# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif gc``: keep lists, exit codes, and the units of systemd."""

from __future__ import annotations

import json
import pathlib
import shlex
import shutil
import subprocess

import pytest

import os_vif as library
from tests.support.documents.pages import ROOT
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")
NOW = ("--older-than", "0", "--seen", "1", "--pending")


@pytest.fixture
def plugged(instance):
    """Plug three VIFs."""
    vifs = [bridge_vif(n) for n in (1, 2, 3)]
    for vif in vifs:
        library.plug(vif, instance)
    return vifs


def present():
    return sorted(entry.id for entry in library.inventory())


def test_a_run_unplugs_and_lists_the_results(os_vif, plugged):
    done = os_vif("gc", "--keep", "-", *NOW, "-f", "json", text=f"{plugged[0].id}\n")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["VIF"], row["Kind"], row["Outcome"]) for row in rows] == [
        (vif.id, "VIFBridge", "removed") for vif in plugged[1:]
    ]
    assert "2 removed, 0 failed, 1 kept" in done.stderr
    assert present() == [plugged[0].id]


def test_a_dry_run_has_the_exit_code_of_a_difference(os_vif, plugged, tmp_path):
    keep = tmp_path / "keep"
    keep.write_text("\n".join(vif.id for vif in plugged[1:]))
    done = os_vif("gc", "--keep", str(keep), *NOW, "--dry-run")
    assert (done.returncode, done.stderr) == (3, "1 to be removed, 0 failed, 2 kept\n")
    assert "would remove" in done.stdout
    keep.write_text("\n".join(vif.id for vif in plugged))
    assert os_vif("gc", "--keep", str(keep), *NOW, "--dry-run").returncode == 0
    assert len(present()) == 3


def test_several_keep_lists_add_up(os_vif, plugged, tmp_path):
    arguments = []
    for vif in plugged[:2]:
        path = tmp_path / vif.id
        path.write_text(vif.id)
        arguments += ["--keep", str(path)]
    assert os_vif("gc", *arguments, *NOW).returncode == 0
    assert present() == sorted(vif.id for vif in plugged[:2])


@pytest.mark.parametrize("nothing", [("--keep", "/dev/null"), ("--keep-nothing",)])
def test_to_keep_nothing_is_said_explicitly(os_vif, plugged, nothing):
    assert os_vif("gc", *nothing, *NOW).returncode == 0
    assert present() == []


@pytest.mark.short_form(3)
@pytest.mark.parametrize(
    ("arguments", "text", "expected"),
    [
        (("--keep", "-"), "", "the list is empty"),
        (("--keep", "-"), "# nothing\n", "the list is empty"),
        (("--keep", "-"), "failed to connect", "line 1: 'failed to connect'"),
        (("--keep", "-"), "error: failed to connect", "{'error': 'failed to connect'}"),
        (("--keep", "/nonexistent/keep"), "", "No such file"),
        (("--keep", "/dev/null", "--keep", "-"), "{", "JSON that cannot be read"),
        ((), "", "--keep"),
        (("--keep-nothing", "--older-than", "soon"), "", "'soon' is no duration"),
        (("--keep-nothing", "--seen", "0"), "", "'0' is no number above 0"),
    ],
)
def test_an_unusable_keep_list_is_an_error_before_any_change(
    os_vif, plugged, arguments, text, expected
):
    done = os_vif("gc", *NOW, *arguments, text=text)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(present()) == 3


def test_the_default_waits_for_the_grace_period_and_a_second_run(os_vif, plugged):
    for _ in range(3):
        done = os_vif("gc", "--keep-nothing", "--pending", "-f", "value", "-c", "Outcome")
        assert (done.returncode, set(done.stdout.split())) == (0, {"waiting"})


def test_a_switch_that_cannot_be_read_has_the_exit_code_of_a_failure(os_vif, plugged, tmp_path):
    config = tmp_path / "conf"
    config.write_text("[os_vif_ovs]\novsdb_connection=tcp:127.0.0.1:1\n")
    done = os_vif("--config-file", str(config), "gc", "--keep-nothing", *NOW)
    assert done.returncode == 1
    assert "Open vSwitch" in done.stderr
    # The VIFs of other plugins are collected.
    assert present() == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_units(tmp_path, os_vif_command):
    for name in ("os-vif-gc.service", "os-vif-gc.timer"):
        text = (ROOT / "etc" / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/os-vif", os_vif_command))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_starts_no_collection_after_a_failed_keep_command(tmp_path):
    (line,) = [
        line.removeprefix("ExecStartPre=")
        for line in (ROOT / "etc/systemd/os-vif-gc.service").read_text().splitlines()
        if line.startswith("ExecStartPre=")
    ]
    keep = tmp_path / "keep"
    # systemd replaces $$ by $.
    command = line.replace("$$", "$").replace("/run/os-vif-gc/keep", str(keep))
    for program, code in (("false", 1), ("echo 1b2c", 0)):
        done = subprocess.run(
            shlex.split(command),
            env={"OS_VIF_KEEP_COMMAND": program, "PATH": "/bin:/usr/bin"},
            check=False,
        )
        assert done.returncode == code
    assert pathlib.Path(keep).read_text() == "1b2c\n"
