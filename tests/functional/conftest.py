# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fixtures of functional tests, which run against the kernel in network namespaces of their
own.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from oslo_config import cfg
from oslo_serialization import jsonutils

from os_vif import objects
from os_vif.cmd import main
from os_vif.testing import conformance_suite, open_vswitch, private_host, private_namespaces
from testbed import environments, ovs
from tests.support.daemons import CONTEXTS
from tests.support.forks import forked
from tests.support.vifs import bridge_vif

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def rights() -> None:
    """Skip the test if a right for network namespaces is missing, and name the right."""
    try:
        private_namespaces.require_rights()
    except private_namespaces.MissingRightError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def namespace(rights) -> Iterator[None]:
    """Provide a network namespace with only the loopback device, and an empty state directory."""
    with private_namespaces.private_namespace(), private_namespaces.private_state_directory():
        yield


@pytest.fixture
def switch(namespace, tmp_path) -> Iterator[open_vswitch.Switch]:
    """Provide an Open vSwitch in the namespace, without a daemon of os-vif."""
    if missing := ovs.missing_requirement():
        pytest.skip(missing)
    with open_vswitch.Switch(tmp_path) as switch:
        yield switch


@pytest.fixture(scope="session")
def quick_helper(rights) -> str:
    """Provide a ``helper_command`` that takes a tenth of the time."""
    return conformance_suite.daemon_helper()


@pytest.fixture
def daemon(namespace) -> Iterator[None]:
    """Provide a real privileged daemon in the namespace."""
    with private_host.private_process():
        yield


@pytest.fixture
def quick_commands(quick_helper, monkeypatch) -> None:
    """Use quick privileged daemons for started commands and programs, too."""
    for context in CONTEXTS:
        variable = f"OS_{context.cfg_section}__helper_command".upper()
        monkeypatch.setenv(variable, quick_helper)


@pytest.fixture
def options() -> Iterator[Callable[..., None]]:
    """Provide a function that sets options of [os_vif_linux_bridge] for the test."""
    with _setting("os_vif_linux_bridge") as set_options:
        yield set_options


@pytest.fixture
def ovs_options() -> Iterator[Callable[..., None]]:
    """Provide a function that sets options of [os_vif_ovs] for the test."""
    with _setting("os_vif_ovs") as set_options:
        yield set_options


@contextlib.contextmanager
def _setting(group: str) -> Iterator[Callable[..., None]]:
    given: set[str] = set()

    def set_options(**values: object) -> None:
        for name, value in values.items():
            given.add(name)
            cfg.CONF.set_override(name, value, group=group)

    yield set_options
    for name in given:
        cfg.CONF.clear_override(name, group=group)


@pytest.fixture
def br_int(switch, daemon, ovs_options) -> ovs.Switch:
    """Provide a switch with the integration bridge, as Neutron or OVN creates the bridge."""
    ovs_options(ovsdb_connection=switch.connection, ovs_vsctl_timeout=10)
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
    return switch


@pytest.fixture
def vif() -> objects.VIFBridge:
    """Return a VIF for a bridge without an uplink."""
    return bridge_vif(1)


@pytest.fixture
def vif_json(vif, tmp_path) -> str:
    """Return the path of a JSON file with the VIF for the command os-vif."""
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
    return str(path)


@pytest.fixture
def instance() -> objects.InstanceInfo:
    return objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture(scope="session")
def os_vif_command() -> str:
    """Return the path of the installed ``os-vif``."""
    path = pathlib.Path(sys.executable).parent / "os-vif"
    assert path.exists(), f"{path} is missing: install with pip install -e ."
    return str(path)


#: Packages of third-party plugins.
PACKAGES = HERE.parent / "plugins"

_PROLOGUE = """
import sys
from oslo_config import cfg
import os_vif
from os_vif import exception, objects

cfg.CONF(sys.argv[1:], project="os-vif", default_config_files=[], default_config_dirs=[])
os_vif.initialize()

def vif(plugin, name="tap-1", mtu=1450):
    return objects.VIFGeneric(
        id="1b2c3d4e-0000-4000-8000-000000000000", address="fa:16:3e:00:00:01", plugin=plugin,
        vif_name=name, network=objects.Network(mtu=mtu))

def error_of(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return error
    raise SystemExit("no error")

INSTANCE = objects.InstanceInfo(name="guest")
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> pathlib.Path:
    """Return a folder in which pip has installed the third-party plugins, without network
    access.
    """
    folder = tmp_path_factory.mktemp("third-party")
    # setuptools leaves files in the source tree.
    shutil.copytree(PACKAGES, folder / "source")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--target", folder / "site")
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-P",
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                *options,
            ),
            *(folder / "source" / name for name in ("classic", "derived", "planner", "queues")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environments.without_python_settings(os.environ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture
def environment(installed, quick_commands) -> dict[str, str]:
    """Return the environment of a program that finds the installed third-party plugins."""
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}


@pytest.fixture
def program(environment, tmp_path):
    """Return a function that runs a program successfully and returns the output."""

    def start(code: str, *arguments: str) -> str:
        source = _PROLOGUE + textwrap.dedent(code)
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", source, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start


@pytest.fixture(name="os_vif")
def run_os_vif(quick_commands):
    """Return a function that runs os-vif in a forked process. The caller checks the exit code."""

    def call(*arguments, text=""):
        done = forked(lambda: main.main([*arguments]), text.encode())
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return call
