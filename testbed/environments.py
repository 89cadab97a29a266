# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Virtual environments with other projects, and the os_vif under test.

An environment is created once and kept in `testbed.cache`. Nothing is installed into a complete
environment: the os_vif under test is in a directory of its own (a `Subject`), which comes first on
the module path. Any number of runs and checkouts share the cache, and no environment of a test
contains the public os-vif.
"""

from __future__ import annotations

import email.parser
import functools
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import cache
from testbed.cache import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).resolve().parents[1]
PINS = Path(__file__).parent / "pins"

#: The last release of the public project, as published.
PUBLIC_RELEASE = (
    "os-vif==5.3.0 --hash=sha256:bfefb6fcea78c6880d869641146eff7ff3673b5af5974194960191859a73666a"
)

# Messages of pip for an unreachable index, and for an index without the project. The message for a
# missing version of a known project differs, and is a mistake in the pins.
_OUT_OF_REACH = (
    "Retrying (Retry(",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "Max retries exceeded",
    "(from versions: none)",
)


class NoInterpreter(Unavailable):
    """No Python of the requested version is installed."""


def interpreter(version: str | None = None) -> Path:
    """Return the running Python, or the Python of a version ("3.11") from the path or from pyenv.

    :raises NoInterpreter: no such Python is installed.
    """
    if version is None or version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    for candidate in _interpreters(version):
        # pyenv has a program on the path for each version, for disabled versions too.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    raise NoInterpreter(
        f"python{version} is not installed; 'pyenv install {version}' brings it, as does whatever "
        f"puts python{version} on the path"
    )


def _interpreters(version: str) -> Iterator[Path]:
    """Yield the paths where a Python of the version may be."""
    name = f"python{version}"
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")]
    if found := shutil.which(name):
        yield Path(found)
        # The versions of pyenv are next to the folder of shims.
        roots.append(Path(found).parents[1])
    for root in roots:
        yield from sorted(root.glob(f"versions/{version}.*/bin/{name}"), reverse=True)


def pins(name: str) -> str:
    """Return the pinned requirements of the environment *name*."""
    lines = (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("#"))


def environment(
    name: str, pinned: str, requirements: tuple[str, ...] = (), version: str | None = None
) -> Path:
    """Return the Python of an environment with *pinned* and the missing *requirements*.

    The environment is created at first use. The pinned requirements are installed without their
    dependencies; *requirements* may add packages, but may not change a pinned package.

    :raises Unavailable: the environment does not exist yet, and the package index is unreachable.
    """
    base = interpreter(version)
    key = cache.digest(_identity(base), pinned, *sorted(requirements))

    def build(directory: Path) -> None:
        subprocess.run([base, "-m", "venv", directory / "venv"], check=True)
        python = directory / "venv" / "bin" / "python"
        listed = directory / "pins.txt"
        listed.write_text(pinned, encoding="utf-8")
        _pip(python, "install", "--no-deps", "--requirement", listed)
        if requirements:
            _pip(python, "install", "--constraint", listed, *requirements)

    return cache.cached_directory(f"{name}-{key}", build) / "venv" / "bin" / "python"


@dataclass(frozen=True)
class Subject:
    """An os_vif that is ready to run: a directory for the module path, and the requirements."""

    path: Path
    requirements: tuple[str, ...]

    @classmethod
    def from_wheel(cls, wheel: Path, path: Path) -> Subject:
        """Install a wheel in the directory *path*, without the requirements."""
        _pip(interpreter(), "install", "--no-deps", "--no-index", "--target", path, wheel)
        return cls(path, _requirements(wheel))

    @classmethod
    def from_checkout(cls, scratch: Path) -> Subject:
        """Build the wheel of this checkout in *scratch*, and install the wheel there."""
        return cls.from_wheel(_build_wheel(scratch), scratch / "subject")

    @classmethod
    def from_public_release(
        cls, scratch: Path, release: str = PUBLIC_RELEASE, builder: Path | None = None
    ) -> Subject:
        """Install a public release in place of this checkout, for a baseline.

        *release* is a line of a requirements file, with a hash. If the hash is the hash of a
        source archive, the Python *builder* creates a wheel of the archive.
        """
        return cls.from_wheel(_public_wheel(release, builder), scratch / "subject")


def published_tests() -> Path:
    """Return a directory with the tests of the public release, and nothing else.

    The folders ``os_vif/`` and ``vif_plug_*/`` in the directory have ``tests/`` only. The wheel
    has the same tests as the source archive, and unpacking a wheel runs no code.
    """

    def unpack(directory: Path) -> None:
        with zipfile.ZipFile(_public_wheel()) as wheel:
            for name in wheel.namelist():
                if name.split("/")[1:2] == ["tests"]:
                    wheel.extract(name, directory)

    return cache.cached_directory(f"published-tests-{cache.digest(PUBLIC_RELEASE)}", unpack)


def _public_wheel(release: str = PUBLIC_RELEASE, builder: Path | None = None) -> Path:
    command = ["download", "--only-binary", ":all:", "--dest"]
    if builder is not None:
        command = ["wheel", "--no-build-isolation", "--wheel-dir"]

    def download(directory: Path) -> None:
        listed = directory / "requirements.txt"
        listed.write_text(release + "\n", encoding="utf-8")
        pinned = ("--no-deps", "--require-hashes", "--requirement", listed)
        _pip(builder or interpreter(), *command, directory, *pinned)

    return _only_wheel(cache.cached_directory(f"public-release-{cache.digest(release)}", download))


def _build_wheel(scratch: Path) -> Path:
    """Build a wheel from a copy of the checkout: setuptools leaves files in the tree."""
    copy, wheels = scratch / "source", scratch / "wheel"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=left_out)
    project = tomllib.loads((copy / "pyproject.toml").read_text(encoding="utf-8"))
    backend = "\n".join([*project["build-system"]["requires"], "wheel", ""])
    builder = environment("builder", backend)
    _pip(builder, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, copy)
    return _only_wheel(wheels)


def _only_wheel(directory: Path) -> Path:
    (wheel,) = directory.glob("*.whl")
    return wheel


def _requirements(wheel: Path) -> tuple[str, ...]:
    """Return the requirements of a wheel without extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.parser.Parser().parsestr(archive.read(name).decode())
    required = metadata.get_all("Requires-Dist") or []
    return tuple(line for line in required if "extra ==" not in line)


def _pip(python: Path, command: str, *arguments: str | Path) -> None:
    """Run pip with the configuration of this machine.

    :raises Unavailable: pip cannot reach the package index.
    """
    quietly = ("--quiet", "--no-input", "--disable-pip-version-check")
    # With `-I` and no PYTHONPATH, pip does not mistake a checkout for an installed package.
    done = subprocess.run(
        [python, "-I", "-m", "pip", command, *quietly, *arguments],
        env=without_python_settings(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    if any(sign in done.stderr for sign in _OUT_OF_REACH):
        raise Unavailable("the package index is out of reach, and the cache has no environment")
    raise RuntimeError(f"pip {command} failed:\n{done.stdout}{done.stderr}")


def without_python_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without the settings of the running Python."""
    return {name: value for name, value in environ.items() if not name.startswith("PYTHON")}


@functools.cache
def _identity(python: Path) -> str:
    """Return a text that differs between the environments of two interpreters."""
    code = "import sys, sysconfig; print(sys.version, sys.base_prefix, sysconfig.get_platform())"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
