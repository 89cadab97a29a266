# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What goes wrong with a virtual machine is said once, and clearly. These run on this machine."""

from __future__ import annotations

import os
import pathlib
import pty
import signal
import subprocess
import sys
import time

import pytest

from testbed import cache
from testbed.cache import Unavailable
from testbed.vm import guest, lab
from testbed.vm.scenarios import SCENARIOS, Scenario

ROOT = pathlib.Path(__file__).parents[2]
TEST = "tests/vm/test_kernel.py::test_a_bridge_filters_vlans"
KIND = "tests/vm/test_kernel.py::test_devices_of_all_kinds_can_be_made"
OTHER = "tests/vm/test_kernel.py::test_flower_drops_what_it_matches"
MISSING = [name for name in ("apt-get", "dpkg-deb") if not pathlib.Path("/usr/bin", name).exists()]


def session(*arguments: str, **variables: str) -> subprocess.Popen:
    """A pytest of its own, for tests that are for a guest."""
    environment = os.environ | {"OS_VIF_VM": "auto", "PYTHONPATH": str(ROOT)} | variables
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def qemu_of(pid: int) -> int | None:
    """The process of QEMU below a process."""
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if pathlib.Path(f"/proc/{child}/comm").read_text().startswith("qemu-system"):
            return int(child)
        if found := qemu_of(int(child)):
            return found
    return None


def test_a_killed_qemu_is_one_clear_failure(made_lab):
    """The test that ran says so, and those after it were not run."""
    with session(TEST, OTHER) as run:
        deadline = time.monotonic() + 60
        while (pid := qemu_of(run.pid)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert pid is not None
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
        output, _ = run.communicate()
    assert run.returncode == 1
    assert "plain ended before its command did (QEMU: killed by signal 9)" in output
    assert output.count("killed by signal 9") - output.count("FAILED") < 2
    assert "not run, since the virtual machine plain has ended" in output
    assert "2 failed" in output


@pytest.mark.soak
def test_a_guest_that_says_nothing_is_ended_and_its_console_is_shown(made_lab, tmp_path):
    """It hangs, or this machine does."""
    noisy = Scenario(("no-such-module",))
    machine = guest.Guest(made_lab, noisy, ["sleep", "1000"], tmp_path, silence=25)
    with pytest.raises(guest.Ended) as info:
        list(machine.lines())
    assert "said nothing for 25 s, and was ended" in str(info.value)
    assert "os-vif-vm: no module no-such-module" in str(info.value)
    assert not pathlib.Path(f"/proc/{machine.pid}").exists()


def test_the_status_of_the_command_and_what_it_wrote_come_back(made_lab, tmp_path):
    """By descriptor 3 at once, and in the directory /out; what it writes elsewhere is gone with it."""
    path = ROOT / "written-in-a-guest"
    command = ["sh", "-c", f"echo said; echo heard >&3; touch '{path}' && exit 7"]
    machine = guest.Guest(made_lab, SCENARIOS["plain"], command, tmp_path)
    assert list(machine.lines()) == ["heard"]
    assert machine.status() == 7
    assert (tmp_path / "output").read_text() == "said\n"
    assert not path.exists()


@pytest.mark.skipif(bool(MISSING), reason=f"there is no {MISSING}")
def test_no_space_is_one_clear_message(monkeypatch, tmp_path):
    """Before anything is fetched, and nothing stays."""
    monkeypatch.setenv("OS_VIF_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(lab, "NEEDED_SPACE", 10**18)
    with pytest.raises(Unavailable, match=r"no space: .* MB in .*, and \d+ MB are free"):
        lab.lab()
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.soak
@pytest.mark.skipif(bool(MISSING), reason=f"there is no {MISSING}")
def test_a_disk_that_fills_up_is_one_clear_message(tmp_path):
    """While the packages are fetched or unpacked; nothing stays."""
    if os.geteuid() != 0:
        pytest.skip("needs the right to mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    code = (
        "from testbed.vm import lab; lab.NEEDED_SPACE = 0\n"
        "try: lab.lab()\nexcept lab.Unavailable as reason: print('said:', reason)\n"
        "import os; print(os.listdir(os.environ['OS_VIF_TEST_CACHE']))"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=30m small "$1" && exec "$2" -c "$3"',
         "sh", small, sys.executable, code],
        cwd=ROOT, env=os.environ | {"OS_VIF_TEST_CACHE": str(small)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    said, left = done.stdout.strip().splitlines()
    assert said.startswith("said: ")
    assert "space" in said
    assert ".lock" in left
    assert left.count("vm-") == 1


@pytest.mark.parametrize("missing", ["apt-get", "dpkg-deb", "tar"])
def test_a_missing_program_is_named(monkeypatch, missing):
    """And what it belongs to."""
    monkeypatch.setattr(lab.shutil, "which", lambda name, **_: None if name == missing else name)
    with pytest.raises(
        Unavailable, match=f"no {missing}: the virtual machine is made from Debian"
    ):
        lab.lab()


@pytest.mark.soak
@pytest.mark.skipif(bool(MISSING), reason=f"there is no {MISSING}")
def test_a_missing_package_is_named(monkeypatch, tmp_path):
    """Debian has it no more, or the mirror is out of reach."""
    monkeypatch.setenv("OS_VIF_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(lab, "_TOOLS", ("no-such-package",))
    with pytest.raises(Unavailable, match=r"not to be had: .*no-such-package"):
        lab.lab()


def test_where_there_is_no_machine_the_tests_say_why(tmp_path):
    """Skipped; failed where they are required."""
    for mode, outcome in (("auto", "1 skipped"), ("require", "1 failed")):
        path = {"PATH": str(tmp_path), "OS_VIF_VM": mode}
        with session(TEST, **path) as run:
            output, _ = run.communicate()
        assert "no virtual machine: no apt-get" in output
        assert outcome in output


def test_a_build_that_was_interrupted_leaves_nothing(monkeypatch, tmp_path):
    """The next one starts anew."""
    monkeypatch.setenv("OS_VIF_TEST_CACHE", str(tmp_path))

    def interrupted(path: pathlib.Path) -> None:
        (path / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.cached_directory("thing", interrupted)
    assert not (tmp_path / "thing").exists()
    assert list(cache.cached_directory("thing", lambda path: (path / "whole").touch()).glob("*"))


def typed(command: list[str], *answers: tuple[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of its own; at each sign, type what goes with it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(command[0], command)  # noqa: S606 - there is none to be
    shown = ""
    waiting = list(answers)
    deadline = time.monotonic() + 180
    with os.fdopen(terminal, "rb", buffering=0) as output:
        while time.monotonic() < deadline:
            try:
                shown += output.read(4096).decode(errors="replace")
            except OSError:  # the other side is closed
                break
            if waiting and waiting[0][0] in shown.rpartition("\n")[2]:
                os.write(terminal, waiting.pop(0)[1].encode() + b"\r")
        else:
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert waiting == [], shown
    return os.waitstatus_to_exitcode(status), shown


@pytest.mark.soak
def test_a_shell_in_a_guest_has_this_terminal(made_lab):
    """python -m testbed.vm SCENARIO: what is typed there arrives, also the status."""
    command = [sys.executable, "-m", "testbed.vm", "plain"]
    status, shown = typed(command, ("# ", "tty; uname -r; [ -t 0 ] && exit 9"))
    assert status == 9
    assert "/dev/hvc0" in shown
    assert made_lab.version in shown


@pytest.mark.soak
def test_a_debugger_stops_in_a_guest(made_lab):
    """Where the test failed, with its variables."""
    pytest_there = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pdb", "--trace"]
    status, shown = typed(
        [sys.executable, "-m", "testbed.vm", "plain", *pytest_there, f"{KIND}[dummy]"],
        ("(Pdb)", "print(6 * 7, kind)"),
        ("(Pdb)", "continue"),
    )
    assert "42 dummy" in shown
    assert "1 passed" in shown
    assert status == 0
