# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Offers of hosts, from the data that hosts publish already.

:mod:`os_vif.negotiation.trusted_release` has the order of trust of releases. The field
``assumption`` of an offer is set if no source states a release.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from os_vif import exception, objects
from os_vif.codec.path import describe
from os_vif.negotiation import released_plugins, trusted_release
from os_vif.negotiation.offer_fields import field_of
from os_vif.objects import HostInfo, HostOffer
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import bundled_os_vif
from os_vif.serialization import formats, loads

#: The member of ``configurations`` and ``resource_versions`` of an agent.
MEMBER = "os_vif"
#: The option of ``ovn-cms-options`` of a chassis with the release.
CMS_OPTION = "os-vif-release"
#: The values of ``iface_types`` of Open vSwitch that matter for a VIF.
INTERFACE_TYPES = ("dpdkvhostuser", "dpdkvhostuserclient")
#: The plugins of the hosts of an agent, by ``agent_type``. Every host of a release with the plugin
#: noop has the plugin, which macvtap devices, physical functions and ports of a DPU use.
_PLUGINS_OF_AGENT = {
    "Linux bridge agent": ("linux_bridge", "noop"),
    "Macvtap agent": ("noop",),
    "NIC Switch agent": ("noop", "sriov"),
    "OVN Controller Gateway agent": ("noop", "ovs", "sriov"),
    "OVN Controller agent": ("noop", "ovs", "sriov"),
    "Open vSwitch agent": ("noop", "ovs"),
}
#: The plugins of the hosts of a chassis.
_PLUGINS_OF_CHASSIS = ("noop", "ovs", "sriov")
#: The members of ``configurations`` with the physical networks.
_MAPPINGS = ("bridge_mappings", "interface_mappings", "device_mappings")
#: The member of ``configurations`` of OVN's agents: text, as ``ovn-bridge-mappings`` of a chassis.
_OVN_MAPPINGS = "bridge-mappings"
#: The columns of a chassis, of which a row has at least one.
_COLUMNS = ("hostname", "other_config", "external_ids")


class _Origin(NamedTuple):
    """The origin of a release, for errors."""

    #: The path of the release.
    path: str
    host: str | None = None


def of_host_info(
    info: str | bytes | HostInfo, release: str | None = None, host: str | None = None
) -> HostOffer:
    """Return the offer of a host from ``HostInfo`` of any release.

    :param info: the object, a document, or an OVO primitive as JSON.
    :param release: the release of os-vif on the host, if known.
    :param host: the name of the host, if known.
    :raises os_vif.exception.SerializationError: for unreadable data.
    :raises os_vif.exception.InvalidField: for another object, and for an unknown release.
    """
    return _of_host_info(info, release, _Origin("release", host))


def _of_host_info(info: str | bytes | HostInfo, release: str | None, origin: _Origin) -> HostOffer:
    read = loads(info) if isinstance(info, str | bytes) else info
    if not isinstance(read, HostInfo):
        raise exception.InvalidField(
            field="info", found=f"a {type(read).__name__}", expected="a HostInfo"
        )
    newest: dict[str, str] = {}
    plugins = []
    has_profiles = False
    for plugin in field_of(read, "plugin_info") or ():
        vifs = []
        for vif in field_of(plugin, "vif_info") or ():
            newest[vif.vif_object_name] = vif.max_version
            profiles = field_of(vif, "supported_port_profiles")
            has_profiles |= profiles is not None
            newest |= {p.profile_object_name: p.max_version for p in profiles or ()}
            names = sorted(p.profile_object_name for p in profiles or ())
            vifs.append(objects.OfferedClass(name=vif.vif_object_name, profiles=names))
        vifs.sort(key=lambda vif: vif.name)
        plugins.append(objects.OfferedPlugin(name=plugin.plugin_name, vifs=vifs))
    plugins.sort(key=lambda plugin: plugin.name)
    offer = HostOffer(plugins=plugins)
    others = {name: v for name, v in newest.items() if name not in history.public_classes()}
    if others:
        offer.versions = [
            objects.OfferedVersion(name=name, version=version)
            for name, version in sorted(others.items())
        ]
    if origin.host is not None:
        offer.host = origin.host
    known = {name: version for name, version in newest.items() if name not in others}
    stated = release or trusted_release.release_of_versions(known)
    _set_release(offer, stated, origin, has_profiles=has_profiles, source="the HostInfo")
    return offer


def of_agent(agent: Mapping[str, Any], release: str | None = None) -> HostOffer:
    """Return the offer of a host from an agent of neutron, as the API or the database has it.

    Read are ``resource_versions["os_vif"]``, a :class:`~os_vif.objects.HostOffer` or ``HostInfo``
    in ``configurations["os_vif"]``, and the facts that agents publish.

    :param agent: the object of ``GET /v2.0/agents/{id}``, with or without the member ``agent``.
    :param release: the release of os-vif on the host, if known; takes precedence.
    :raises os_vif.exception.InvalidField: with the path, for an unusable value, and for an agent
        of a type that binds no ports.
    """
    agent = _required_mapping(agent, "agent")
    agent = _required_mapping(agent.get("agent", agent), "agent")
    host = agent.get("host") if isinstance(agent.get("host"), str) else None
    configurations = _mapping(agent.get("configurations"), "agent.configurations")
    resources = _mapping(agent.get("resource_versions"), "agent.resource_versions")
    stated = release or resources.get(MEMBER)
    if stated is not None and not isinstance(stated, str):
        raise exception.InvalidField(
            field=f"agent.resource_versions.{MEMBER}",
            found=describe(stated),
            expected="a release of os-vif, such as '5.3.0'",
        )
    origin = _Origin("release" if release else f"agent.resource_versions.{MEMBER}", host)
    published = configurations.get(MEMBER)
    if published is not None:
        offer = _of_document(published, stated, f"agent.configurations.{MEMBER}", origin)
    else:
        offer = HostOffer()
        kind = agent.get("agent_type")
        if not isinstance(kind, str) or kind not in _PLUGINS_OF_AGENT:
            raise exception.InvalidField(
                field="agent.agent_type",
                found=describe(kind),
                expected=f"{', '.join(sorted(_PLUGINS_OF_AGENT))}, or an agent with "
                f"configurations.{MEMBER}",
            )
        _set_plugins(offer, stated, origin, _PLUGINS_OF_AGENT[kind], source="the agent")
    if field_of(offer, "host") is None and host is not None:
        offer.host = host
    _add_agent_facts(offer, configurations)
    return offer


def of_chassis(row: Any, release: str | None = None) -> HostOffer:
    """Return the offer of a host from a row of the table Chassis of OVN's southbound database.

    The option ``os-vif-release=RELEASE`` of ``ovn-cms-options`` states the release.

    :param row: an object with the attributes, or a mapping with the columns, ``hostname``,
        ``other_config`` and ``external_ids``.
    :param release: the release of os-vif on the host, if known; takes precedence.
    :raises os_vif.exception.InvalidField: with the path, for an unusable value.
    """
    if not _has_column(row):
        raise exception.InvalidField(
            field="row",
            found=describe(row),
            expected=f"a row of Chassis, with the columns {', '.join(_COLUMNS)}",
        )
    # Before OVN 20.06, the configuration of a chassis is in external_ids.
    config = {
        **_mapping(_column(row, "external_ids"), "row.external_ids"),
        **_mapping(_column(row, "other_config"), "row.other_config"),
    }
    offer = HostOffer()
    options = dict(
        option.strip().partition("=")[::2]
        for option in str(config.get("ovn-cms-options", "")).split(",")
    )
    stated = release or options.get(CMS_OPTION) or None
    hostname = _column(row, "hostname")
    host = hostname if isinstance(hostname, str) and hostname else None
    option = f"row.other_config.ovn-cms-options.{CMS_OPTION}"
    origin = _Origin("release" if release else option, host)
    _set_plugins(offer, stated, origin, _PLUGINS_OF_CHASSIS, source="the chassis")
    if host is not None:
        offer.host = host
    if "datapath-type" in config:
        # The empty type is the datapath of the kernel.
        offer.datapath_types = [str(config["datapath-type"]) or "system"]
    if "iface-types" in config:
        offer.interface_types = _relevant(str(config["iface-types"]).split(","))
    if "ovn-bridge-mappings" in config:
        offer.physical_networks = _mapped_networks(str(config["ovn-bridge-mappings"]))
    offer.hybrid_plug = False
    return offer


def of_document(
    published: str | bytes | Mapping[str, Any], release: str | None = None, path: str = "offer"
) -> HostOffer:
    """Return the offer of a document or an OVO primitive; ``HostInfo`` is converted.

    :param published: a :class:`~os_vif.objects.HostOffer` or a ``HostInfo``, as JSON text or as
        plain data.
    :param release: the release of os-vif on the host, if known; takes precedence.
    :param path: the name of the data for errors.
    :raises os_vif.exception.InvalidField: for unreadable data, and for another object.
    """
    return _of_document(published, release, path, _Origin("release"))


def _of_document(published: Any, release: str | None, path: str, origin: _Origin) -> HostOffer:
    try:
        is_text = isinstance(published, str | bytes)
        read = loads(published) if is_text else formats.decode(published)
    except exception.SerializationError as error:
        raise exception.InvalidField(
            field=path, found=f"unreadable: {error}", expected="a HostOffer or a HostInfo"
        ) from error
    if isinstance(read, HostInfo):
        return _of_host_info(read, release, origin)
    if not isinstance(read, HostOffer):
        raise exception.InvalidField(
            field=f"{path}.kind", found=type(read).__name__, expected="HostOffer or HostInfo"
        )
    if release is not None or field_of(read, "release") is None:
        _set_release(read, release, origin, source="the offer")
    return read


def _set_plugins(
    offer: HostOffer, stated: str | None, origin: _Origin, plugins: Iterable[str], source: str
) -> None:
    """Set the release, and the plugins of the release."""
    if stated is not None:
        known = trusted_release.known_release(stated, *origin)
        offer.plugins = released_plugins.plugins_of_release(known, plugins)
    else:
        # The classes of the newest public release, since the source names no class.
        newest = {name: released_plugins.newest_public_release_with(name) for name in plugins}
        offer.plugins = [
            plugin
            for name, release in sorted(newest.items())
            if release is not None
            for plugin in released_plugins.plugins_of_release(release, [name])
        ]
    _set_release(offer, stated, origin, source=source)


def _set_release(
    offer: HostOffer,
    stated: str | None,
    origin: _Origin,
    *,
    source: str,
    has_profiles: bool = True,
) -> None:
    """Set the release, or the assumed release and the assumption.

    A stated release goes before the plugins: plugins of os-vif that the release lacks are dropped.
    """
    if stated is not None:
        known = bundled_os_vif(trusted_release.known_release(stated, *origin))
        offer.release = stated
        if field_of(offer, "plugins") is not None:
            offer.plugins = [
                plugin
                for plugin in offer.plugins
                if not released_plugins.is_own_plugin(plugin.name)
                or released_plugins.has_plugin(known, plugin.name)
            ]
        if "assumption" in offer:
            delattr(offer, "_obj_assumption")
        return
    classes = set()
    plugins = field_of(offer, "plugins") or ()
    for plugin in plugins:
        for vif in field_of(plugin, "vifs") or ():
            classes |= {vif.name, *(field_of(vif, "profiles") or ())}
    names = [plugin.name for plugin in plugins]
    assumed = trusted_release.assumed_release(classes, names, has_profiles=has_profiles)
    offer.release = assumed
    offer.assumption = (
        f"release {assumed} is assumed, the oldest with the plugins and classes of {source} whose "
        f"text later releases read; {source} states no release"
    )


def _add_agent_facts(offer: HostOffer, configurations: Mapping[str, Any]) -> None:
    """Add the facts of ``configurations`` that the offer lacks."""
    facts: dict[str, Any] = {}
    capabilities = _mapping(
        configurations.get("ovs_capabilities"), "agent.configurations.ovs_capabilities"
    )
    if isinstance(configurations.get("datapath_type"), str):
        facts["datapath_types"] = [configurations["datapath_type"] or "system"]
    if isinstance(capabilities.get("iface_types"), list):
        facts["interface_types"] = _relevant(map(str, capabilities["iface_types"]))
    mappings = [
        _mapping(configurations[name], f"agent.configurations.{name}")
        for name in _MAPPINGS
        if configurations.get(name) is not None
    ]
    networks = {str(name) for mapping in mappings for name in mapping}
    ovn_mappings = configurations.get(_OVN_MAPPINGS)
    if isinstance(ovn_mappings, str):
        networks.update(_mapped_networks(ovn_mappings))
    elif ovn_mappings is not None:
        raise exception.InvalidField(
            field=f"agent.configurations.{_OVN_MAPPINGS}",
            found=describe(ovn_mappings),
            expected="text, such as physnet1:br-ex",
        )
    if mappings or ovn_mappings is not None:
        facts["physical_networks"] = sorted(networks)
    if isinstance(configurations.get("ovs_hybrid_plug"), bool):
        facts["hybrid_plug"] = configurations["ovs_hybrid_plug"]
    for name, value in facts.items():
        if name not in offer:
            setattr(offer, name, value)


def _relevant(types: Iterable[str]) -> list[str]:
    """Return the interface types that matter for a VIF, sorted."""
    return sorted({name.strip() for name in types} & set(INTERFACE_TYPES))


def _mapped_networks(mappings: str) -> list[str]:
    """Return the physical networks of text such as ``physnet1:br-ex,physnet2:br-2``, sorted."""
    names = (entry.partition(":")[0].strip() for entry in mappings.split(","))
    return sorted({name for name in names if name})


def _has_column(row: Any) -> bool:
    """Return True for a row with at least one of the columns."""
    if isinstance(row, Mapping):
        return any(name in row for name in _COLUMNS)
    return any(hasattr(row, name) for name in _COLUMNS)


def _column(row: Any, name: str) -> Any:
    """Return a column of a row: a mapping, or an object with attributes."""
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    """Return a mapping, also from JSON text as in neutron's database; None gives an empty one.

    :raises os_vif.exception.InvalidField: for another value.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value else {}
        except (ValueError, RecursionError):
            value = None
            found = "text that is not JSON"
        else:
            found = describe(value)
    elif value is None:
        return {}
    else:
        found = describe(value)
    if not isinstance(value, Mapping):
        raise exception.InvalidField(field=path, found=found, expected="a JSON object")
    return value


def _required_mapping(value: Any, path: str) -> Mapping[str, Any]:
    """Return a mapping.

    :raises os_vif.exception.InvalidField: for another value, also for None and for text.
    """
    if not isinstance(value, Mapping):
        raise exception.InvalidField(field=path, found=describe(value), expected="a JSON object")
    return value
