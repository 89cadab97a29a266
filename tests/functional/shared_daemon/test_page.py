# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The units of systemd, and the commands of the page ``operators/shared_daemon``, run as they are."""

from __future__ import annotations

import configparser
import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from os_vif.engine.shared_calls.shared_client import probe
from os_vif.testing.host_snapshots import ip
from testbed import snippets
from tests.support.documents.pages import PAGES, ROOT
from tests.support.shared_daemon.shared_daemons import require_users

PAGE = PAGES["operators/shared_daemon"]
UNITS = ROOT / "etc" / "systemd"
#: A group of each machine, in the place of the group of a service.
GROUP = "nogroup"
#: Runs a program as systemd does, with a listening socket as descriptor 3.
AS_SYSTEMD = """\
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def block(caption: str) -> str:
    """Return the text of a file of the page."""
    (text,) = [b.text for b in snippets.blocks(PAGE) if b.caption == caption]
    return text.replace("nova", GROUP)


def commands(program: str) -> list[str]:
    """Return the commands of the page with a program."""
    lines = [
        line for b in snippets.blocks(PAGE, "sh") for line in b.text.splitlines() if line.strip()
    ]
    return [line for line in lines if line.split()[0] == program]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(UNITS / name)
    return parser


@contextlib.contextmanager
def started(line: str, tmp_path, listening: socket.socket | None = None) -> Iterator[str]:
    """Start a daemon by a command line, with the socket of systemd if there is one.

    Yields the state that the daemon has sent to systemd.
    """
    notified = str(tmp_path / "notify")
    pathlib.Path(notified).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(notified)
        manager.settimeout(60)
        environment = os.environ | {"NOTIFY_SOCKET": notified}
        command, passed = [], []
        if listening is not None:
            passed = [listening.fileno()]
            command = [sys.executable, "-c", AS_SYSTEMD, str(passed[0])]
        line = line.replace("/etc/os-vif/os-vif.conf", str(tmp_path / "os-vif.conf"))
        program = pathlib.Path(sys.executable).with_name("os-vif")
        command += [str(program), *shlex.split(line)[1:]]
        with subprocess.Popen(command, pass_fds=passed, env=environment) as process:
            try:
                yield manager.recv(100).decode()
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


@pytest.fixture
def files(namespace, tmp_path) -> pathlib.Path:
    """Write the files of the page, and the VIF of the other pages."""
    require_users()
    (tmp_path / "os-vif.conf").write_text(block("/etc/os-vif/os-vif.conf"))
    (tmp_path / "nova.conf").write_text(block("nova.conf"))
    (vif,) = {
        b.text
        for page in PAGES.values()
        for b in snippets.blocks(page, "json")
        if b.caption == "vif.json"
    }
    (tmp_path / "vif.json").write_text(vif)
    return tmp_path


def call_as_on_the_page(directory: pathlib.Path) -> None:
    """Run the caller's commands of the page in order."""
    lines = [line for line in commands("os-vif") if "nova.conf" in line]
    assert [shlex.split(line)[3] for line in lines] == ["plug", "check", "unplug"]
    program = pathlib.Path(sys.executable).with_name("os-vif")
    for line in lines:
        done = subprocess.run(
            [program, *shlex.split(line)[1:]],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_of_the_page_serves_the_commands_of_the_page(files):
    (line,) = [line for line in commands("os-vif") if " privileged " in line]
    path = shlex.split(line)[-1]
    with started(line, files) as state:
        assert state == "READY=1"
        found = pathlib.Path(path).stat()
        assert oct(found.st_mode & 0o777) == "0o660"
        assert pathlib.Path(path).group() == GROUP
        call_as_on_the_page(files)
    assert not pathlib.Path(path).exists()
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_the_service_takes_the_socket_of_systemd_and_leaves_it_for_the_next(files):
    path = unit("os-vif-privileged.socket")["Socket"]["ListenStream"]
    line = unit("os-vif-privileged.service")["Service"]["ExecStart"]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(10)
        with started(line, files, listening) as state:
            assert state == "READY=1"
            first = probe(path, 30)
            assert "vif_plug_linux_bridge.privsep" in first.modules
        # A caller that connects between two daemons waits for the second one.
        with socket.socket(socket.AF_UNIX) as waiting, started(line, files, listening):
            waiting.connect(path)
            assert probe(path, 30).pid != first.pid
            call_as_on_the_page(files)
    pathlib.Path(path).unlink()


@pytest.mark.parametrize("name", ["os-vif-privileged.service", "os-vif-privileged.socket"])
def test_systemd_accepts_the_unit(tmp_path, name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    program = pathlib.Path(sys.executable).with_name("os-vif")
    for path in UNITS.iterdir():
        text = path.read_text().replace("/usr/bin/os-vif", str(program))
        (tmp_path / path.name).write_text(text)
    override = tmp_path / "os-vif-privileged.socket.d" / "override.conf"
    override.parent.mkdir()
    override.write_text(block(f"/etc/systemd/system/{override.parent.name}/override.conf"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_installs_the_units_that_setup_cfg_ships():
    (copy,) = commands("cp")
    setup = (ROOT / "setup.cfg").read_text()
    source = pathlib.PurePath(shlex.split(copy)[1])
    assert source.parent.is_relative_to("/usr")
    folder = source.parent.relative_to("/usr")
    assert f"\n{folder} =\n" in setup
    for path in UNITS.glob(source.name):
        assert f"\n    etc/systemd/{path.name}\n" in setup
    assert "os-vif-privileged.socket os-vif-privileged.service" in commands("systemctl")[1]


def test_the_socket_of_a_relative_path_is_deleted_at_the_end(namespace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with started("os-vif privileged --listen relative.sock", tmp_path) as state:
        assert state == "READY=1"
        assert (tmp_path / "relative.sock").is_socket()
    assert not (tmp_path / "relative.sock").exists()


def test_bad_arguments_of_the_command_are_told(tmp_path, os_vif):
    taken = tmp_path / "file"
    taken.write_text("")
    for arguments, code, told in (
        (["--listen", str(taken)], 1, "exists and is no socket"),
        (["--listen", str(tmp_path / "no" / "folder" / "s")], 1, "No such file or directory"),
        (["--listen", str(tmp_path / "no" / "s")], 1, "No such file or directory"),
        (["--allow-user", "no-such-user"], 2, "there is no user named 'no-such-user'"),
        (["--allow-group", "no-such-group"], 2, "there is no group named 'no-such-group'"),
        (["--socket-mode", "999"], 2, "expected an octal mode"),
    ):
        done = os_vif("privileged", *arguments)
        assert done.returncode == code, done.stderr
        assert told in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
