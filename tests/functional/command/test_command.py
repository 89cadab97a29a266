# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``os-vif`` command as a user types it."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

import pytest
from oslo_serialization import jsonutils

from os_vif.testing import open_vswitch, tap_bridge
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run


def test_plan_prints_commands(vif_json, os_vif):
    """One line for each thing to do; for unplug too; nothing needs a right."""
    done = os_vif("plan", "-f", "sh", vif_json)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ip link set dev brq-test mtu 1450 up"
    assert "ip link del dev brq-test" in os_vif("plan", "--unplug", "-f", "sh", vif_json).stdout


def test_plug_check_unplug(namespace, vif_json, os_vif):
    """The life of a VIF, with exit codes that a script can use."""
    assert os_vif("check", vif_json).returncode == 3
    done = os_vif("plug", vif_json)
    assert (done.returncode, done.stderr) == (0, "")
    assert os_vif("check", vif_json).returncode == 0
    run("ip link set brq-test mtu 1400")
    done = os_vif("check", "-f", "json", vif_json)
    assert done.returncode == 3
    assert json.loads(done.stdout) == [
        {
            "Device": "brq-test",
            "Attribute": "MTU",
            "Found": "1400",
            "Expected": "1450",
            "Pending": False,
        }
    ]
    assert os_vif("unplug", vif_json).returncode == 0
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_the_vif_may_come_on_standard_input(vif, os_vif):
    """Without a file, or with '-'."""
    text = jsonutils.dumps(vif.obj_to_primitive())
    assert os_vif("plan", text=text).stdout == os_vif("plan", "-", text=text).stdout != ""


def test_the_vif_may_be_a_document(vif, os_vif):
    """As ``os-vif convert`` writes it."""
    text = jsonutils.dumps(vif.obj_to_primitive())
    document = os_vif("convert", "--form", "json", text=text).stdout
    assert document.startswith('{"apiVersion":"os-vif/2.0"')
    assert os_vif("plan", text=document).stdout == os_vif("plan", text=text).stdout != ""


def test_a_plug_that_fails_exits_with_1_and_one_line(namespace, vif_json, os_vif):
    """The line says what failed and why; the traceback is for --debug."""
    run("ip link add brq-test type veth peer name other")
    done = os_vif("plug", vif_json)
    assert done.returncode == 1
    assert "EnsureBridge failed on brq-test" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in os_vif("--debug", "plug", vif_json).stderr


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"versioned_object.name": "VIFBridge"}', "\N{SNOWMAN}" * 10]
)
def test_input_that_is_no_vif_exits_with_2(os_vif, text):
    """One line that says what is wrong with it."""
    done = os_vif("plug", text=text)
    assert done.returncode == 2
    assert "cannot read the VIF" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bad_input_exits_with_2(vif, os_vif, tmp_path):
    """A field that cannot be, a plugin that is not there, a file that is not there."""
    vif.bridge_name = "sixteen-bytes-xx"
    done = os_vif("plug", text=jsonutils.dumps(vif.obj_to_primitive()))
    assert (done.returncode, "vif.bridge_name" in done.stderr) == (2, True)
    vif.plugin = "nonesuch"
    done = os_vif("plug", text=jsonutils.dumps(vif.obj_to_primitive()))
    assert (done.returncode, "'nonesuch'" in done.stderr) == (2, True)
    done = os_vif("plan", str(tmp_path / "missing.json"))
    assert (done.returncode, "No such file" in done.stderr) == (2, True)
    assert os_vif("plan", "--nonesuch").returncode == 2
    assert os_vif("nonesuch").returncode == 2


def test_an_unknown_option_before_the_command_exits_with_2(vif_json, os_vif):
    """The option is named, and not taken for a command."""
    done = os_vif("--nonesuch", "plan", vif_json)
    assert (done.returncode, done.stdout) == (2, "")
    usage, error = done.stderr.splitlines()
    assert usage.endswith("[OPTION]... COMMAND [ARGUMENT]...")
    assert error.endswith("error: unrecognized arguments: --nonesuch")


def test_a_log_file_that_cannot_be_opened_exits_with_2(vif_json, os_vif, tmp_path):
    """The option, the file and the reason are named."""
    done = os_vif("--log-file", str(tmp_path / "missing/log"), "plan", vif_json)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(
        "error: argument --log-file: "
        f"{tmp_path}/missing/log cannot be opened: No such file or directory"
    )


def test_a_network_in_place_of_a_vif_exits_with_2(vif, os_vif):
    """It is named."""
    done = os_vif("plan", text=jsonutils.dumps(vif.network.obj_to_primitive()))
    assert (done.returncode, "a Network; expected a VIF" in done.stderr) == (2, True)


def test_options_come_from_a_config_file(namespace, vif, os_vif, tmp_path):
    """The operator's nova.conf decides the MTU where the network does not."""
    config = tmp_path / "nova.conf"
    config.write_text("[os_vif_linux_bridge]\nnetwork_device_mtu = 8950\n")
    vif.network.mtu = None
    text = jsonutils.dumps(vif.obj_to_primitive())
    assert "mtu 8950" in os_vif("--config-file", str(config), "plan", text=text).stdout
    assert "mtu 1500" in os_vif("plan", text=text).stdout
    done = os_vif("--config-file", str(tmp_path / "missing"), "plan", text=text)
    assert done.returncode == 2
    assert "missing cannot be read" in done.stderr
    for text_of_it in ("no group\n", "[os_vif_linux_bridge]\nnetwork_device_mtu = abc\n"):
        config.write_text(text_of_it)
        done = os_vif("--config-file", str(config), "plan", text=text)
        assert done.returncode == 2
        assert "my.conf" in done.stderr or "nova.conf" in done.stderr or "abc" in done.stderr


def test_plugins_as_table_and_json(os_vif):
    """People get a table, programs get data."""
    assert "VIFBridge" in os_vif("plugins").stdout
    rows = json.loads(os_vif("plugins", "-f", "json").stdout)
    (vhost,) = (r for r in rows if (r["Plugin"], r["VIF"]) == ("noop", "VIFVHostUser"))
    assert vhost == {
        "Plugin": "noop",
        "VIF": "VIFVHostUser",
        "Versions": "1.0-1.1",
        "Port profiles": [],
    }


def test_completion_for_bash(os_vif):
    """``os-vif complete`` prints a function that bash takes, with our commands in it."""
    script = os_vif("complete").stdout
    assert "host-info" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_without_arguments_it_says_how_it_is_used(os_vif):
    """And what its exit codes mean."""
    done = os_vif()
    assert done.returncode == 0
    assert "exit codes:" in done.stdout


def _as_user() -> list[str]:
    """The prefix that runs a command as an ordinary user, where this is root."""
    if os.geteuid() != 0:
        return []
    if pathlib.Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]:
        pytest.skip("root of a user namespace cannot become another user")
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv(1)")
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _demo(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([*command, "demo"], capture_output=True, text=True, check=False)


EXPECTED = (
    "ip link add name brq-demo type bridge",
    "Simulate the hypervisor",
    "192.0.2.2 answers",
    "└── tapdemo-2",
    "check: brq-demo: MTU is 1300, should be 1450",
    "plugged again; check: nothing differs",
    "Nothing is left.",
)
#: Where Open vSwitch is installed.
EXPECTED_OF_A_SWITCH = (
    "ovs-vsctl --may-exist add-port br-int tap40000000-00 -- --id=@qos create QoS",
    "plugged VIFBridge tap30000000-00; check: nothing differs",
    "├── qvb30000000-00",
    '{attached-mac="fa:16:3e:00:00:04", iface-id="40000000-0000-4000-8000-000000000000"',
    "linux-noop",
    "check: qvo30000000-00: port is missing, should be in br-int",
    "br-int has no ports, and the database has no QoS rows.",
)


def _absent(done: subprocess.CompletedProcess, *more: str) -> list[str]:
    """What the demo did not show."""
    assert (done.returncode, done.stderr) == (0, "")
    return [text for text in (*EXPECTED, *more) if text not in done.stdout]


def test_the_demo_shows_it_all(request, rights, os_vif_command):
    """As root; the host around it does not change, nor does the switch that it has."""
    if open_vswitch.missing_requirement() is None:
        request.getfixturevalue("br_int")
    before = snapshot()
    done = _demo(os_vif_command)
    missing = open_vswitch.missing_requirement() or tap_bridge.missing_requirement()
    left_out = [f"Not shown: {missing}."]
    assert _absent(done, *(left_out if missing else EXPECTED_OF_A_SWITCH)) == []
    readme = (pathlib.Path(__file__).parents[3] / "README.rst").read_text(encoding="utf-8")
    (excerpt,) = re.findall(r"^   == (?:.*\n|\n)*?(?=^\S)", readme, re.MULTILINE)
    shown = [] if missing else [line.strip() for line in excerpt.splitlines()]
    assert [line for line in shown if line not in done.stdout.splitlines()] == []
    # Two pings on a Linux bridge, one between pods, and two on the switch.
    assert done.stdout.count("192.0.2.2 answers") == (3 if missing else 5)
    assert "The first pod pings the second: 192.0.2.2 answers" in done.stdout
    assert snapshot() == before


def _hiding(hide: str, *command: str) -> list[str]:
    """A command line for a host that lacks something."""
    if missing := open_vswitch.missing_requirement() or tap_bridge.missing_requirement():
        pytest.skip(f"nothing to hide: {missing}")
    return ["unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh", *command]


def test_the_demo_without_a_switch_says_so_and_goes_on(rights, os_vif_command):
    """In one line; all else is shown."""
    hide = 'mount --bind /dev/null "$(command -v ovs-appctl)"'
    done = _demo(*_hiding(hide, os_vif_command))
    assert _absent(done, "Not shown: there is no ovs-appctl (openvswitch-switch).") == []


def test_the_demo_without_tap_devices_shows_no_switch(rights):
    """It says which file is missing."""
    show = (
        "import sys; from os_vif.cmd.demo import console, ovs_demo; "
        "ovs_demo.show(console.Console(sys.stdout), None)"
    )
    command = _hiding("mount -t tmpfs none /dev/net", sys.executable, "-W", "ignore", "-c", show)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Not shown: there is no /dev/net/tun."


def test_the_demo_runs_as_an_ordinary_user(os_vif_command):
    """In a user namespace, where the kernel allows one."""
    prefix = _as_user()
    tried = subprocess.run(
        [*prefix, "unshare", "-Urn", sys.executable, "-c", "import os_vif"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"an ordinary user cannot run this Python in one: {tried.stderr.strip()}")
    done = _demo(*prefix, os_vif_command)
    shown = "Not shown: " in done.stdout
    assert _absent(done, *([] if shown else EXPECTED_OF_A_SWITCH)) == []


def test_the_demo_without_rights_shows_what_it_can(os_vif_command):
    """Plan and JSON, the right that is missing by name, and an exit code that says so."""
    user = ["unshare", "--user", "--map-root-user"]
    tried = subprocess.run([*user, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no user namespace to forbid namespaces in: {tried.stderr.strip()}")
    forbid = (
        "echo 0 >/proc/sys/user/max_net_namespaces && "
        "echo 0 >/proc/sys/user/max_user_namespaces && "
        f"exec {os_vif_command} demo"
    )
    done = subprocess.run(
        [*user, "sh", "-c", forbid],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert [text for text in EXPECTED[:1] if text not in done.stdout] == []
    assert "CAP_SYS_ADMIN" in done.stderr
    assert "user namespace" in done.stderr


def test_the_demo_without_unshare_names_the_package(os_vif_command):
    """util-linux has it."""
    done = subprocess.run(
        [os_vif_command, "demo"],
        env={"PATH": str(pathlib.Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "util-linux" in done.stderr
