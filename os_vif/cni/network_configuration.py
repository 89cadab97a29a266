# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network configuration of an invocation, which the runtime writes to standard input."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from os_vif.cni.cni_error import CniError, Code
from os_vif.escape import abbreviated

#: The supported versions of the specification, oldest first.
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
#: ``cniVersion`` of a configuration without one, by the specification.
DEFAULT_VERSION = "0.1.0"
#: Characters of a network name and of a container id.
IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_MIN_MTU, _MAX_MTU = 68, 65535
#: Fields of the plugin ``bridge`` of containernetworking-plugins that os-vif does not support.
_UNSUPPORTED = (
    "disableContainerInterface",
    "enabledad",
    "forceAddress",
    "hairpinMode",
    "ipMasq",
    "ipMasqBackend",
    "macspoofchk",
    "portIsolation",
    "promiscMode",
    "vlan",
    "vlanTrunk",
)


@dataclasses.dataclass(frozen=True)
class NetworkConfiguration:
    """A validated network configuration."""

    version: str
    name: str
    #: The decoded configuration.
    plain: Mapping[str, Any]

    @property
    def plugin(self) -> str:
        """The os-vif plugin of VIFs that the CNI plugin makes."""
        return cast("str", self.plain.get("plugin") or "linux_bridge")

    @property
    def bridge(self) -> str | None:
        """The bridge of VIFs that the CNI plugin makes."""
        return self.plain.get("bridge")

    @property
    def mtu(self) -> int | None:
        """The MTU of the network; None for the default of the os-vif plugin."""
        return self.plain.get("mtu")

    @property
    def is_default_gateway(self) -> bool | None:
        """True if the pod gets a default route from the gateways; None if unset."""
        return self.plain.get("isDefaultGateway")

    @property
    def is_gateway(self) -> bool | None:
        """True if the host is the gateway of the pods, with an address on the bridge; None if unset."""
        return self.plain.get("isGateway")

    @property
    def ipam_type(self) -> str | None:
        """The name of the IPAM plugin; None without one."""
        return cast("str | None", (self.plain.get("ipam") or {}).get("type") or None)

    @property
    def dns(self) -> Mapping[str, Any]:
        """DNS settings of the configuration."""
        return cast("Mapping[str, Any]", self.plain.get("dns") or {})

    @property
    def runtime_config(self) -> Mapping[str, Any]:
        """The values of capabilities."""
        return cast("Mapping[str, Any]", self.plain.get("runtimeConfig") or {})

    @property
    def arguments(self) -> Mapping[str, Any]:
        """``args.cni``."""
        return cast("Mapping[str, Any]", (self.plain.get("args") or {}).get("cni") or {})

    @property
    def previous(self) -> Mapping[str, Any] | None:
        """``prevResult``."""
        return cast("Mapping[str, Any] | None", self.plain.get("prevResult"))

    def valid_attachments(self) -> frozenset[tuple[str, str]]:
        """Return the container id and the interface of each valid attachment, for GC.

        libcni also sends the earlier name of the key.

        :raises CniError: if the list is missing or malformed: without a list all pods would be
            unplugged.
        """
        for key in ("cni.dev/valid-attachments", "cni.dev/attachments"):
            if key in self.plain:
                return _read_attachments(key, self.plain[key])
        raise invalid_field("cni.dev/valid-attachments", "missing", "a list of attachments")


def parse(raw: bytes) -> NetworkConfiguration:
    """Return the network configuration of the standard input of an invocation.

    :raises CniError: for an undecodable or invalid configuration, and an unsupported version.
    """
    plain = decode(raw)
    version = version_of(plain)
    if version not in VERSIONS:
        raise CniError(
            Code.INCOMPATIBLE_VERSION,
            "incompatible CNI version",
            f"the configuration has cniVersion {abbreviated(version, 40)}; os-vif supports "
            f"{', '.join(VERSIONS)}",
        )
    name = plain.get("name")
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise invalid_field(
            "name", _show(name), "a network name of letters, digits, '_', '.' and '-'"
        )
    _require_types(plain)
    return NetworkConfiguration(version, name, plain)


def decode(raw: bytes) -> dict[str, Any]:
    """Return the decoded configuration.

    :raises CniError: if the text is no JSON object.
    """
    try:
        plain = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CniError(
            Code.UNDECODABLE, "the network configuration is no JSON", str(error)
        ) from error
    if not isinstance(plain, dict):
        raise CniError(
            Code.UNDECODABLE,
            "the network configuration is no JSON object",
            f"found {_show(plain)}",
        )
    return plain


def version_of(plain: Mapping[str, Any]) -> str:
    """Return ``cniVersion`` of a decoded configuration."""
    version = plain.get("cniVersion")
    return version if isinstance(version, str) and version else DEFAULT_VERSION


def is_at_least(version: str, other: str) -> bool:
    """Return whether a supported version is *other* or newer."""
    return VERSIONS.index(version) >= VERSIONS.index(other)


def require_supported(plain: Mapping[str, Any]) -> None:
    """Check that no field asks for a feature of the plugin ``bridge`` that os-vif lacks.

    DEL, CHECK and GC ignore the fields: no ADD has succeeded with one of them.

    :raises CniError: for a field with another value than the default.
    """
    for field in _UNSUPPORTED:
        if plain.get(field):
            raise invalid_field(
                field, _show(plain[field]), "unset: os-vif-cni does not support the field"
            )


def _require_types(plain: Mapping[str, Any]) -> None:
    """Check the fields that os-vif reads.

    :raises CniError: for a field with a value of a wrong type or outside the permitted range.
    """
    for field in ("ipam", "args", "runtimeConfig", "dns", "prevResult"):
        if not isinstance(plain.get(field, {}), dict | None):
            raise invalid_field(field, _show(plain[field]), "an object")
    cni_arguments = (plain.get("args") or {}).get("cni", {})
    if not isinstance(cni_arguments, dict | None):
        raise invalid_field("args.cni", _show(cni_arguments), "an object")
    for path, value in (
        ("plugin", plain.get("plugin")),
        ("bridge", plain.get("bridge")),
        ("ipam.type", (plain.get("ipam") or {}).get("type")),
    ):
        if value is not None and (not isinstance(value, str) or "/" in value):
            raise invalid_field(path, _show(value), "a name")
    mtu = plain.get("mtu")
    if mtu is not None and (type(mtu) is not int or not _MIN_MTU <= mtu <= _MAX_MTU):
        raise invalid_field("mtu", _show(mtu), f"a number of bytes from {_MIN_MTU} to {_MAX_MTU}")
    for field in ("isDefaultGateway", "isGateway"):
        if not isinstance(plain.get(field), bool | None):
            raise invalid_field(field, _show(plain[field]), "true or false")
    _require_dns(plain.get("dns") or {})
    _require_previous(plain.get("prevResult") or {})


def _require_dns(dns: Mapping[str, Any]) -> None:
    """Check the field ``dns``."""
    for field in ("nameservers", "search", "options"):
        values = dns.get(field, [])
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise invalid_field(f"dns.{field}", _show(values), "a list of texts")
    if not isinstance(dns.get("domain", ""), str):
        raise invalid_field("dns.domain", _show(dns["domain"]), "a text")


def _require_previous(previous: Mapping[str, Any]) -> None:
    """Check the lists of ``prevResult``."""
    for field in ("interfaces", "ips", "routes"):
        values = previous.get(field)
        is_list = isinstance(values, list) and all(isinstance(each, dict) for each in values)
        if values is not None and not is_list:
            raise invalid_field(f"prevResult.{field}", _show(values), "a list of objects")


def require_mac(field: str, value: object) -> str:
    """Return a MAC address of a configuration.

    :raises CniError: for another value.
    """
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        raise invalid_field(field, _show(value), "a MAC address such as 02:00:00:00:00:01")
    return value.lower()


def _read_attachments(key: str, value: Any) -> frozenset[tuple[str, str]]:
    """Return the attachments of a list.

    :raises CniError: for a malformed list.
    """
    if not isinstance(value, Sequence | None) or isinstance(value, str):
        raise invalid_field(key, _show(value), "a list of attachments")
    found = set()
    for number, each in enumerate(value or ()):
        pair = (each.get("containerID"), each.get("ifname")) if isinstance(each, dict) else ()
        if len(pair) != 2 or not all(isinstance(text, str) and text for text in pair):  # noqa: PLR2004 - a pair
            raise invalid_field(
                f"{key}[{number}]", _show(each), "an object with containerID and ifname"
            )
        found.add((str(pair[0]), str(pair[1])))
    return frozenset(found)


def invalid_field(field: str, found: str, expected: str) -> CniError:
    """Return the error for a field of the configuration with an unusable value."""
    return CniError(
        Code.INVALID_CONFIGURATION,
        "invalid network configuration",
        f"{field} is {found}; expected {expected}",
    )


def _show(value: object) -> str:
    """Return an extract of a value, for an error."""
    return "missing" if value is None else abbreviated(value, 80)
