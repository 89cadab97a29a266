# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A garbage collection removes the VIFs that are not in use, and nothing else."""

from __future__ import annotations

import fcntl
import os
import pathlib
import threading

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.host.state.directory import STATE
from os_vif.operations.collect import CollectOutcome
from os_vif.operations.keep_lists import KeepList
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import PARAMS, ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

#: At once: no grace period, and a single observation.
NOW = {"older_than": 0, "observations": 1, "pending": True}


def keep_nothing(_):
    return False


@pytest.fixture
def owned(monkeypatch):
    """Provide a function that sets the owner of the next plugs."""
    yield lambda name: cfg.CONF.set_override("owner", name, group="os_vif")
    cfg.CONF.clear_override("owner", group="os_vif")


def outcomes(report):
    return {result.entry.id: str(result.outcome) for result in report.results}


def links():
    return {link["ifname"] for link in snapshot()["links"]}


@pytest.fixture(params=PARAMS)
def case(request, daemon):
    """A host as the case has it."""
    with request.param.prepared():
        yield request.param


def test_a_collected_vif_leaves_what_an_unplug_leaves(case, instance):
    """For each way of plugging: links, rows, rules and files are as after an unplug."""
    if not case.loses_bridge:
        os_vif.plug(case.vif, instance)
        os_vif.unplug(case.vif, instance)
    unplugged = without_indexes(snapshot())
    os_vif.plug(case.vif, instance)
    report = os_vif.collect(keep_nothing, **NOW)
    assert not report.failed
    assert os_vif.inventory() == ()
    if not case.loses_bridge:
        assert differences(unplugged, indexes=False) == []
    assert [p.name for p in pathlib.Path(str(STATE)).glob("vif-*")] == []


def test_a_vif_in_the_keep_list_stays(instance):
    vifs = [bridge_vif(n) for n in (1, 2, 3)]
    for vif in vifs:
        os_vif.plug(vif, instance)
    report = os_vif.collect([vifs[0].id, vifs[2].id], **NOW)
    assert outcomes(report) == {vifs[1].id: "removed"}
    assert report.kept == 2
    assert {entry.id for entry in os_vif.inventory()} == {vifs[0].id, vifs[2].id}
    assert all(os_vif.check(vif, instance) == () for vif in (vifs[0], vifs[2]))


def test_a_collection_of_one_owner_spares_the_vifs_of_another(instance, owned):
    for owner, vif in (("nova-compute", bridge_vif(1)), ("kuryr-daemon", bridge_vif(2))):
        owned(owner)
        os_vif.plug(vif, instance)
    with pytest.raises(exception.InvalidField, match="one of kuryr-daemon, nova-compute"):
        os_vif.collect(keep_nothing, **NOW)
    report = os_vif.collect(keep_nothing, owner="nova-compute", **NOW)
    assert outcomes(report) == {bridge_vif(1).id: "removed", bridge_vif(2).id: "spared"}
    assert [entry.owner for entry in os_vif.inventory()] == ["kuryr-daemon"]


def test_a_vif_without_a_record_is_collected_as_unowned_only(vif, instance):
    os_vif.plug(vif, instance)
    for path in pathlib.Path(str(STATE)).glob("vif-*"):
        path.unlink()
    report = os_vif.collect(keep_nothing, **NOW)
    assert [(r.outcome, r.reason) for r in report.results] == [
        (CollectOutcome.SPARED, "no known owner")
    ]
    assert outcomes(os_vif.collect(keep_nothing, unowned=True, **NOW)) == {vif.id: "removed"}
    assert links() == {"lo"}


def test_a_vif_is_collected_by_the_last_of_the_observations(vif, instance):
    os_vif.plug(vif, instance)
    reports = [
        os_vif.collect(keep_nothing, older_than=0, observations=3, pending=True) for _ in range(3)
    ]
    assert [outcomes(r)[vif.id] for r in reports] == ["waiting", "waiting", "removed"]
    assert reports[0].results[0].reason == "seen 1 of 3 times"


def test_observations_start_anew_when_a_vif_was_in_use_or_plugged_again(vif, instance):
    os_vif.plug(vif, instance)

    def outcome(keep=keep_nothing):
        return outcomes(os_vif.collect(keep, older_than=0, observations=2, pending=True)).get(
            vif.id
        )

    assert outcome() == "waiting"
    assert outcome([vif.id]) is None
    assert outcome() == "waiting"
    os_vif.unplug(vif, instance)
    os_vif.plug(vif, instance)
    assert outcome() == "waiting"
    assert outcome() == "removed"


def test_a_vif_in_its_grace_period_stays(vif, instance):
    os_vif.plug(vif, instance)
    report = os_vif.collect(keep_nothing, older_than=3600, observations=1, pending=True)
    assert outcomes(report) == {vif.id: "waiting"}
    assert "the grace period is 3600 s" in report.results[0].reason


def test_a_port_that_waits_for_the_hypervisor_is_not_collected(br_int, instance):
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, instance)
    for _ in range(3):
        report = os_vif.collect(keep_nothing, older_than=0, observations=1)
        assert outcomes(report) == {vif.id: "spared"}
        assert "waits for the hypervisor" in report.results[0].reason
    (entry,) = os_vif.inventory()
    assert entry.state == "pending"


def test_a_vif_that_is_plugged_again_during_the_collection_stays(vif, instance):
    os_vif.plug(vif, instance)

    def plug_again(entry):
        # The keep list is asked after the inventory.
        os_vif.unplug(vif, instance)
        os_vif.plug(vif, instance)
        return False

    assert outcomes(os_vif.collect(plug_again, **NOW)) == {vif.id: "changed"}
    assert os_vif.check(vif, instance) == ()


def test_an_error_of_one_vif_leaves_the_others_to_be_collected(br_int, instance, ovs_options):
    broken, other = ovs_vif(create_port=True), bridge_vif(1)
    for vif in (broken, other):
        os_vif.plug(vif, instance)
    ovs_options(ovs_vsctl_timeout=1)

    def stop_server(entry):
        if entry.id == broken.id:
            br_int.kill("ovsdb-server")
        return False

    report = os_vif.collect(stop_server, **NOW)
    assert outcomes(report) == {broken.id: "failed", other.id: "removed"}
    assert "Could not unplug" in report.failed[0].reason
    br_int.start_server()
    assert outcomes(os_vif.collect(keep_nothing, **NOW)) == {broken.id: "removed"}
    assert br_int.vsctl("list-ports", "br-int") == ""


def test_a_limit_leaves_the_rest_for_the_next_collection(instance):
    for number in (1, 2, 3):
        os_vif.plug(bridge_vif(number), instance)
    first = os_vif.collect(keep_nothing, limit=2, **NOW)
    assert sorted(outcomes(first).values()) == ["removed", "removed", "waiting"]
    assert len(os_vif.collect(keep_nothing, limit=2, **NOW).removed) == 1


def state_content() -> dict[str, bytes | str]:
    """Return the content of the files of the state directory; of a mark, the target of the link."""
    return {
        path.name: str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in pathlib.Path(str(STATE)).iterdir()
    }


def test_a_dry_run_changes_nothing(vif, instance):
    os_vif.plug(vif, instance)
    files = state_content()
    report = os_vif.collect(keep_nothing, dry_run=True, **NOW)
    assert outcomes(report) == {vif.id: "would remove"}
    assert state_content() == files
    assert os_vif.check(vif, instance) == ()


def test_an_empty_bridge_of_os_vif_is_collected_after_its_grace_period(vif, instance):
    """kuryr unplugs before the network namespace of the pod deletes the device in the bridge."""
    before = without_indexes(snapshot())
    os_vif.plug(vif, instance)
    run(
        f"ip link add name pod type veth peer name far; ip link set dev pod master {vif.bridge_name}"
    )
    os_vif.unplug(vif, instance)
    run("ip link del dev pod")
    assert vif.bridge_name in links()
    report = os_vif.collect(keep_nothing, older_than=3600, observations=1, pending=True)
    assert outcomes(report) == {vif.bridge_name: "waiting"}
    assert outcomes(os_vif.collect(keep_nothing, **NOW)) == {vif.bridge_name: "removed"}
    assert differences(before, indexes=False) == []


def test_bridges_and_devices_of_others_are_never_collected(br_int, instance):
    run("ip link add name brq type bridge; ip link add name tap1 type veth peer name far")
    before = without_indexes(snapshot())
    assert os_vif.collect(keep_nothing, unowned=True, **NOW).results == ()
    assert differences(before, indexes=False) == []


@pytest.mark.parametrize("keep", [(), [], "abc", b"abc"])
def test_an_empty_keep_list_is_an_error(keep):
    with pytest.raises(exception.InvalidField, match="keep"):
        os_vif.collect(keep)


@pytest.mark.parametrize(
    "wrong",
    [
        {"older_than": -1},
        {"older_than": "10m"},
        {"older_than": float("nan")},
        {"observations": 0},
        {"observations": 1.5},
        {"limit": -1},
        {"limit": "2"},
        {"limit": True},
        {"owner": 5},
        {"owner": [None]},
        {"owner": b"nova"},
    ],
    ids=str,
)
def test_an_argument_out_of_range_is_an_error(wrong):
    with pytest.raises(exception.InvalidField, match=next(iter(wrong))):
        os_vif.collect(keep_nothing, **wrong)


def test_a_second_collection_at_a_time_is_refused(vif, instance):
    os_vif.plug(vif, instance)
    os_vif.collect([vif.id])
    with pathlib.Path(STATE.file("gc.lock")).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(exception.CollectException, match="another collection is running"):
            os_vif.collect(keep_nothing, **NOW)
    assert os_vif.check(vif, instance) == ()


def test_a_collection_waits_a_moment_for_the_lock_of_a_killed_one(vif, instance):
    """A killed collection leaves the lock to a child for the time until execve()."""
    os_vif.plug(vif, instance)
    # The lock file exists after the first collection.
    os_vif.collect([vif.id])
    with pathlib.Path(STATE.file("gc.lock")).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        release = threading.Timer(0.3, fcntl.flock, (file, fcntl.LOCK_UN))
        release.start()
        assert outcomes(os_vif.collect(keep_nothing, **NOW)) == {vif.id: "removed"}
        release.join()


def test_a_child_that_was_forked_during_a_collection_does_not_hold_the_lock(vif, instance):
    os_vif.plug(vif, instance)
    ready, leave = os.pipe()
    children = []

    def fork_and_keep(_):
        if (child := os.fork()) == 0:
            os.close(leave)
            os.read(ready, 1)
            os._exit(0)
        children.append(child)
        return True

    try:
        os_vif.collect(fork_and_keep, **NOW)
        assert outcomes(os_vif.collect(keep_nothing, **NOW)) == {vif.id: "removed"}
    finally:
        os.close(leave)
        for child in children:
            os.waitpid(child, 0)
        os.close(ready)
    assert children


def test_damaged_observations_delay_a_removal(vif, instance):
    os_vif.plug(vif, instance)
    os_vif.collect(keep_nothing, older_than=0, pending=True)
    pathlib.Path(STATE.file("gc.json")).write_text('{"seen": 1}')
    assert outcomes(os_vif.collect(keep_nothing, older_than=0, pending=True)) == {
        vif.id: "waiting"
    }
    assert outcomes(os_vif.collect(keep_nothing, older_than=0, pending=True)) == {
        vif.id: "removed"
    }


def test_instances_in_the_keep_list_keep_all_of_their_vifs(vif):
    guest = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000001", name="a")
    os_vif.plug(vif, guest)
    assert os_vif.collect([guest.uuid], **NOW).kept == 1


def test_a_device_of_libvirt_in_a_bridge_of_neutron_is_spared():
    """The inventory lists the VIF, as the public os-vif 4.3.1 plugs it, and os-vif has no part."""
    run("""
        ip link add name brq12345678-9a type bridge
        ip tuntap add dev tap5a1d3c2e-0b mode tap
        ip link set dev tap5a1d3c2e-0b master brq12345678-9a
    """)
    before = without_indexes(snapshot())
    (result,) = os_vif.collect(keep_nothing, unowned=True, **NOW).results
    assert (result.entry.id, str(result.outcome)) == ("5a1d3c2e-0b", "spared")
    assert differences(before, indexes=False) == []


@pytest.mark.parametrize(
    "keep", [["f0000000-0000-4000-8000-000000000000"], KeepList.of(["3f2a9c41d7e0"])]
)
def test_a_keep_list_that_names_no_vif_of_the_host_is_an_error(vif, instance, keep):
    """A list of another host, or of container ids that no VIF has."""
    os_vif.plug(vif, instance)
    for dry_run in (True, False):
        with pytest.raises(exception.InvalidField, match="names none of the 1 VIFs"):
            os_vif.collect(keep, dry_run=dry_run, **NOW)
    assert [entry.id for entry in os_vif.inventory()] == [vif.id]
    report = os_vif.collect(keep, keep_unmatched=True, **NOW)
    assert outcomes(report) == {vif.id: "removed"}
    assert os_vif.collect(keep, **NOW).results == ()


@pytest.mark.parametrize("keep", [None, [None], [""], object()])
def test_an_unusable_keep_argument_is_one_clear_error(vif, instance, keep):
    os_vif.plug(vif, instance)
    with pytest.raises(exception.InvalidField, match=r"^keep is "):
        os_vif.collect(keep, **NOW)
    assert [entry.id for entry in os_vif.inventory()] == [vif.id]
