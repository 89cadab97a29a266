# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The target release of messages, from the option or from the running receivers."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.codec.path import below, describe
from os_vif.objects.versioning import history
from os_vif.objects.versioning.history import parse_version
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
        or at a later change.
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
        return auto() if auto is not None and release == upgrade_levels.AUTO else release or None

    # The start of the service reports an invalid option, not the first message.
    read_option()
    return find_release


def common_release(releases: Iterable[str]) -> str:
    """Return the newest release whose messages all the given releases can read.

    The result is the oldest of the given releases, with two exceptions: releases of os-vif and of
    kuryr together, and release 1.8.0, whose versions of some classes no later release reads. An
    unknown release counts as the newest known release before the unknown release.

    :param releases: releases of os-vif such as ``5.3.0``, or of kuryr such as ``kuryr-10.0.0``.
        Without releases, the result is the present release.
    :raises os_vif.exception.UnsupportedVersion: for any other name.
    """
    return _common_release(frozenset(map(_known_release, releases)))


def release_of_agents(agents: Iterable[Mapping[str, Any]], *, default: str | None = None) -> str:
    """Return the newest release whose messages all agents of neutron can read.

    An agent reports the release as ``{"os_vif": "5.3.0"}`` in ``resource_versions``. Agents with
    ``alive`` false do not count, as with the resources of neutron.

    :param agents: agents that receive objects of os-vif, as in the lists of neutron, with ``host``,
        ``alive``, and ``resource_versions`` as a dict or as JSON.
    :param default: the release of an agent without a reported release.
    :raises os_vif.exception.InvalidValue: for an agent without a reported release, if there
        is no *default*, and for ``resource_versions`` of another type.
    :raises os_vif.exception.UnsupportedVersion: for any other value of ``os_vif``.
    """
    alive = [agent for agent in agents if agent.get("alive") is not False]
    return common_release([_release_of_agent(agent, default) for agent in alive])


def _release_of_agent(agent: Mapping[str, Any], default: str | None) -> str:
    host = agent.get("host")
    path = f"resource_versions of the agent on {describe(host) if host else 'an unnamed host'}"
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
    try:
        return _known_release(release)
    except exception.UnsupportedVersion as error:
        raise exception.UnsupportedVersion(
            path=below(path, RESOURCE), found=error.found, expected=error.expected
        ) from None


def _known_release(release: str) -> str:
    """Return the release, or the newest known release before an unknown release."""
    if release in history.releases() or release in history.peers():
        return release
    try:
        number = parse_version(release)
    except ValueError:
        number = ()
    older = [r for r in (*PUBLIC_RELEASES, CURRENT_RELEASE) if parse_version(r) <= number]
    return older[-1] if older else require_release(release, "release")


@functools.lru_cache(maxsize=64)
def _common_release(releases: frozenset[str]) -> str:
    if len(releases) <= 1:
        return next(iter(releases), CURRENT_RELEASE)
    newest_first = (CURRENT_RELEASE, *reversed(PUBLIC_RELEASES))
    # Neighbours may have the same versions: prefer the name of a given release.
    given = sorted(releases, key=(*newest_first, *history.peers()).index)
    candidates = (*given, *newest_first)
    # Every release reads the messages of release 1.0.0.
    return next(
        (c for c in candidates if all(_reads(reader, c) for reader in releases)),
        PUBLIC_RELEASES[0],
    )


def _reads(reader: str, writer: str) -> bool:
    """Return True if *reader* has each class of *writer*, in the same or a later minor version."""
    readable = history.manifest(reader)
    classes = history.vocabulary()
    return all(
        name in readable
        and (
            readable[name] == version
            or (
                parse_version(version) < parse_version(readable[name])
                and history.withdrawn_version(classes[name], version) is None
            )
        )
        for name, version in history.manifest(writer).items()
    )
