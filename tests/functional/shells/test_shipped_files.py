# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The files for sudo, rootwrap, logrotate and systemd, each checked by its program."""

from __future__ import annotations

import configparser
import pathlib
import re
import shutil
import subprocess

import pytest

ETC = pathlib.Path(__file__).parents[3] / "etc"
CONTEXTS = {
    "os_vif.plugins.sriov_privsep.vif_plug",
    "vif_plug_linux_bridge.privsep.vif_plug",
    "vif_plug_ovs.privsep.vif_plug",
}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_visudo_accepts_the_sudoers_file(tmp_path):
    path = tmp_path / "os-vif"
    shutil.copy(ETC / "sudoers.d/os-vif", path)
    path.chmod(0o440)
    done = subprocess.run(
        [_program("visudo"), "-c", "-f", path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_sudoers_line_permits_one_daemon_and_no_other_argument():
    text = (ETC / "sudoers.d/os-vif").read_text()
    patterns = re.findall(r"^nova .* /usr/bin/privsep-helper (\^.*\$)$", text, re.MULTILINE)
    allowed = [
        context
        for context in sorted(CONTEXTS)
        for pattern in patterns
        if re.search(pattern, _arguments(context))
    ]
    assert allowed == sorted(CONTEXTS)
    wrong = (_arguments("os.system"), f"{_arguments('x')} --config-file /tmp/evil.conf")
    for context in CONTEXTS:
        more = f"--config-file /tmp/evil.conf {_arguments(context)}"
        assert not any(re.search(pattern, text) for pattern in patterns for text in (more, *wrong))


def _arguments(context: str) -> str:
    """Return the arguments of privsep-helper for a context."""
    return (
        f"--config-file /etc/nova/nova.conf --privsep_context {context} "
        "--privsep_sock_path /tmp/tmp1a_b/privsep.sock"
    )


def test_each_rootwrap_filter_matches_one_daemon():
    """The fields of RegExpFilter: the program, the user, and a pattern for each argument."""
    parser = configparser.RawConfigParser()
    parser.read(ETC / "rootwrap.d/os-vif.filters")
    matched = []
    for _, value in parser.items("Filters"):
        kind, program, user, *patterns = re.split(r"\s*,\s*", value)
        assert (kind, program, user) == ("RegExpFilter", "privsep-helper", "root")
        for context in [*sorted(CONTEXTS), "os.system"]:
            words = ["privsep-helper", *_arguments(context).split()]
            if len(words) == len(patterns) and all(
                re.fullmatch(pattern, word) for pattern, word in zip(patterns, words, strict=True)
            ):
                matched.append(context)
    assert sorted(matched) == sorted(CONTEXTS)


def test_oslo_rootwrap_reads_the_filters():
    wrapper = pytest.importorskip("oslo_rootwrap.wrapper")
    filters = wrapper.load_filters([str(ETC / "rootwrap.d")])
    command = ["privsep-helper", *_arguments("vif_plug_ovs.privsep.vif_plug").split()]
    assert any(each.match(command) for each in filters)


def test_logrotate_reads_the_file(tmp_path):
    path = tmp_path / "os-vif"
    # Without root, and for other owners of the file, logrotate refuses the file.
    path.write_text((ETC / "logrotate.d/os-vif").read_text())
    path.chmod(0o644)
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin:/bin") or _program(
        "logrotate"
    )
    done = subprocess.run(
        [program, "-d", "-s", tmp_path / "state", path],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert "/var/log/os-vif/*.log" in done.stderr


def test_systemd_accepts_the_units(tmp_path):
    """The path of the command is replaced by that of a program that exists."""
    analyze = _program("systemd-analyze")
    for path in (ETC / "systemd").iterdir():
        text = path.read_text().replace("/usr/bin/os-vif", "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(tmp_path.iterdir())],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "os-vif" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
