# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif doctor`` on healthy hosts and on hosts with a fault of each kind."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess
import sys

import pytest

import os_vif as library
from os_vif.host.state.directory import STATE
from os_vif.operations.doctor import examination, finding, switch_checks
from testbed import environments
from tests.support.daemons import CONTEXTS
from tests.support.documents.pages import PAGES
from tests.support.forks import forked
from tests.support.ovs import old_releases

LINUX_BRIDGE = ("--plugin", "linux_bridge")
#: The checks of Open vSwitch, which need no privileged daemon.
OVS = ("--check=ovs-database", "--check=ovs-schema", "--check=ovs-vswitchd")


@pytest.fixture
def findings(os_vif):
    """Return a function that runs the command, and returns the findings by check and subject."""

    def call(*arguments, code=0, before=()):
        done = os_vif(*before, "doctor", "-f", "json", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return {
            (row["Check"], row["Subject"]): (row["Status"], row["Found"], row["Advice"])
            for row in json.loads(done.stdout)
        }

    return call


@pytest.fixture
def helper(quick_helper, monkeypatch):
    """Return a function that sets the command of the daemon of the plugin ``linux_bridge``."""

    def use(*script: str) -> None:
        command = f'{" ".join(script)} exec {quick_helper} "$@"' if script else quick_helper
        text = shlex.join(["unshare", "-mn", "sh", "-c", command, "sh"])
        if "NETNS" not in command:
            text = text.replace("-mn", "-m")
        monkeypatch.setenv("OS_VIF_PLUG_LINUX_BRIDGE_PRIVILEGED__HELPER_COMMAND", text)

    return use


@pytest.fixture
def connected(br_int, monkeypatch):
    """Provide a switch whose database the command finds."""
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", br_int.connection)
    monkeypatch.setattr(switch_checks, "TIMEOUT", 1.0)
    return br_int


def test_a_healthy_host_has_no_failed_check_and_is_not_changed(connected, findings):
    """Neither devices nor rows nor records change."""
    before = connected.dump(), sorted(STATE.path.iterdir()), os.listdir("/sys/class/net")  # noqa: PTH208
    found = findings()
    assert before == (
        connected.dump(), sorted(STATE.path.iterdir()), os.listdir("/sys/class/net"),  # noqa: PTH208
    )  # fmt: skip
    assert {status for status, _, _ in found.values()} <= {"ok", "warning", "skipped"}
    assert found["ovs-vswitchd", "ovs"][0] == "ok"
    assert found["daemon-capabilities", "ovs"][1] == "CAP_NET_ADMIN"
    ran = {check for check, _ in found}
    assert ran == {check.name for check in examination.CHECKS}


def test_text_has_a_line_for_each_finding_and_an_arrow_for_advice(namespace, os_vif, monkeypatch):
    """Without colours in a pipe."""
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", "unix:/nonesuch")
    done = os_vif("doctor", "--plugin", "ovs", "--check", "ovs-database")
    assert done.returncode == 3
    first, advice, counts = done.stdout.splitlines()
    assert first.startswith("failed   ovs-database  ovs  unix:/nonesuch: ")
    assert advice.startswith("         -> Start ovsdb-server")
    assert counts == "1 finding: 1 failed"


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_a_terminal_shows_colours_unless_no_color_is_set(
    namespace, quick_commands, monkeypatch, variable, coloured
):
    """https://no-color.org: a variable that is empty does not count."""
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm")
    terminal, side = pty.openpty()
    program = "from os_vif.cmd import main; main.main(['doctor', '--check', 'plugins'])"
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], stdout=side, check=True)
    os.close(side)
    text = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert ("\033[32mok     \033[0m" in text) == coloured
    assert "linux_bridge" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(("--check", "nonesuch"), "expected one of plugins, "), (("--plugin", "nonesuch"), "'noop'")],
)
def test_an_unknown_name_is_bad_input(os_vif, arguments, text):
    """The message lists the names."""
    done = os_vif("doctor", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text.strip("'") in done.stderr


def test_a_daemon_command_that_fails_is_quoted_and_dependent_checks_are_skipped(
    namespace, findings, monkeypatch
):
    """The output of the command and the option are named."""
    monkeypatch.setenv(
        "OS_VIF_PLUG_LINUX_BRIDGE_PRIVILEGED__HELPER_COMMAND",
        "sh -c 'echo sudo: a password is required; exit 1'",
    )
    found = findings(*LINUX_BRIDGE, code=3)
    status, text, advice = found["daemon-start", "linux_bridge"]
    assert status == "failed"
    assert "sudo: a password is required" in text
    assert text.endswith("privileged]helper_command sets the command that starts the daemon")
    assert "without a password" in advice
    skipped = {check for (check, _), (status, _, _) in found.items() if status == "skipped"}
    assert {"daemon-capabilities", "state-writable", "programs"} <= skipped


def test_a_daemon_without_the_capability_is_named(namespace, findings, monkeypatch):
    """The option of the daemon that takes it away is named."""
    monkeypatch.setenv("OS_VIF_PLUG_LINUX_BRIDGE_PRIVILEGED__CAPABILITIES", "CAP_NET_RAW")
    found = findings(*LINUX_BRIDGE, "--check", "daemon-capabilities", code=3)
    status, text, advice = found["daemon-capabilities", "linux_bridge"]
    assert (status, text) == ("failed", "CAP_NET_ADMIN is missing; found CAP_NET_RAW")
    assert "[vif_plug_linux_bridge_privileged]capabilities" in advice


def test_a_daemon_in_another_network_namespace_is_named(namespace, findings, helper):
    """Both namespaces are told."""
    helper(": NETNS;")
    status, text, _ = findings(*LINUX_BRIDGE, "--check", "daemon-namespace", code=3)[
        "daemon-namespace", "linux_bridge"
    ]
    assert status == "failed"
    assert f"its caller in net:[{os.stat('/proc/thread-self/ns/net').st_ino}]" in text  # noqa: PTH116


def test_a_daemon_of_another_release_is_named(namespace, findings, monkeypatch, tmp_path):
    """As after an upgrade of one of two Python environments."""
    metadata = tmp_path / "os_vif-5.9.9.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: os-vif\nVersion: 5.9.9\n")
    real = pathlib.Path(sys.executable).with_name("privsep-helper")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv(
        "OS_VIF_PLUG_LINUX_BRIDGE_PRIVILEGED__HELPER_COMMAND", f"env PYTHONPATH={path} {real}"
    )
    status, text, _ = findings(*LINUX_BRIDGE, "--check", "daemon-version", code=3)[
        "daemon-version", "linux_bridge"
    ]
    assert status == "failed"
    assert "the daemon os-vif 5.9.9" in text


def test_a_state_directory_that_cannot_be_written_is_named(namespace, findings, helper):
    """As in a container or a unit with a read-only /run."""
    helper(f"mount -o remount,ro,bind {STATE} || mount -o bind,ro {STATE} {STATE};")
    found = findings(*LINUX_BRIDGE, "--check", "state-writable", code=3)
    status, text, advice = found["state-writable", "linux_bridge"]
    assert (status, text) == (
        "failed", f"the daemon cannot write to {STATE}: Read-only file system"
    )  # fmt: skip
    assert "ReadWritePaths=" in advice


def test_a_full_state_directory_is_named(namespace, findings, helper):
    """ENOSPC shows only when something is written."""
    helper(f"mount -t tmpfs -o size=4k none {STATE}; head -c 4096 /dev/zero > {STATE}/full;")
    status, text, _ = findings(*LINUX_BRIDGE, "--check", "state-writable", code=3)[
        "state-writable", "linux_bridge"
    ]
    assert (status, text.rpartition(": ")[2]) == ("failed", "No space left on device")


def test_a_daemon_with_another_state_directory_is_named(namespace, findings, helper):
    """As a container with a /run of its own."""
    helper(f"mount -t tmpfs none {STATE};")
    status, _, advice = findings(*LINUX_BRIDGE, "--check", "state-shared", code=3)[
        "state-shared", "linux_bridge"
    ]
    assert status == "failed"
    assert "Mount the /run of the host" in advice


def test_a_state_directory_that_outlives_a_reboot_is_a_warning(
    namespace, findings, helper, tmp_path
):
    """Records would be about devices of before the reboot."""
    helper(f"mount --bind {tmp_path} {STATE};")
    if os.stat(tmp_path).st_dev == os.stat("/dev/shm").st_dev:  # noqa: PTH116, S108
        pytest.skip("the folder for temporary files is a tmpfs")
    status, text, _ = findings(*LINUX_BRIDGE, code=3)["state-filesystem", "linux_bridge"]
    assert (status, "outlive a reboot" in text) == ("warning", True)


def test_damaged_and_incomplete_records_are_named(namespace, findings):
    """Each with what to do."""
    (STATE.path / "bridge-1-qbr.json").write_text('{"index": 3, "us')
    (STATE.path / "bridge-1-brq.json").write_text('{"index": 3, "users": []}')
    incomplete = STATE.path / "bridge-1-old.json.new"
    incomplete.touch()
    os.utime(incomplete, (1, 1))
    try:
        found = findings(*LINUX_BRIDGE, "--check", "state-records", code=3)
    finally:
        for path in STATE.path.glob("*.json*"):
            path.unlink()
    assert {subject: status for (_, subject), (status, _, _) in found.items()} == {
        "bridge-1-qbr.json": "failed", "bridge-1-old.json.new": "warning",
    }  # fmt: skip


def test_an_unreadable_state_directory_is_named(namespace):
    """For the user of the command, which reads the records."""
    STATE.path.chmod(0o700)
    try:
        done = forked(_check_records_as_nobody, b"")
    finally:
        STATE.path.chmod(0o755)
    found = f"failed {STATE} cannot be read: Permission denied\n"
    assert (done.stdout.decode(), done.stderr) == (found, b"")


def _check_records_as_nobody() -> int:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    for each in examination.examine(finding.Host({}, {}, None), ["state-records"]):
        sys.stdout.write(f"{each.status} {each.found}\n")
    return 0


def test_a_stopped_database_is_named(connected, findings):
    """Schema and vswitchd cannot be checked then."""
    connected.kill("ovsdb-server")
    found = findings(*OVS, code=3)
    status, text, advice = found["ovs-database", "ovs"]
    assert (status, connected.connection in text) == ("failed", True)
    assert "[os_vif_ovs]ovsdb_connection" in advice
    assert found["ovs-schema", "ovs"][0] == found["ovs-vswitchd", "ovs"][0] == "skipped"


def test_an_unusable_address_of_the_database_is_named(namespace, findings, monkeypatch):
    """It is an option."""
    monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", "nonsense")
    status, text, _ = findings(*OVS, code=3)["ovs-database", "ovs"]
    assert (status, "[os_vif_ovs]ovsdb_connection is nonsense" in text) == ("failed", True)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_vswitchd_that_applies_nothing_is_named(connected, findings, how):
    """It has died, or hangs."""
    if how == "killed":
        connected.kill("ovs-vswitchd")
        found = findings(*OVS, code=3)
    else:
        with connected.standing_still("ovs-vswitchd"):
            found = findings(*OVS, code=3)
    assert found["ovs-database", "ovs"][0] == found["ovs-schema", "ovs"][0] == "ok"
    status, text, _ = found["ovs-vswitchd", "ovs"]
    assert (status, "has not applied a change" in text) == ("failed", True)


@pytest.mark.parametrize(
    ("release", "status", "text"),
    [
        ("2.3", "failed", "lacks Open_vSwitch.iface_types"),
        ("2.4.0", "warning", "Interface.mtu_request"),
    ],
)
def test_an_old_schema_is_named(namespace, findings, tmp_path, monkeypatch, release, status, text):
    """Of a release that is not supported, and of one without some settings."""
    with old_releases.OldSwitch(tmp_path, release) as switch:
        monkeypatch.setenv("OS_OS_VIF_OVS__OVSDB_CONNECTION", switch.connection)
        check = ("--plugin", "ovs", "--check", "ovs-database", "--check", "ovs-schema")
        found = findings(*check, code=3 if status == "failed" else 0)
    assert found["ovs-database", "ovs"][0] == "ok"
    assert (found["ovs-schema", "ovs"][0], text in found["ovs-schema", "ovs"][1]) == (status, True)


def test_a_missing_program_is_a_warning_with_the_vifs_that_need_it(namespace, findings, helper):
    """The daemon has a PATH of its own."""
    programs = filter(None, (shutil.which("iptables", path=path) for path in (
        "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")))  # fmt: skip
    helper(*(f"mount --bind /dev/null {program};" for program in programs))
    status, text, advice = findings(*LINUX_BRIDGE, "--check", "programs")["programs", "iptables"]
    assert (status, "has_traffic_filtering" in text) == ("warning", True)
    assert advice == "Install the package iptables."


def test_kinds_of_devices_are_those_of_the_kernel(namespace, findings):
    """As ``ip link add`` finds them."""
    found = findings("--check", "kernel-devices")
    for kind, command in {
        "bridge": "ip link add try type bridge",
        "veth": "ip link add try type veth",
        "vlan": "ip link add base type bridge && ip link add link base name try type vlan id 5",
        "macvtap": "ip link add base type bridge && ip link add link base name try type macvtap",
        "tun": "ip tuntap add try mode tap",
    }.items():
        done = subprocess.run(["unshare", "-n", "sh", "-c", command], check=False)
        assert (found["kernel-devices", kind][0] == "ok") == (done.returncode == 0)


def test_misspelt_options_and_groups_are_failed_and_not_logged_too(
    namespace, os_vif, findings, tmp_path
):
    """The file is that of the service."""
    path = tmp_path / "nova.conf"
    path.write_text("[os_vif_ovs]\nisolate_vifs = true\n[os_vif_linux_brigde]\nuse_ipv6 = 1\n")
    done = os_vif("--config-file", str(path), "doctor", "--check", "options")
    assert (done.returncode, done.stderr) == (3, "")
    texts = done.stdout
    assert "[os_vif_ovs] has no option named isolate_vifs" in texts
    assert "Did you mean [os_vif_linux_bridge]?" in texts
    path.write_text("[os_vif_ovs]\nisolate_vif = true\n")
    found = findings("--check", "options", before=("--config-file", str(path)))
    assert found["options", ""][0] == "ok"


def test_a_plugin_that_cannot_be_imported_is_named(namespace, quick_commands, tmp_path):
    """The other plugins are examined."""
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[os_vif]\nbroken = broken_plugin:Broken\n")
    (tmp_path / "broken_plugin.py").write_text("import nonesuch_library\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "os_vif.cmd.main", "doctor", "-f", "json",
         "--check", "plugins"],
        capture_output=True, text=True, check=False,
        env=environments.without_python_settings(os.environ) | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    rows = {row["Subject"]: row for row in json.loads(done.stdout)}
    assert rows["broken"]["Status"] == "failed"
    assert "nonesuch_library" in rows["broken"]["Found"]
    assert rows["ovs"]["Status"] == "ok"


def test_the_page_lists_the_checks():
    """With the same words, in the same order."""
    listed = re.findall(
        r"^   \* - ``([a-z-]+)``\n     - (.+)$", PAGES["operators/monitoring/doctor"], re.MULTILINE
    )
    assert listed == [(check.name, check.holds) for check in examination.CHECKS]


def test_an_error_of_a_check_is_a_finding(monkeypatch, namespace, findings):
    """The remaining checks run."""
    monkeypatch.setattr(STATE, "path", pathlib.Path("/proc/self/mem/nonesuch"))
    found = findings(*LINUX_BRIDGE, code=3)
    assert found["state-records", ""][0] == "failed"
    assert found["plugins", "linux_bridge"][0] == "ok"


def test_daemons_are_those_of_all_plugins(namespace, findings):
    """A plugin without a daemon has no finding, nor has the daemon for pods."""
    found = findings("--check", "daemon-start")
    assert len(found) == len(CONTEXTS) - 1
    assert ("daemon-start", "noop") not in found


def test_vifs_of_a_switch_that_is_not_found_are_not_ok(namespace, vif, instance, daemon, findings):
    """The default address refuses the connection, and the host has no trace of Open vSwitch."""
    library.plug(vif, instance)
    status, text, advice = findings("--check", "vifs")["vifs", ""]
    assert status == "skipped"
    assert text.startswith("1 VIF found, none differs; VIFs with a port of Open vSwitch would be")
    assert "tcp:127.0.0.1:6640" in text
    assert "os-vif doctor --plugin linux_bridge" in advice
    status, text, _ = findings(*LINUX_BRIDGE, "--check", "vifs")["vifs", ""]
    assert (status, text) == ("ok", "1 VIF on this host, none differs")
