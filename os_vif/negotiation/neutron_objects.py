# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checked access to the dictionaries of Neutron's API.

Each access names the expected type. An error has the path of the member, such as
``subnets[0].host_routes[1].nexthop``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oslo_versionedobjects import fields

from os_vif import exception
from os_vif.codec.path import COERCION_ERRORS, below, describe

#: The maximum length of a whole number that is written as a text.
_MAX_DIGITS = 9
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAC_ADDRESS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", re.IGNORECASE)
#: Addresses of the kernel with a domain above ffff, such as behind a VMD controller of Intel.
_LONG_PCI_ADDRESS = re.compile(r"[0-9a-f]{5,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", re.IGNORECASE)
_IP_ADDRESS = fields.IPAddress()
_IP_NETWORK = fields.IPNetwork()


def invalid(path: str, found: str, expected: str) -> exception.InvalidBinding:
    """Return the error for a value at a path."""
    return exception.InvalidBinding(path=path, found=found, expected=expected)


@dataclass(frozen=True)
class ApiObject:
    """An object of Neutron's API, and the path of the object for errors."""

    members: Mapping[str, Any]
    path: str

    @classmethod
    def of(cls, value: Any, path: str) -> ApiObject:
        """Return *value* as an object.

        :raises os_vif.exception.InvalidBinding: for a value other than a mapping.
        """
        if not isinstance(value, Mapping):
            raise invalid(path, describe(value), "an object")
        return cls(value, path)

    def path_of(self, name: str) -> str:
        """Return the path of a member."""
        return below(self.path, name)

    def error(self, name: str, expected: str) -> exception.InvalidBinding:
        """Return the error for the value of a member, or for a missing member."""
        found = describe(self.members[name]) if name in self.members else "nothing"
        return invalid(self.path_of(name), found, expected)

    def is_set(self, name: str) -> bool:
        """Return True for a member with a value other than null."""
        return self.members.get(name) is not None

    def text(self, name: str, expected: str = "a text") -> str:
        """Return a required text, which is not empty."""
        value = self.members.get(name)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.error(name, expected)
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text that may be empty; None if the member is null or missing."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(name, "a text")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean; the default if the member is null or missing."""
        value = self.members.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def integer(self, name: str, least: int, most: int, expected: str) -> int | None:
        """Return a whole number, which may be written as a text; None if the member is not set."""
        value = self.members.get(name)
        if value is None:
            return None
        if (
            isinstance(value, str)
            and value.isascii()
            and value.isdecimal()
            and len(value) <= _MAX_DIGITS
        ):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(name, expected)
        return value

    def array(self, name: str) -> list[Any]:
        """Return an array; an empty list if the member is null or missing."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise self.error(name, "an array")
        return list(value)

    def objects(self, name: str) -> list[ApiObject]:
        """Return an array of objects; an empty list if the member is null or missing."""
        return [
            ApiObject.of(value, below(self.path_of(name), index))
            for index, value in enumerate(self.array(name))
        ]

    def object(self, name: str) -> ApiObject:
        """Return an object; an empty object if the member is null or missing."""
        value = self.members.get(name)
        return ApiObject.of({} if value is None else value, self.path_of(name))

    def uuid(self, name: str) -> str:
        """Return a required UUID."""
        return self._matched(name, _UUID, "a UUID")

    def mac_address(self, name: str) -> str:
        """Return a required MAC address."""
        return self._matched(name, _MAC_ADDRESS, "a MAC address, such as fa:16:3e:00:00:01")

    def pci_address(self, name: str) -> str:
        """Return a required PCI address, with a domain of 4 digits as the fields of VIFs need."""
        value = self.members.get(name)
        if isinstance(value, str) and _LONG_PCI_ADDRESS.fullmatch(value):
            raise self.error(
                name,
                "a PCI address with a domain of 4 digits, such as 0000:03:10.1; the fields of a VIF "
                "cannot have a longer domain",
            )
        return self._matched(name, _PCI_ADDRESS, "a PCI address, such as 0000:03:10.1")

    def ip_address(self, name: str) -> Any:
        """Return a required IP address."""
        return _ip_address(self.members.get(name), self.path_of(name))

    def ip_addresses(self, name: str) -> list[Any]:
        """Return an array of IP addresses; an empty list if the member is null or missing."""
        path = self.path_of(name)
        return [_ip_address(value, below(path, n)) for n, value in enumerate(self.array(name))]

    def ip_network(self, name: str) -> Any:
        """Return a required IP network."""
        value, path = self.members.get(name), self.path_of(name)
        return _coerced(value, path, _IP_NETWORK, "an IP network, such as 192.0.2.0/24")

    def _matched(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.members.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.error(name, expected)
        return value


def _ip_address(value: Any, path: str) -> Any:
    return _coerced(value, path, _IP_ADDRESS, "an IP address, such as 192.0.2.1")


def _coerced(value: Any, path: str, field: fields.FieldType[Any], expected: str) -> Any:
    """Return a text as a value of the type of a field."""
    if not isinstance(value, str):
        raise invalid(path, describe(value), expected)
    try:
        return field.coerce(None, path, value)
    except COERCION_ERRORS as error:
        raise invalid(path, describe(value), expected) from error
