# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``os-vif`` command with closed and full streams, wrong names, and files of other programs."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from os_vif.cmd import exit_codes
from tests.support.documents.site import GOOD, Site

DOCUMENT = '{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "plugin": "noop"}'


@pytest.fixture
def vif_file(tmp_path):
    path = tmp_path / "vif.json"
    path.write_text(DOCUMENT)
    return path


def in_shell(tmp_path, redirected, **environment):
    """Run a new os-vif under sh(1), which opens and closes its streams."""
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m os_vif.cmd.main {redirected}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


@pytest.mark.short_form(2)
@pytest.mark.parametrize("command", ["plan -", "plan", "check", "plug", "validate", "show"])
def test_a_closed_standard_input_is_named(tmp_path, command):
    """Bad input, and no traceback."""
    done = in_shell(tmp_path, f"{command} <&-")
    assert (done.returncode, done.stdout, done.stderr) == (
        exit_codes.EXIT_BAD_INPUT,
        "",
        "standard input is closed\n",
    )


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    "command", ["plan vif.json", "plugins", "check -f json vif.json", "show vif.json", "--help"]
)
def test_a_full_standard_output_is_named(tmp_path, vif_file, command):
    """What could not be written is told, and that it failed."""
    done = in_shell(tmp_path, f"{command} >/dev/full")
    assert (done.returncode, done.stderr) == (
        exit_codes.EXIT_FAILED,
        "standard output: No space left on device\n",
    )


@pytest.mark.short_form(2)
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["plugins", "--help", "plan -f sh vif.json"])
def test_an_output_that_fits_in_part_is_a_failure(tmp_path, vif_file, command, unbuffered):
    """A short write() is no success: here of a file that may have 512 bytes."""
    vif_file.write_text(DOCUMENT.replace("noop", "linux_bridge").replace(
        "}", ', "bridge_name": "brq-demo", "network": {"bridge": "brq-demo", '
        '"should_provide_bridge": true}}'))  # fmt: skip
    more = {"PYTHONUNBUFFERED": unbuffered} if unbuffered else {}
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 1; exec {sys.executable} -B -m os_vif.cmd.main {command} >out"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **more},
    )  # fmt: skip
    whole = in_shell(tmp_path, command).stdout
    assert len(whole) > 512
    assert (done.returncode, done.stderr) == (
        exit_codes.EXIT_FAILED,
        "standard output: File too large\n",
    )
    assert (tmp_path / "out").read_text() == whole[:512]


@pytest.mark.parametrize("command", ["plugins", "--help"])
def test_an_unbuffered_output_is_the_same(tmp_path, command):
    plain = in_shell(tmp_path, command).stdout
    assert in_shell(tmp_path, command, PYTHONUNBUFFERED="1").stdout == plain


def test_a_closed_standard_output_matters_only_for_those_who_write(tmp_path, vif_file):
    """Plugging from a script that closed everything works."""
    done = in_shell(tmp_path, "plan vif.json >&-")
    assert done.returncode == exit_codes.EXIT_FAILED
    assert "standard output is closed" in done.stderr
    assert in_shell(tmp_path, "plug vif.json <&- >&- 2>&-").returncode == 0


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """Else what is printed would be written into it."""
    code = (
        "import os; from os_vif.cmd import streams; streams.prepare();"
        "file = open('other', 'w'); print('printed', flush=True); assert file.fileno() > 2"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec {sys.executable} -c "{code}" <&- 2>&-'],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "printed\n")
    assert (tmp_path / "other").read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("check", "-c", "Nope"), "no column named 'Nope'; expected one of Device, Attribute"),
        (("check", "-c", "Device", "-c", "Nope"), "no column named 'Nope'"),
        (("plugins", "-c", "Nope"), "expected one of Plugin, VIF"),
        (("plugins", "--sort-column", "Nope"), "expected one of Plugin, VIF"),
        (("host-info", "-c", "Nope"), "expected one of Function, VF"),
        (("help", "nope"), "no command named 'nope'"),
    ],
)
def test_a_wrong_name_is_bad_input(os_vif, arguments, text):
    """The message lists the right ones; nothing was read or looked up."""
    done = os_vif(*arguments, text=DOCUMENT)
    assert (done.returncode, done.stdout) == (exit_codes.EXIT_BAD_INPUT, "")
    assert text in done.stderr


def test_columns_are_found_in_any_case_as_before(os_vif):
    """And with underscores for spaces."""
    done = os_vif("plugins", "-f", "value", "-c", "plugin", "-c", "port_profiles")
    assert done.returncode == 0
    assert done.stdout.startswith("linux_bridge")


def test_a_misspelt_option_is_warned_of(os_vif, tmp_path):
    """In groups of ours only: the file belongs to another program."""
    config = tmp_path / "nova.conf"
    config.write_text(
        "[DEFAULT]\nanything = 1\n[libvirt]\nother = 2\n"
        "[os_vif_ovs]\novs_vsctl_timout = 5\nnetwork_device_mtu = 1400\n"
    )
    done = os_vif("--config-file", str(config), "plan", text=DOCUMENT)
    assert done.returncode == 0
    assert done.stderr == (
        f"{config}: [os_vif_ovs] has no option named ovs_vsctl_timout; it is ignored. "
        "Did you mean ovs_vsctl_timeout?\n"
    )


def test_a_reference_to_an_option_of_another_program_is_resolved(tmp_path):
    """As in every nova.conf that starts the daemon by nova's rootwrap."""
    config = tmp_path / "nova.conf"
    config.write_text(
        "[DEFAULT]\nstate_path = /var/lib/nova\n[vif_plug_ovs_privileged]\n"
        "helper_command = sudo nova-rootwrap $rootwrap_config privsep-helper ${state_path}/x\n"
    )
    code = (
        "from os_vif.cmd import configuration; from oslo_config import cfg;"
        "from vif_plug_ovs import privsep;"
        f"configuration.register_referenced(cfg.CONF, ['{config}']);"
        f"cfg.CONF(['--config-file={config}'], project='os-vif', default_config_dirs=[]);"
        "print(cfg.CONF.vif_plug_ovs_privileged.helper_command)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == (
        "sudo nova-rootwrap /etc/nova/rootwrap.conf privsep-helper /var/lib/nova/x\n"
    ), done.stderr


def test_a_broken_plugin_is_one_line_and_a_row_with_the_reason(tmp_path):
    """One that cannot be imported, one that cannot be made, one that cannot describe itself."""
    site = Site(tmp_path)
    site.install("unimportable", "unimportable = unimportable:Nothing", "import no_such_module")
    failing = GOOD.replace(
        "calls = []", "def __init__(self, config): raise OSError('no\\x1bcard')"
    )
    site.install("unmakable", "unmakable = unmakable:Good", failing)
    mute = GOOD.replace('return host_info.describe("good", {objects.VIFGeneric: ()})', '{}["x"]')
    site.install("mute", "mute = mute:Good", mute)
    root = pathlib.Path(__file__).parents[3]
    done = in_shell(tmp_path, "plugins -f value", PYTHONPATH=f"{tmp_path}:{root}")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert [line.split(" cannot")[0] for line in done.stderr.splitlines()] == [
        "plugin mute",
        "plugin unimportable",
        "plugin unmakable",
    ]
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "No module named 'no_such_module'" in rows["unimportable"]
    assert r"OSError: no\x1bcard" in rows["unmakable"]
    assert "KeyError: 'x'" in rows["mute"]
    assert "VIFBridge" in done.stdout
