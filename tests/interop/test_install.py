# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What pip installs, from a wheel, an sdist or a checkout, is all of os-vif."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from testbed import environments
from testbed.environments import CHECKOUT

LOOK = """
import importlib.metadata, importlib.resources, json, pkgutil
import os_vif, vif_plug_linux_bridge, vif_plug_noop, vif_plug_ovs
os_vif.initialize()
import os_vif.cmd, os_vif.host, os_vif.objects, os_vif.plugins
packages = (os_vif, vif_plug_linux_bridge, vif_plug_noop, vif_plug_ovs)
modules = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
# Modules that need an extra: os-vif[metrics], os-vif[otel] and os-vif[testing].
optional = {
    "os_vif.operations.metrics", "os_vif.operations.tracing", "os_vif.testing.pytest_plugin"
}
for name in modules:
    if name not in optional:
        importlib.import_module(name)
entry_points = importlib.metadata.distribution("os-vif").entry_points
for entry_point in entry_points:
    if entry_point.module not in optional:
        entry_point.load()
print(json.dumps({
    "where": os_vif.__file__,
    "version": importlib.metadata.version("os_vif"),
    "modules": sorted(modules),
    "entry_points": sorted(f"{e.group}:{e.name}" for e in entry_points),
    "typed": all(importlib.resources.files(p).joinpath("py.typed").is_file() for p in packages),
    "plugins": [p.plugin_name for p in os_vif.host_info().plugin_info],
}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A git checkout without tags, of the work tree as it is."""
    path = tmp_path_factory.mktemp("install") / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".tox", "*.egg-info", "build", "dist", "__pycache__", ".*_cache"
    )
    shutil.copytree(CHECKOUT, path, ignore=ignored)
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "-C", str(path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "all"], check=True)
    return path


def _builder() -> Path:
    try:
        return environments.environment("build", "build==1.3.0\n", ("build",))
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


def _build(source: Path, form: str, directory: Path) -> Path:
    """Build a wheel or an sdist; return the file."""
    subprocess.run(
        [_builder(), "-m", "build", f"--{form}", "-o", directory, source],
        check=True,
        capture_output=True,
    )
    (built,) = directory.iterdir()
    return built


@pytest.mark.interop
@pytest.mark.parametrize("form", ["wheel", "sdist", "git"])
def test_pip_install_in_an_empty_environment_brings_everything(source, tmp_path, form):
    """Every module imports, every entry point loads, the data files are there."""
    what = f"git+file://{source}" if form == "git" else _build(source, form, tmp_path / "dist")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", what]
    installed = subprocess.run(pip, check=False, capture_output=True, text=True, cwd=tmp_path)
    if (
        "Could not find a version" in installed.stderr
        and "(from versions: none)" in installed.stderr
    ):
        pytest.skip("the package index is out of reach")
    assert installed.returncode == 0, installed.stderr
    _check_installation(python, tmp_path)


def test_a_wheel_contains_everything(source, tmp_path):
    """Install the wheel alone; the required packages are those of this environment."""
    wheel = _build(source, "wheel", tmp_path / "dist")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel]
    subprocess.run(pip, check=True, cwd=tmp_path)
    (packages,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
    # Python does not process the .pth files of a directory that a .pth file names, such as the file
    # for the editable installation of os-vif.
    (packages / "required.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    _check_installation(python, tmp_path)


def _check_installation(python: Path, directory: Path) -> None:
    """Check that an environment below a directory has all modules, entry points and data."""
    looked = subprocess.run(
        [python, "-W", "ignore", "-c", LOOK],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
    )
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout.splitlines()[-1])
    assert found["where"].startswith(str(directory))
    assert found["version"] == "6.0.0"
    assert found["typed"]
    assert found["plugins"] == ["linux_bridge", "noop", "ovs", "sriov"]
    assert "oslo.config.opts:os_vif" in found["entry_points"]
    assert "console_scripts:os-vif" in found["entry_points"]
    assert found["modules"] == sorted(
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("os_vif", "vif_plug_linux_bridge", "vif_plug_noop", "vif_plug_ovs")
        for path in (CHECKOUT / package).rglob("*.py")
        if path != CHECKOUT / package / "__init__.py"
    )
    assert (directory / "venv/bin/os-vif").exists()
    share = directory / "venv/share"
    installed = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    pages = {f"man/man1/{path.name}" for path in (CHECKOUT / "etc/man").glob("*.1")}
    assert pages
    assert {
        *pages,
        "bash-completion/completions/os-vif",
        "zsh/site-functions/_os-vif",
        "fish/vendor_completions.d/os-vif.fish",
        "os-vif/logrotate.d/os-vif",
        "os-vif/rootwrap.d/os-vif.filters",
        "os-vif/sudoers.d/os-vif",
        "os-vif/systemd/os-vif-gc.timer",
    } <= installed
    done = subprocess.run(
        [directory / "venv/bin/os-vif", "complete", "--shell", "fish"],
        check=True, capture_output=True, text=True, cwd=directory,
    )  # fmt: skip
    assert done.stdout == (share / "fish/vendor_completions.d/os-vif.fish").read_text()


def test_the_sdist_can_be_tested(source, tmp_path):
    """Tests, tools, documentation and what they need are in it."""
    archive = _build(source, "sdist", tmp_path / "dist")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    listed = subprocess.run(
        ["git", "-C", CHECKOUT, "ls-files"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, which says what belongs to it")
    # One that is deleted and not yet committed is no matter of the sdist's.
    tracked = [name for name in listed.stdout.split() if (CHECKOUT / name).exists()]
    assert sorted(set(tracked) - names - {".gitignore"}) == []


FUNCTIONAL = (
    "engine/test_engine",
    "engine/test_eventlet",
    "linux_bridge/test_linux_bridge",
    "steps/test_netlink",
    "watch/test_monitors",
)


@pytest.mark.interop
def test_the_lower_bounds_of_our_requirements_hold(subject, tmp_path):
    """The unit and functional tests pass on the oldest versions that setup.cfg allows."""
    pinned = (CHECKOUT / "lower-constraints.txt").read_text(encoding="utf-8")
    bounds = sorted(line for line in pinned.splitlines() if not line.startswith("#"))
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    requirements = (
        *subject.requirements,
        *(line for extra in ("messaging", "protobuf") for line in extras[extra].split()),
    )
    assert sorted(line.replace(">=", "==") for line in requirements) == bounds
    try:
        python = environments.environment(
            "lower",
            pinned,
            (
                *requirements,
                "pytest>=8",
                "pytest-timeout",
                "pytest-xdist",
                "hypothesis",
                "fixtures",
                "jsonschema",
                "PyYAML",
                "ovs",
            ),
        )
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    # The command and its entry points belong to the environment too.
    done = subprocess.run(
        # The tests of the command need it installed, with its script; those are left out.
        [
            *(python, "-m", "pytest", "-q", "-rs", "-m", "not interop and not soak", "tests/unit"),
            *(f"tests/functional/{name}.py" for name in FUNCTIONAL),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        # The daemon is a process of its own, and looks for us too.
        env=os.environ | {"PYTHONPATH": str(subject.path)},
    )
    assert done.returncode == 0, done.stdout[-3000:]
    # Those of an extra are skipped where that is not installed.
    assert "os-vif[" not in done.stdout
