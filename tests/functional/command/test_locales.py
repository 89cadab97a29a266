# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command works whatever the encoding of its output is: what does not fit is escaped."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from os_vif import objects, serialization

ENVIRONMENTS = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "en_US.ISO-8859-1"},
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX"},
    # As a locale that is there: no UTF-8 mode stands for it.
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]
#: The environment with the fewest characters, for each command. tox -e soak has the other ones too.
FEWEST = pytest.param(ENVIRONMENTS[-1], id="ascii")


def others(*environments: dict[str, str]) -> list[object]:
    """Return environments as parameters of tests that tox -e soak runs."""
    return [pytest.param(each, marks=pytest.mark.soak, id=str(each)) for each in environments]


def run(environment: dict[str, str], *command: str, data: str = "") -> tuple[int, str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))
    }
    done = subprocess.run(
        command, input=data.encode(), env=clean | environment, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.fixture
def vif() -> objects.VIFGeneric:
    """A VIF with a label that neither ASCII nor Latin-1 has."""
    return objects.VIFGeneric(
        id="10000000-0000-4000-8000-000000000000",
        plugin="noop",
        vif_name="tap1",
        network=objects.Network(label="網路 ü \U0001f600", mtu=1450),
    )


@pytest.mark.parametrize("environment", [FEWEST, *others(ENVIRONMENTS[0])])
def test_the_demo_is_shown_in_every_locale(rights, os_vif_command, environment):
    code, shown, error = run(environment, os_vif_command, "demo")
    assert (code, "codec can't" in shown + error) == (0, False), error
    assert "tapdemo-2 (veth, up" in shown
    assert "Nothing is left." in shown


@pytest.mark.short_form(4)
@pytest.mark.parametrize("environment", [FEWEST, *others(ENVIRONMENTS[1], ENVIRONMENTS[4])])
@pytest.mark.parametrize(
    "command",
    [
        *("show", "show --ascii", "validate", "convert --form json", "convert --form ovo"),
        *("plan -", "plugins", "plugins -f json", "plugins -f csv", "--help"),
    ],
)
def test_every_command_prints_in_every_locale(os_vif_command, tmp_path, vif, environment, command):
    """With a network whose label the encoding lacks."""
    path = tmp_path / "名 VIF.json"
    text = serialization.dumps(vif)
    path.write_text(text)
    words = command.split()
    if words[0] in {"show", "validate"}:
        words.append(str(path))
    code, shown, error = run(environment, os_vif_command, *words, data=text)
    assert (code, "codec can't" in shown + error, "Traceback" in error) == (0, False, False), error
    if words[0] == "convert":
        assert serialization.loads(shown).network.label == vif.network.label


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
def test_a_tree_is_printed_in_every_locale(os_vif_command, vif, environment):
    """Characters that the encoding lacks are escaped."""
    code, shown, error = run(environment, os_vif_command, "show", data=serialization.dumps(vif))
    assert (code, "codec can't" in shown + error, "Traceback" in error) == (0, False, False), error


#: Beside those that are given one good document: the arguments, and the exit code.
_OTHERS = [
    ("show --ascii {wrong}", 4),
    ("validate -v {wrong}", 4),
    ("convert --form json {wrong}", 4),
    ("convert --form json -o {out} {good}", 0),
    ("plan {wrong}", 2),
    ("plan {unknown}", 2),
    ("check {unknown}", 2),
    ("check -f json {bridge}", 2),
    ("plug {bridge}", 2),
    ("unplug {unknown}", 2),
    ("plugins -c \u540d\xfc", 2),
    ("schema \u540d\xfc", 2),
    ("help \u540d\xfc", 2),
    ("\u540d\xfc", 2),
    ("validate {missing}", 2),
    ("host-info", 0),
    ("complete", 0),
]


def _documents(directory: pathlib.Path) -> dict[str, str]:
    """Write documents that have names in no locale's alphabet; return their paths, by kind."""
    beginning = '"apiVersion": "os-vif/2.0", "id": "10000000-0000-4000-8000-000000000000"'
    texts = {
        "good": f'{{{beginning}, "kind": "VIFGeneric", "plugin": "noop"}}',
        "wrong": f'{{{beginning}, "kind": "VIFGeneric", "plugin": 7, "\u540d": 1}}',
        "unknown": f'{{{beginning}, "kind": "VIFGeneric", "plugin": "\xfc\u540d"}}',
        "bridge": (
            f'{{{beginning}, "kind": "VIFBridge", "plugin": "linux_bridge", '
            '"bridge_name": "\xfc\u540d", "network": {"should_provide_bridge": true}}'
        ),
    }
    paths = {name: directory / f"\u540d \xfc {name}.json" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    paths |= {name: directory / f"\u540d\xfc.{name}" for name in ("out", "missing")}
    return {name: str(path) for name, path in paths.items()}


@pytest.mark.short_form(6)
@pytest.mark.parametrize("environment", [FEWEST, *others(ENVIRONMENTS[0])])
@pytest.mark.parametrize(("command", "expected"), _OTHERS)
def test_every_command_tells_what_is_wrong_in_every_locale(
    rights, os_vif_command, tmp_path, environment, command, expected
):
    """With names of files, fields, plugins and devices that the encoding lacks."""
    paths = _documents(tmp_path)
    words = [word.format(**paths) for word in command.split()]
    code, shown, error = run(environment, os_vif_command, *words)
    assert (code, "codec can't" in shown + error, "Traceback" in error) == (
        expected,
        False,
        False,
    ), error


def test_a_configuration_that_the_locale_cannot_read_is_told(os_vif_command, tmp_path, vif):
    """oslo.config reads files in the encoding of the locale."""
    path = tmp_path / "\u540d.conf"
    path.write_text("[DEFAULT]\n# \xfc \u540d\n", encoding="utf-8")
    words = ("--config-file", str(path), "plan", "-")
    text = serialization.dumps(vif)
    assert run({"LC_ALL": "C"}, os_vif_command, *words, data=text)[0] == 0
    code, _, error = run(ENVIRONMENTS[5], os_vif_command, *words, data=text)
    assert code == 2
    assert error.startswith("--config-file: one of ")
    assert "LC_ALL=C.UTF-8" in error
