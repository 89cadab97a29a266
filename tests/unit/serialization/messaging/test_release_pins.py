# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The release that messages are written for."""

from __future__ import annotations

import itertools
import json

import pytest
from oslo_config import cfg

from os_vif import exception
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization.messaging import (
    common_release,
    configured_release,
    release_of_agents,
)
from tests.support.data import released

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
        ([WITHDRAWN, "5.3.0"], "1.11.2"),
        (["kuryr-10.0.0", CURRENT_RELEASE], "kuryr-10.0.0"),
        # The os-vif of kuryr 10.0.0 is 1.12.0; os-vif 5.3.0 has no class of kuryr.
        (["kuryr-10.0.0", "5.3.0"], "1.13.1"),
        # Releases that are unknown here.
        (["5.3.7", "9.0.0"], "5.3.0"),
        (["9.0.0"], CURRENT_RELEASE),
    ],
)
def test_the_common_release_of_readers(releases, common):
    assert common_release(releases) == common
    assert common_release(reversed(releases)) == common


@pytest.mark.parametrize("name", ["", "latest", "0.9", "kuryr-99.0"])
def test_a_name_that_is_no_release_is_refused(name):
    with pytest.raises(exception.UnsupportedVersion, match=r"expected 1\.0\.0, "):
        common_release(["5.3.0", name])


@pytest.mark.parametrize(
    ("older", "newer"), list(itertools.combinations([*released.NEWEST], 2)), ids="-".join
)
def test_the_common_release_of_two_is_the_older_one(older, newer):
    """The oldest reader decides; oslo reads an older minor version of a class."""
    older, newer = sorted((older, newer), key=number)
    common = common_release([older, newer])
    if WITHDRAWN in (older, newer):
        assert history.manifest(common).items() <= history.manifest("1.11.2").items() or (
            common in (older, newer)
        )
    else:
        assert common == older


def agent(host, release=None, **more):
    """Return an agent as neutron lists the agents."""
    versions = {"Port": "1.9"} | ({"os_vif": release} if release else {})
    return {"host": host, "alive": True, "resource_versions": versions} | more


def test_the_agents_of_neutron():
    """As neutron does for its resources, only living agents count."""
    agents = [agent("a", "5.3.0"), agent("b", CURRENT_RELEASE), agent("c", "1.0.0", alive=False)]
    assert release_of_agents(agents) == "5.3.0"
    assert release_of_agents(agents[1:]) == CURRENT_RELEASE
    assert release_of_agents([]) == CURRENT_RELEASE
    # Neutron stores the versions as JSON.
    text = json.dumps({"os_vif": "4.3.1"})
    assert release_of_agents([agent("a", resource_versions=text)]) == "4.3.1"


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
