# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Completion of the command in bash, zsh and fish."""

from __future__ import annotations

import os
import pathlib
import pty
import shutil
import subprocess
import sys
import time

import pytest

from os_vif.cmd.print_completion import FILES

FOLDER = pathlib.Path(__file__).parents[3] / "os_vif/cmd/completion"
FORMATS = ["csv", "json", "table", "text", "value", "yaml"]
#: The words that complete a line, sorted.
LINES = {
    "os-vif che": ["check"],
    "os-vif check -f ": FORMATS,
    "os-vif check vif.json -f j": ["json"],
    "os-vif --config-file vif.json check -f j": ["json"],
    "os-vif check --state ": ["differs", "left-over", "pending", "right", "unknown"],
    "os-vif check --plugin l": ["linux_bridge"],
    "os-vif complete --shell z": ["zsh"],
    "os-vif convert --release 5.2": ["5.2.0", "5.2.1", "5.2.2"],
    "os-vif convert --form o": ["ovo"],
    "os-vif doctor --check ovs": ["ovs-database", "ovs-schema", "ovs-vswitchd"],
    "os-vif help plu": ["plug", "plugins"],
    "os-vif negotiate ": ["bind", "offer", "verdict"],
    "os-vif plug v": ["vif.json"],
    "os-vif privileged --allow-user roo": ["root"],
    "os-vif schema VIFB": ["VIFBase", "VIFBridge"],
}
BASH = r"""
. "$1"
function=$(complete -p os-vif)
function=${function##*-F }
function=${function%% *}
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line}
    IFS=' ' read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    printf '%s\n' "$line"
    "$function" os-vif "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" </dev/null
    printf '%s\n' "${COMPREPLY[@]}" ''
done
"""
FISH = r"""
source $argv[1]
while read --line line
    printf '%s\n' $line
    for candidate in (complete -C $line)
        string split --fields 1 \t -- $candidate
    end
    echo
end
"""
#: Control-] completes the line without a change, and writes the candidates to the file ``found``.
ZSH = r"""
fpath=("$1" $fpath)
autoload -U compinit
compinit -u -D
compadd() {
    local -a words
    builtin compadd -O words "$@"
    (( $#words )) && print -rl -- $words >>found
    builtin compadd "$@"
}
complete-line() {
    print -r -- "$BUFFER" >>found
    zle list-choices
    print >>found
    print >>ended
    BUFFER=
}
zle -N complete-line
bindkey '^]' complete-line
print ready >ready
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> pathlib.Path:
    """Enter a folder with a file, in which ``os-vif`` is the command of this environment."""
    (tmp_path / "vif.json").touch()
    monkeypatch.chdir(tmp_path)
    programs = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "dumb")
    return tmp_path


def _parse(text: str) -> dict[str, list[str]]:
    """Return the sorted candidates by line."""
    blocks = (block.split("\n") for block in text.split("\n\n") if block.strip())
    return {line: sorted(filter(None, words)) for line, *words in blocks}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_bash_completes_commands_options_and_values(folder):
    done = subprocess.run(
        [_program("bash"), "--norc", "-c", BASH, "bash", FOLDER / FILES["bash"]],
        input="".join(f"{line}\n" for line in LINES), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert _parse(done.stdout) == LINES


def test_fish_completes_commands_options_and_values(folder):
    done = subprocess.run(
        [_program("fish"), "--no-config", "-c", FISH, FOLDER / FILES["fish"]],
        input="".join(f"{line}\n" for line in LINES), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert _parse(done.stdout) == LINES


def _wait_for_lines(path: pathlib.Path, count: int) -> None:
    """Wait until a file has a number of lines."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline, f"{path.name} has fewer than {count} lines"
        time.sleep(0.02)


def test_zsh_completes_commands_options_and_values(folder):
    """zsh completes only in an interactive shell."""
    zsh = _program("zsh")
    (folder / "setup.zsh").write_text(ZSH)
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", zsh, "-f", "-i"], stdin=side, stdout=side, stderr=side
    )
    os.close(side)
    try:
        os.write(terminal, f". ./setup.zsh {(FOLDER / FILES['zsh']).parent}\n".encode())
        _wait_for_lines(folder / "ready", 1)
        for number, line in enumerate(LINES, start=1):
            os.write(terminal, f"{line}\x1d".encode())
            _wait_for_lines(folder / "ended", number)
        text = (folder / "found").read_text()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert {line: sorted(set(words)) for line, words in _parse(text).items()} == LINES
