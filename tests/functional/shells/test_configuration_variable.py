# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The environment variable ``OS_VIF_CONFIG``, ``python -m os_vif``, and the sample of all options."""

from __future__ import annotations

import subprocess
import sys

import pytest

from os_vif import opts, serialization
from os_vif.plugins import pod_privsep, sriov_privsep
from vif_plug_linux_bridge import privsep as linux_bridge_privsep
from vif_plug_ovs import privsep as ovs_privsep

CONTEXTS = (pod_privsep, sriov_privsep, linux_bridge_privsep, ovs_privsep)


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    """Return two configuration files, of which the last has precedence."""
    paths = (tmp_path / "one.conf", tmp_path / "two.conf")
    for path, mtu in zip(paths, (1400, 8950), strict=True):
        path.write_text(f"[os_vif_linux_bridge]\nnetwork_device_mtu = {mtu}\n")
    return str(paths[0]), str(paths[1])


def _last_step(os_vif, vif, *options: str) -> str:
    vif.network.mtu = None
    done = os_vif(*options, "plan", "-f", "sh", text=serialization.dumps(vif))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[-1].split("mtu ")[1]


def test_the_variable_names_files_like_the_option(os_vif, vif, files, monkeypatch):
    """Files are separated by colons; empty names are ignored; the option has precedence."""
    assert _last_step(os_vif, vif) == "1500 up"
    monkeypatch.setenv("OS_VIF_CONFIG", ":".join(("", *files)))
    assert _last_step(os_vif, vif) == "8950 up"
    assert _last_step(os_vif, vif, "--config-file", files[0]) == "1400 up"
    monkeypatch.setenv("OS_VIF_CONFIG", "")
    assert _last_step(os_vif, vif) == "1500 up"


def test_a_file_of_the_variable_that_cannot_be_read_is_bad_input(os_vif, monkeypatch):
    monkeypatch.setenv("OS_VIF_CONFIG", "/nonesuch.conf")
    done = os_vif("plugins")
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment variable OS_VIF_CONFIG: /nonesuch.conf cannot be read" in done.stderr


def test_the_package_is_the_command(tmp_path):
    """``python -m os_vif`` has the name os-vif in its messages."""
    module = [sys.executable, "-W", "ignore", "-m", "os_vif"]
    done = subprocess.run([*module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("os-vif 6.")
    done = subprocess.run([*module, "plan", "-x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: os-vif plan ")


def test_the_sample_configuration_has_the_options_of_the_privileged_daemons():
    """``oslo-config-generator --namespace os_vif``."""
    program = [sys.executable, "-W", "ignore", "-m", "oslo_config.generator"]
    done = subprocess.run(
        [*program, "--namespace", "os_vif"], capture_output=True, text=True, check=True
    )
    for group, options in opts.list_opts():
        assert (f"\n[{group}]\n" in done.stdout) == bool(options)
    contexts = {module.vif_plug.cfg_section: module.vif_plug for module in CONTEXTS}
    assert opts.PRIVILEGED.keys() == contexts.keys()
    listed = dict(opts.list_opts())
    for group, context in contexts.items():
        (capabilities,) = (o for o in listed[group] if o.name == "capabilities")
        assert capabilities.type(capabilities.default) == context.conf.capabilities, group
