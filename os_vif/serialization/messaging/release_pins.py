# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The target release of messages, from the option or from the running receivers."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.codec.path import below, describe
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version
from os_vif.objects.versioning.release_names import newest_release_until
from os_vif.objects.versioning.releases import CURRENT_RELEASE, PUBLIC_RELEASES
from os_vif.serialization.messaging.object_messages import require_release

if TYPE_CHECKING:
    from oslo_config import cfg

#: The resource name of os-vif in the ``resource_versions`` of an agent of neutron.
RESOURCE = "os_vif"


def configured_release(
    conf: cfg.ConfigOpts, auto: Callable[[], str] | None = None
) -> Callable[[], str | None]:
    """Return a function that returns the release of ``[upgrade_levels] os_vif``.

    The function reads the option at each call, so a change of the configuration applies to the
    next message. None means an unset option: the present release.

    :param conf: the configuration of the service. The option is registered.
    :param auto: returns the release for the value ``auto``, such as the result of
        :func:`common_release` for the releases of the running receivers.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release in the option, at this call
        or at a later change. The returned function raises the error for a result of *auto* that is
        no release; a later release than this library counts as the present release.
    :raises os_vif.exception.InvalidField: for the value ``auto`` without a function *auto*.
    """
    from os_vif import upgrade_levels

    upgrade_levels.register(conf)
    name = f"[{upgrade_levels.GROUP}] {upgrade_levels.OS_VIF.name}"

    def read_option() -> str:
        value: str | None = conf[upgrade_levels.GROUP][upgrade_levels.OS_VIF.dest]
        release = (value or "").strip()
        if release == upgrade_levels.AUTO:
            if auto is None:
                raise exception.InvalidField(
                    field=name,
                    found="'auto'",
                    expected="a release such as '5.3.0': this service cannot find the releases "
                    "of the running receivers",
                )
        elif release:
            require_release(release, name)
        return release

    def find_release() -> str | None:
        release = read_option()
        if auto is None or release != upgrade_levels.AUTO:
            return release or None
        return known_release(auto(), f"the function for 'auto' of {name}")

    # The start of the service reports an invalid option, not the first message.
    read_option()
    return find_release


def common_release(releases: Iterable[str]) -> str:
    """Return the newest release whose messages all the given releases can read.

    The result is the oldest of the given releases, except for releases of os-vif and of kuryr
    together. An unknown release counts as the newest known release before the unknown release:
    see :func:`~os_vif.objects.versioning.release_names.newest_release_until`.

    Release 1.8.0 has a common release with 1.8.0 and with this library only. Other releases have
    the addresses of a port in the subnets, where 1.8.0 drops the addresses without an error.

    :param releases: releases of os-vif such as ``5.3.0``, or of kuryr such as ``kuryr-10.0.0``.
        Without releases, the result is the present release.
    :raises os_vif.exception.UnsupportedVersion: for any other name, and for releases without a
        common release.
    """
    if isinstance(releases, str):
        raise exception.UnsupportedVersion(
            path="releases", found=f"the text {describe(releases)}", expected="a list of releases"
        )
    return _common_release(frozenset(known_release(name, "release") for name in releases))


def release_of_agents(
    agents: Iterable[Mapping[str, Any]],
    *,
    default: str | None = None,
    silent_after: dt.timedelta | None = None,
) -> str:
    """Return the newest release whose messages all agents of neutron can read.

    An agent reports the release as ``{"os_vif": "5.3.0"}`` in ``resource_versions``. Agents with
    ``admin_state_up`` false do not count. Agents with ``alive`` false do: an agent that lost the
    connection to the message broker reads the queued messages later.

    :param agents: agents that receive objects of os-vif, as in the lists of neutron, with ``host``,
        ``admin_state_up``, ``heartbeat_timestamp`` in UTC, and ``resource_versions`` as a dict or
        as JSON.
    :param default: the release of an agent without a reported release, and the result if no agent
        counts.
    :param silent_after: the age of the last heartbeat from which an agent does not count; neutron
        itself uses twice ``agent_down_time``. None means that the heartbeat has no effect. An agent
        without a heartbeat counts.
    :raises os_vif.exception.InvalidValue: for an agent without a reported release, or if no agent
        counts, if there is no *default*; for ``resource_versions`` or a heartbeat of another type.
    :raises os_vif.exception.UnsupportedVersion: for any other value of ``os_vif``, and for releases
        without a common release.
    """
    if default is not None:
        default = known_release(default, "default")
    counted = [agent for agent in agents if _counts(agent, silent_after)]
    if not counted and default is None:
        raise exception.InvalidValue(
            path="agents",
            found="no agent that counts",
            expected="an agent with a release of os-vif, or the argument 'default'",
        )
    found = {_release_of_agent(agent, default) for agent in counted}
    return common_release(found or {default or CURRENT_RELEASE})


def known_release(stated: Any, path: str) -> str:
    """Return the newest known release that is not newer than a stated release.

    :param path: the argument, field or option with the name, for the error.
    :raises os_vif.exception.UnsupportedVersion: for a value that is no release.
    """
    release = newest_release_until(stated)
    if release is None:
        raise exception.UnsupportedVersion(
            path=path, found=describe(stated), expected=history.describe_releases()
        )
    return release


def _counts(agent: Any, silent_after: dt.timedelta | None) -> bool:
    """Return True if messages are written for the release of an agent."""
    if not isinstance(agent, Mapping):
        raise exception.InvalidValue(
            path="agents", found=describe(agent), expected="agents of neutron, as dicts"
        )
    if agent.get("admin_state_up") is False:
        return False
    heartbeat = agent.get("heartbeat_timestamp")
    if silent_after is None or heartbeat is None:
        return True
    if isinstance(heartbeat, str):
        with contextlib.suppress(ValueError):
            heartbeat = dt.datetime.fromisoformat(heartbeat)
    if not isinstance(heartbeat, dt.datetime):
        raise exception.InvalidValue(
            path=f"heartbeat_timestamp of {_describe_agent(agent)}",
            found=describe(heartbeat),
            expected="a time such as '2026-11-30 12:00:00'",
        )
    if heartbeat.tzinfo is None:
        heartbeat = heartbeat.replace(tzinfo=dt.UTC)
    return dt.datetime.now(dt.UTC) - heartbeat < silent_after


def _describe_agent(agent: Mapping[str, Any]) -> str:
    host = agent.get("host")
    return f"the agent on {describe(host) if host else 'an unnamed host'}"


def _release_of_agent(agent: Mapping[str, Any], default: str | None) -> str:
    path = f"resource_versions of {_describe_agent(agent)}"
    reported = agent.get("resource_versions") or {}
    if isinstance(reported, str):
        try:
            reported = json.loads(reported)
        except (ValueError, RecursionError):
            raise exception.InvalidValue(
                path=path, found=describe(reported), expected="JSON"
            ) from None
    if not isinstance(reported, Mapping):
        raise exception.InvalidValue(path=path, found=describe(reported), expected="a dict")
    release = reported.get(RESOURCE, default)
    if not isinstance(release, str):
        raise exception.InvalidValue(
            path=path,
            found=describe(release) if RESOURCE in reported else f"no {RESOURCE!r}",
            expected="a release of os-vif such as '5.3.0', or the argument 'default' with the "
            "release of agents that report none",
        )
    return known_release(release, below(path, RESOURCE))


@functools.lru_cache(maxsize=64)
def _common_release(releases: frozenset[str]) -> str:
    if len(releases) <= 1:
        return next(iter(releases), CURRENT_RELEASE)
    newest_first = (CURRENT_RELEASE, *reversed(PUBLIC_RELEASES))
    # Neighbours may have the same versions: prefer the name of a given release.
    given = sorted(releases, key=(*newest_first, *history.peers()).index)
    for candidate in (*given, *newest_first):
        if all(_reads(reader, candidate) for reader in releases):
            return candidate
    lonely = [reader for reader in given if _has_withdrawn_version(reader)]
    raise exception.UnsupportedVersion(
        path="releases",
        found=" and ".join(given),
        expected=f"releases with a common release: upgrade the receivers with {lonely[0]}, or send "
        f"to these receivers with a serializer for release {lonely[0]!r}",
    )


def _reads(reader: str, writer: str) -> bool:
    """Return True if *reader* reads each class of *writer* completely.

    A reader has the class in the same or in a later minor version. A withdrawn version has other
    fields than the versions before and after it, so only the release itself reads the version, and
    this library.
    """
    readable = history.manifest(reader)
    classes = history.vocabulary()
    return all(
        name in readable
        and (
            readable[name] == version
            or (
                parse_version(version) < parse_version(readable[name])
                and history.withdrawn_version(classes[name], readable[name]) is None
                and history.withdrawn_version(classes[name], version) is None
            )
            or (
                reader == CURRENT_RELEASE
                and history.withdrawn_version(classes[name], version) is not None
            )
        )
        for name, version in history.manifest(writer).items()
    )


def _has_withdrawn_version(release: str) -> bool:
    """Return True for a release with a version of a class that a later release withdrew."""
    classes = history.vocabulary()
    return any(
        history.withdrawn_version(classes[name], version) is not None
        for name, version in history.manifest(release).items()
    )
