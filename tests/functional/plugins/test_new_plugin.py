# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif new-plugin`` writes a package that works as it is, or writes nothing."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys

import pytest

from testbed import snippets
from tests.support.documents.pages import PAGES
from tests.support.plugin_packages import run_own_tests


@pytest.fixture
def new_plugin(os_vif_command, tmp_path):
    """Run the command in an empty directory; return the process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [os_vif_command, "new-plugin", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Upper", "the name of the plugin is 'Upper'; expected at most 32 lower-case letters"),
        ("with-hyphen", "the name of the plugin is 'with-hyphen'"),
        ("two__underscores", "the name of the plugin is"),
        ("../outside", "the name of the plugin is '../outside'"),
        ("x" * 33, "the name of the plugin is"),
        ("", "the name of the plugin is ''"),
        ("ovs", "a plugin 'ovs' is installed already"),
    ],
)
def test_an_unusable_name_is_one_error_and_writes_nothing(new_plugin, tmp_path, name, reason):
    done = new_plugin(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_left_as_it_is(new_plugin, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("text")
    done = new_plugin("example", "--directory", "mine")
    assert done.returncode == 2
    assert done.stderr == "mine exists already; expected the name of a new directory\n"
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "file"]


def test_a_directory_that_cannot_be_written_is_one_error(new_plugin, tmp_path):
    done = new_plugin("example", "--directory", "missing/package")
    assert done.returncode == 2
    assert done.stderr == "cannot write missing/package: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_every_file_of_the_template_has_the_names_of_the_plugin(new_plugin, tmp_path):
    done = new_plugin("two_words")
    assert (done.returncode, done.stderr) == (0, "")
    package = tmp_path / "os-vif-two-words"
    files = [path for path in package.rglob("*") if path.is_file()]
    assert f"Wrote {len(files)} files to os-vif-two-words." in done.stdout
    assert "%{" not in "".join(path.read_text() for path in files)
    assert (package / "src" / "os_vif_two_words" / "py.typed").is_file()
    assert (
        'two_words = "os_vif_two_words.plugin:TwoWordsPlugin"'
        in (package / "pyproject.toml").read_text()
    )


def test_the_next_commands_run_in_the_environment_of_os_vif(new_plugin, monkeypatch):
    """The commands name Python by its path, unless the environment is first on the path."""
    folder = pathlib.Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert "\n  python -m pip install -e '.[test]'\n  python -m pytest\n" in new_plugin("a").stdout
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    python = shlex.quote(sys.executable)
    assert f"\n  {python} -m pip install -e '.[test]'\n" in new_plugin("b").stdout


def test_the_tutorial_shows_the_output_of_the_command(new_plugin, monkeypatch):
    folder = pathlib.Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (first, *_) = snippets.blocks(PAGES["plugin_authors/tutorial"], "console")
    (command,) = snippets.commands(first)
    assert command.line == "os-vif new-plugin example"
    assert new_plugin("example").stdout.strip() == command.output


@pytest.mark.usefixtures("namespace")
def test_the_tests_of_a_new_plugin_pass(new_plugin, tmp_path):
    """Without the kills of the conformance suite, which the path of an author runs (tests/interop)."""
    assert new_plugin("example").returncode == 0
    package = tmp_path / "os-vif-example"
    conformance = package / "tests" / "test_conformance.py"
    text = conformance.read_text()
    changed = text.replace(
        "numbered=vif)]", "numbered=vif)], checks=['describe', 'plug', 'failures in unplug']"
    )
    assert changed != text
    conformance.write_text(changed)
    assert "5 passed" in run_own_tests(package, tmp_path / "site")
