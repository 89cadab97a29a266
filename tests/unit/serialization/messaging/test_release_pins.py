# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The release that messages are written for."""

from __future__ import annotations

import datetime as dt
import itertools
import json

import pytest
from oslo_config import cfg

from os_vif import exception
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import downgrade, loads
from os_vif.serialization.messaging import (
    common_release,
    configured_release,
    release_of_agents,
)
from tests.support.data import released
from tests.support.strategies import make

#: Release 1.8.0 had versions that later releases withdrew.
WITHDRAWN = "1.8.0"


def number(release):
    return tuple(map(int, release.split(".")))


def conf_with(tmp_path, line, group="upgrade_levels"):
    """Return the configuration of a service with a line in the group."""
    path = tmp_path / "service.conf"
    path.write_text(f"[{group}]\n{line}\n")
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(path)], project="service")
    return conf


@pytest.mark.parametrize(
    ("releases", "common"),
    [
        ([], CURRENT_RELEASE),
        (["5.3.0"], "5.3.0"),
        ([CURRENT_RELEASE, "5.3.0", "1.17.0", "4.3.1"], "1.17.0"),
        (["1.14.0", "1.13.1"], "1.13.1"),
        ([WITHDRAWN], WITHDRAWN),
        # This library reads the messages of 1.8.0.
        ([WITHDRAWN, CURRENT_RELEASE], WITHDRAWN),
        (["kuryr-10.0.0", CURRENT_RELEASE], "kuryr-10.0.0"),
        # The os-vif of kuryr 10.0.0 is 1.12.0; os-vif 5.3.0 has no class of kuryr.
        (["kuryr-10.0.0", "5.3.0"], "1.13.1"),
        # Releases that are unknown here.
        (["5.3.7", "9.0.0"], "5.3.0"),
        (["9.0.0"], CURRENT_RELEASE),
        (["5.3"], "5.3.0"),
        (["5.3.0.dev7"], "5.2.2"),
        (["6.0.0rc1"], "5.3.0"),
    ],
)
def test_the_common_release_of_readers(releases, common):
    assert common_release(releases) == common
    assert common_release(reversed(releases)) == common


@pytest.mark.parametrize("name", ["", "latest", "0.9", "kuryr-99.0", None, 5, ["5.3.0"]])
def test_a_name_that_is_no_release_is_refused(name):
    with pytest.raises(exception.UnsupportedVersion, match=r"expected 1\.0\.0, "):
        common_release(["5.3.0", name])


def test_a_text_in_the_place_of_a_list_is_refused():
    with pytest.raises(exception.UnsupportedVersion, match=r"'5\.3\.0'; expected a list"):
        common_release("5.3.0")


@pytest.mark.parametrize(
    ("older", "newer"), list(itertools.combinations([*released.NEWEST], 2)), ids="-".join
)
def test_the_common_release_of_two_is_the_older_one(older, newer):
    """The oldest reader decides; oslo reads an older minor version of a class."""
    older, newer = sorted((older, newer), key=number)
    if WITHDRAWN in (older, newer) and CURRENT_RELEASE not in (older, newer):
        with pytest.raises(exception.UnsupportedVersion):
            common_release([older, newer])
    else:
        assert common_release([older, newer]) == older


@pytest.mark.parametrize("others", [["5.3.0"], ["1.7.2"], ["kuryr-10.0.0"], ["5.3.0", "6.0.0"]])
def test_the_release_with_withdrawn_versions_has_no_common_release(others):
    """Release 1.8.0 reads Subnet 1.0 without an error, and drops the addresses."""
    with pytest.raises(exception.UnsupportedVersion) as caught:
        common_release([WITHDRAWN, *others])
    assert all(name in caught.value.found for name in [WITHDRAWN, *others])
    assert "upgrade the receivers with 1.8.0" in caught.value.expected


def test_all_other_releases_have_a_common_release():
    names = [r for r in (*history.releases(), *history.peers()) if r != WITHDRAWN]
    assert history.manifest(common_release(names)) == history.manifest("1.0.0")


def test_the_addresses_arrive_with_the_withdrawn_release_and_this_one():
    vif = make("VIFOpenVSwitch")
    addresses = [str(ip.address) for s in vif.network.subnets.objects for ip in s.ips.objects]
    release = common_release([WITHDRAWN, CURRENT_RELEASE])
    data, losses = downgrade(vif, release)
    read = loads(json.dumps(data))
    found = [str(ip.address) for s in read.network.subnets.objects for ip in s.ips.objects]
    assert found == addresses != []
    assert not [loss for loss in losses if loss.path.startswith("network")]


def agent(host, release=None, **more):
    """Return an agent as neutron lists the agents."""
    versions = {"Port": "1.9"} | ({"os_vif": release} if release else {})
    return {"host": host, "alive": True, "resource_versions": versions} | more


def test_the_agents_of_neutron():
    agents = [
        agent("a", "5.3.0"),
        agent("b", CURRENT_RELEASE),
        agent("c", "1.0.0", admin_state_up=False),
    ]
    assert release_of_agents(agents) == "5.3.0"
    assert release_of_agents(agents[1:]) == CURRENT_RELEASE
    # Neutron stores the versions as JSON.
    text = json.dumps({"os_vif": "4.3.1"})
    assert release_of_agents([agent("a", resource_versions=text)]) == "4.3.1"


def test_a_dead_agent_counts():
    """The agent reads the queued messages after a failure of the message broker."""
    agents = [agent("a", CURRENT_RELEASE), agent("b", "5.3.0", alive=False)]
    assert release_of_agents(agents) == "5.3.0"
    # As does a dead agent without a reported release.
    agents[1] = agent("b", alive=False)
    with pytest.raises(exception.InvalidValue, match="the agent on 'b'"):
        release_of_agents(agents)
    assert release_of_agents(agents, default="4.3.1") == "4.3.1"


@pytest.mark.parametrize("form", [str, lambda time: time, lambda time: f"{time}+00:00"])
def test_an_agent_that_was_silent_for_a_time_does_not_count(form):
    """Neutron states the heartbeat in UTC, without a time zone."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    hours = {
        age: agent(f"host-{age}", release, heartbeat_timestamp=form(now - dt.timedelta(hours=age)))
        for age, release in ((0, CURRENT_RELEASE), (2, "5.3.0"), (9, "1.17.0"))
    }
    hours[0] |= {"alive": False}
    agents = [*hours.values()]
    assert release_of_agents(agents) == "1.17.0"
    assert release_of_agents(agents, silent_after=dt.timedelta(hours=5)) == "5.3.0"
    assert release_of_agents(agents, silent_after=dt.timedelta(hours=1)) == CURRENT_RELEASE
    # An agent without a heartbeat counts.
    agents.append(agent("unknown", "5.2.2"))
    assert release_of_agents(agents, silent_after=dt.timedelta(hours=1)) == "5.2.2"


@pytest.mark.parametrize("heartbeat", ["yesterday", 5, {}])
def test_an_invalid_heartbeat_names_the_agent(heartbeat):
    agents = [agent("host-a", "5.3.0", heartbeat_timestamp=heartbeat)]
    with pytest.raises(
        exception.InvalidValue, match="heartbeat_timestamp of the agent on 'host-a"
    ):
        release_of_agents(agents, silent_after=dt.timedelta(hours=1))


@pytest.mark.parametrize("agents", [[], [agent("a", "5.3.0", admin_state_up=False)]])
def test_without_an_agent_that_counts_the_default_is_required(agents):
    with pytest.raises(
        exception.InvalidValue, match=r"no agent that counts; expected .*'default'"
    ):
        release_of_agents(agents)
    assert release_of_agents(agents, default="4.3.1") == "4.3.1"


def test_invalid_arguments_of_the_agents_are_refused():
    with pytest.raises(exception.InvalidValue, match="agents: found"):
        release_of_agents(["host-a"])
    with pytest.raises(exception.UnsupportedVersion, match="default: found 'old'"):
        release_of_agents([agent("a", "5.3.0")], default="old")


def test_an_agent_that_reports_no_release():
    agents = [agent("a", CURRENT_RELEASE), agent("old-host")]
    with pytest.raises(exception.InvalidValue, match="'old-host': found no 'os_vif'"):
        release_of_agents(agents)
    assert release_of_agents(agents, default="5.3.0") == "5.3.0"
    assert release_of_agents([agent("b", resource_versions=None)], default="1.17.0") == "1.17.0"


@pytest.mark.parametrize(
    ("versions", "error"),
    [
        ("{", exception.InvalidValue),
        ("[" * 100_000, exception.InvalidValue),
        ([1], exception.InvalidValue),
        ({"os_vif": 5}, exception.InvalidValue),
        ({"os_vif": None}, exception.InvalidValue),
        ({"os_vif": "five"}, exception.UnsupportedVersion),
    ],
)
def test_an_agent_with_invalid_versions_is_named(versions, error):
    with pytest.raises(error, match="resource_versions of the agent on 'host-a'"):
        release_of_agents([agent("host-a", resource_versions=versions)])


@pytest.mark.parametrize(
    ("line", "release"),
    [("os_vif = 5.3.0", "5.3.0"), ("os_vif = auto", "4.3.1"), ("os_vif =", None), ("", None)],
)
def test_the_option_names_the_release(tmp_path, line, release):
    find = configured_release(conf_with(tmp_path, line), auto=lambda: "4.3.1")
    assert find() == release


@pytest.mark.parametrize(
    ("found", "release"), [("6.1.0", CURRENT_RELEASE), ("5.3", "5.3.0"), ("6.0.0rc1", "5.3.0")]
)
def test_auto_finds_a_release_that_this_library_does_not_know(tmp_path, found, release):
    """A sender that is upgraded last writes for receivers with a later release."""
    find = configured_release(conf_with(tmp_path, "os_vif = auto"), auto=lambda: found)
    assert find() == release


@pytest.mark.parametrize("found", [None, "", "antelope", 6])
def test_auto_that_finds_no_release_is_refused(tmp_path, found):
    find = configured_release(conf_with(tmp_path, "os_vif = auto"), auto=lambda: found)
    with pytest.raises(
        exception.UnsupportedVersion, match=r"'auto' of \[upgrade_levels\] os_vif:"
    ):
        find()


def test_an_invalid_option_stops_the_start_of_the_service(tmp_path):
    conf = conf_with(tmp_path, "os_vif = antelope")
    with pytest.raises(
        exception.UnsupportedVersion, match=r"\[upgrade_levels\] os_vif: found 'an"
    ):
        configured_release(conf)
    conf = conf_with(tmp_path, "os_vif = auto")
    with pytest.raises(exception.InvalidField, match=r"\[upgrade_levels\] os_vif is 'auto'; exp"):
        configured_release(conf)


def test_a_change_of_the_configuration_applies_to_the_next_message(tmp_path):
    """Services read the file again at SIGHUP."""
    conf = conf_with(tmp_path, "os_vif = 5.3.0")
    find = configured_release(conf)
    assert find() == "5.3.0"
    (tmp_path / "service.conf").write_text("[upgrade_levels]\nos_vif = 1.17.0\n")
    conf.mutate_config_files()
    assert find() == "1.17.0"
