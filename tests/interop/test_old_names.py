# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the old functions of 5.3.0 leave on a host, ours leave too, but for what is named here.

Each case is called in a process of its own, with a real daemon and a real switch, once with the
public release and once with ours. For ``vif_plug_linux_bridge`` that is 4.3.1, the last that had it.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from os_vif.testing import private_namespaces
from os_vif.testing.host_snapshots import changes
from os_vif.testing.private_namespaces import run
from testbed import environments, ovs
from testbed.environments import Subject
from tests.support.interop.old_calls import BASE_OVS, CASES, CASES_4_3_1, LINUX_NET, Case
from tests.support.interop.public import RELEASE, SBIN, switch_content, without_owner

pytestmark = pytest.mark.interop

PROGRAM = environments.CHECKOUT / "tests/support/interop/foreign_call.py"


@pytest.fixture(scope="module")
def rights() -> None:
    missing = private_namespaces.missing_right() or ovs.missing()
    if missing:
        pytest.skip(missing)
    private_namespaces.hide_state_directory()


@dataclass(frozen=True)
class Side:
    """An os_vif: a Python, and what is first on its module path."""

    python: pathlib.Path
    path: pathlib.Path

    def run(self, directory: pathlib.Path, *command: str | pathlib.Path) -> Any:
        done = subprocess.run(
            [self.python, "-P", *command],
            # Its daemon has the same, and looks for its os_vif there too.
            env={"PATH": SBIN, "HOME": os.fspath(directory), "PYTHONPATH": os.fspath(self.path)},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


OURS = Side(pathlib.Path(sys.executable), environments.CHECKOUT)


def public(release: str, scratch: pathlib.Path, line: str) -> Side:
    try:
        subject = Subject.from_public_release(scratch, line)
        pinned = environments.pins("public")
        python = environments.environment(f"public-{release}", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Side(python, subject.path)


@pytest.fixture(scope="module")
def release_5_3_0(rights, tmp_path_factory) -> Side:
    scratch = tmp_path_factory.mktemp("public-5.3.0")
    return public("5.3.0", scratch, environments.PUBLIC_RELEASE)


@pytest.fixture(scope="module")
def release_4_3_1(rights, tmp_path_factory) -> Side:
    scratch = tmp_path_factory.mktemp("public-4.3.1")
    return public("4.3.1", scratch, RELEASE)


def called(case: Case, side: Side, directory: pathlib.Path) -> tuple[list[Any], dict]:
    """What each call gave, and what the host then has."""
    directory.mkdir()
    calls, configuration = directory / "calls.json", directory / "program.conf"
    with private_namespaces.private_namespace(), ovs.Switch(directory) as switch:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        run(case.setup)
        calls.write_text(json.dumps(case.calls), encoding="utf-8")
        helper = f"helper_command = {side.python.with_name('privsep-helper')}\n"
        configuration.write_text(
            f"[oslo_concurrency]\nlock_path = {directory}\n"
            f"[vif_plug_linux_bridge_privileged]\n{helper}[vif_plug_ovs_privileged]\n{helper}"
            f"[os_vif_ovs]\novsdb_connection = {switch.connection}\novs_vsctl_timeout = 20\n",
            encoding="utf-8",
        )
        told = side.run(directory, PROGRAM, calls, configuration)
        assert pathlib.Path(told["file"]).is_relative_to(side.path)
        addresses = {
            link["ifname"]: [address["local"] for address in link["addr_info"]]
            for link in private_namespaces.ip("-4", "address")
        }
        routes = [[route["dst"], route["dev"]] for route in private_namespaces.ip("-4", "route")]
        return told["made"], switch_content(switch) | {"addresses": addresses, "routes": routes}


def raises(made: Any) -> bool:
    return isinstance(made, dict) and "raised" in made


def compare(case: Case, public: Side, scratch: pathlib.Path) -> None:
    """Devices and rows are equal; the same calls fail; the same is read."""
    theirs, before = called(case, public, scratch / "public")
    ours, after = called(case, OURS, scratch / "ours")
    found = without_owner(changes(before, after))
    lines = [line.partition(":")[0] for line in found]
    assert sorted(lines) == sorted(case.differs), found
    for place, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        told = f"{case.calls[place]}: {their} became {our}"
        assert raises(our) == (raises(their) or place in case.refused), told
        if isinstance(our, str | bool | list):
            assert our == their, told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_5_3_0_leaves(release_5_3_0, tmp_path, case):
    compare(case, release_5_3_0, tmp_path)


@pytest.mark.parametrize("case", CASES_4_3_1, ids=lambda case: case.name)
def test_what_4_3_1_leaves(release_4_3_1, tmp_path, case):
    compare(case, release_4_3_1, tmp_path)


LINUX_NET_NAMES = sorted(
    {call[1] for case in CASES for call in case.calls if call[0] == LINUX_NET}
)
BASE_OVS_NAMES = sorted({call[1] for case in CASES for call in case.calls if call[0] == BASE_OVS})
OVS_PLUGIN_NAMES = (
    "describe", "gen_port_name", "get_veth_pair_names", "plug", "supports_tc_qdisc", "unplug",
    "_create_vif_port", "_get_mtu", "_get_qos_type", "_get_vif_datapath_type",
    "_get_vif_port_profile", "_isolate_vif", "_update_vif_port",
)  # fmt: skip

SIGNATURES = """
import functools, importlib, inspect, json, sys, warnings

warnings.simplefilter("ignore")
import vif_plug_ovs.linux_net  # 5.3.0 lets its internal modules in only from its own

def signature(found):
    # An entry point of privsep is the function, with its context around it.
    found = found.args[0] if isinstance(found, functools.partial) else found
    return [[p.name, p.kind.name, repr(p.default) if p.default is not p.empty else None]
            for p in inspect.signature(found).parameters.values()]

told = {}
for where, names in json.loads(sys.argv[1]).items():
    module, _, name = where.partition(":")
    found = importlib.import_module(module)
    found = getattr(found, name) if name else found
    told[where] = {name: signature(getattr(found, name)) for name in names}
print(json.dumps(told))
"""


def test_they_take_what_5_3_0_takes(release_5_3_0, tmp_path):
    """By the same names, at the same places, and with the same defaults."""
    names = {
        "vif_plug_ovs.linux_net": LINUX_NET_NAMES,
        "vif_plug_ovs.ovsdb.ovsdb_lib:BaseOVS": BASE_OVS_NAMES,
        "vif_plug_ovs.ovs:OvsPlugin": OVS_PLUGIN_NAMES,
        "os_vif.internal.ip.api:ip": ("exists", "add", "set", "delete"),
    }
    asked = ("-c", SIGNATURES, json.dumps(names))
    assert OURS.run(tmp_path, *asked) == release_5_3_0.run(tmp_path, *asked)
