# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugins of others, installed by pip as packages of their own: one old, one that plans."""

from __future__ import annotations

import subprocess

import pytest

from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run


def test_both_are_loaded_beside_ours(program, installed):
    """Their metadata is real, and so is what reads it."""
    told = program("""
        import importlib.metadata, os_vif_classic, os_vif_planner
        print(os_vif_classic.__file__, os_vif_planner.__file__)
        print(*sorted(p.name for p in importlib.metadata.entry_points(group="os_vif")))
        print(*(plugin.plugin_name for plugin in os_vif.host_info().plugin_info))
        generic = os_vif.host_info(permitted_vif_type_names=["VIFGeneric"])
        print(*(plugin.plugin_name for plugin in generic.plugin_info))
        for plugin in generic.plugin_info:
            assert plugin.get_vif("VIFGeneric").get_common_version() == "1.0"
    """)
    modules, entry_points, plugins, generic = told.splitlines()
    assert modules == f"{installed}/os_vif_classic.py {installed}/os_vif_planner.py"
    ours = {"linux_bridge", "noop", "ovs", "sriov"}
    assert set(entry_points.split()) >= {"classic", "planner"} | ours
    assert set(plugins.split()) >= {"classic", "planner"} | ours
    assert generic == "classic planner queues"


@pytest.mark.parametrize(
    ("options", "tries"),
    [
        ("[os_vif_classic]\njournal = journal\n", 3),
        ("[os_vif_classic]\njournal = journal\ntries = 5\n", 5),
        # Where deprecated_group says that they were; the new place comes first.
        ("[DEFAULT]\njournal = journal\ntries = 7\n", 7),
        ("[DEFAULT]\njournal = other\ntries = 7\n[os_vif_classic]\njournal = journal\n", 7),
    ],
    ids=["default", "own-group", "deprecated-group", "both"],
)
def test_a_classic_plugin_plugs_and_unplugs_with_its_options(program, tmp_path, options, tries):
    """It is given the VIF and the instance, and does what it likes."""
    (tmp_path / "my.conf").write_text(options)
    code = """
        os_vif.plug(vif("classic"), INSTANCE)
        os_vif.unplug(vif("classic"), INSTANCE)
    """
    program(code, "--config-file", "my.conf")
    assert (tmp_path / "journal").read_text().splitlines() == [
        f"plug tap-1 of guest, {tries} tries",
        f"unplug tap-1 of guest, {tries} tries",
    ]


def test_the_error_of_a_classic_plugin_is_the_cause(program, tmp_path):
    """Of one of ours, which has its text, and the VIF."""
    program("""
        from os_vif_classic import SwitchRefused
        mine = vif("classic", "refused")
        for call, wrapper in ((os_vif.plug, exception.PlugException),
                              (os_vif.unplug, exception.UnplugException)):
            error = error_of(call, mine, INSTANCE)
            assert type(error) is wrapper
            assert type(error.__cause__) is SwitchRefused
            assert error.__cause__.kwargs == {"vif_name": "refused", "tries": 3}
            assert error.kwargs["vif"] is mine
            assert "The switch has no port for refused after 3 tries." in str(error)
            assert error.format_message() == str(error)
    """)
    assert list(tmp_path.iterdir()) == []


def test_a_classic_plugin_has_no_plan(program, tmp_path):
    """Neither plan nor check make one up, and nothing is done."""
    program("""
        for call in (os_vif.plan, os_vif.check,
                     lambda vif, instance: os_vif.plan(vif, instance, unplug=True)):
            error = error_of(call, vif("classic"), INSTANCE)
            assert type(error) is exception.PlanNotSupported
            assert "'classic'" in str(error)
    """)
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_classic_plugin_can_be_listed(program):
    """As oslo-config-generator does."""
    told = program("""
        from os_vif import opts
        print(*(option.name for option in dict(opts.list_plugins_opts())["os_vif_classic"]))
    """)
    assert told.split() == ["journal", "tries"]


PLUG = 'os_vif.plug(vif("planner"), INSTANCE)'
UNPLUG = 'os_vif.unplug(vif("planner"), INSTANCE)'
CHECK = 'print(*os_vif.check(vif("planner"), INSTANCE), sep="\\n")'
#: The kernel refuses it once the devices are there: no veth device can have such an MTU.
PLUG_BADLY = """
    error = error_of(os_vif.plug, vif("planner", mtu=70000), INSTANCE)
    assert type(error) is exception.PlugException
    assert type(error.__cause__) is exception.StepFailed
    assert error.__cause__.kwargs["step"] == "SetLink"
    assert error.__cause__.kwargs["device"] == "tap-1"
    print(error)
"""


def test_what_a_planner_plans_can_be_read(program, namespace):
    """As the commands that one would type; nothing is done."""
    before = snapshot()
    told = program("""
        print(os_vif.plan(vif("planner"), INSTANCE))
        print(os_vif.plan(vif("planner"), INSTANCE, unplug=True))
    """)
    assert told.splitlines() == [
        "ip link add name tap-1 type veth peer name tap-1.g",
        "ip link set dev tap-1 alias os-vif",
        "ip link set dev tap-1.g alias os-vif",
        "ip link set dev tap-1 mtu 1450 up",
        "ip link set dev tap-1.g address fa:16:3e:00:00:01 mtu 1450 up",
        "ip link del dev tap-1  # if it is os-vif's",
    ]
    assert snapshot() == before


def test_a_planner_plugs_and_unplugs(program, namespace):
    """For real, each in a process of its own; nothing is left in the end."""
    before = snapshot()
    program(PLUG)
    links = {link["ifname"]: link for link in ip("link")}
    assert links.keys() == {"lo", "tap-1", "tap-1.g"}
    for name, other in (("tap-1", "tap-1.g"), ("tap-1.g", "tap-1")):
        assert links[name]["linkinfo"]["info_kind"] == "veth"
        assert (links[name]["link"], links[name]["mtu"]) == (other, 1450)
        assert "UP" in links[name]["flags"]
    assert links["tap-1.g"]["address"] == "fa:16:3e:00:00:01"
    plugged = snapshot()
    program(PLUG)
    assert snapshot() == plugged
    program(UNPLUG)
    assert snapshot() == before
    program(UNPLUG)
    assert snapshot() == before


def test_what_differs_from_a_plan_is_found_and_mended(program, namespace):
    """By the same plan."""
    assert program(CHECK).splitlines()[0] == (
        "tap-1: device is missing, should be a veth device whose peer is tap-1.g"
    )
    program(PLUG)
    assert program(CHECK).strip() == ""
    run("ip link set dev tap-1 mtu 1400 && ip link set dev tap-1.g down")
    assert program(CHECK).splitlines() == [
        "tap-1: MTU is 1400, should be 1450",
        "tap-1.g: state is down, should be up",
    ]
    program(f"{PLUG}\n{CHECK}")
    assert program(CHECK).strip() == ""


def test_a_plan_that_fails_is_undone(program, namespace):
    """The pair that it had made is gone; the error says so."""
    before = snapshot()
    told = program(PLUG_BADLY)
    assert "Could not plug VIFGeneric(id=1b2c3d4e" in told
    assert "SetLink failed on tap-1: " in told
    assert "Undone: 1 changes before it" in told
    assert snapshot() == before
    program(PLUG)
    assert program(CHECK).strip() == ""


def test_a_plan_that_fails_leaves_what_was_there(program, namespace):
    """A VIF that was plugged stays as it was plugged."""
    program(PLUG)
    before = snapshot()
    assert "Undone: 0 changes before it" in program(PLUG_BADLY)
    assert snapshot() == before


def test_a_planner_refuses_a_vif_before_anything_is_done(program, namespace):
    """Its own error is the cause, of plan and of plug; so is that of a step."""
    before = snapshot()
    program("""
        nameless = objects.VIFGeneric(id=vif("planner").id, plugin="planner")
        for call, wrapper in ((os_vif.plug, exception.PlugException),
                              (os_vif.plan, exception.PlanException),
                              (os_vif.check, exception.PlanException)):
            error = error_of(call, nameless, INSTANCE)
            assert type(error) is wrapper
            assert type(error.__cause__) is exception.InvalidField
            error = error_of(call, vif("planner", "a/b"), INSTANCE)
            assert type(error.__cause__) is exception.InvalidStep
            assert "EnsureVeth: name is 'a/b'" in str(error)
    """)
    assert snapshot() == before


def test_the_command_takes_plugins_of_others(
    environment, namespace, tmp_path, os_vif_command, program
):
    """os-vif finds them as any program does."""
    (tmp_path / "vif.json").write_text(
        program("""
            from oslo_serialization import jsonutils
            print(jsonutils.dumps(vif("planner").obj_to_primitive()))
        """)
    )
    before = snapshot()
    for action in ("plug", "check", "unplug"):
        done = subprocess.run(
            [os_vif_command, action, tmp_path / "vif.json"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, ""), action
    assert snapshot() == before
