# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inputs of a plan, as a value that is equal for equal inputs.

The inputs are the contents of the VIF and of the instance, and the values of the options. A plan of
:mod:`native` and :mod:`hybrid` depends on nothing else but rows of Open vSwitch, and whether the name of
a device is an alternative name of another device.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import netaddr
from oslo_versionedobjects import base as ovo

from os_vif import objects
from os_vif.host.ovsdb import remotes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: The classes of VIFs whose plans depend on nothing else.
_CLASSES = (objects.VIFOpenVSwitch, objects.VIFBridge)
#: The options of ``[os_vif_ovs]`` that a plan without TLS reads.
_read_options = operator.attrgetter(
    "ovsdb_connection", "ovsdb_interface", "ovs_vsctl_timeout", "wait_for_vswitchd",
    "network_device_mtu", "isolate_vif", "per_port_bridge", "default_qos_type",
)  # fmt: skip
#: Attributes of a versioned object that are no contents.
_NO_CONTENTS = frozenset({"_context", "_changed_fields", "_initial_changed_fields"})
_PLAIN = frozenset({str, int, bool, type(None)})


class _UnknownContentsError(Exception):
    """A value has a class whose contents are unknown."""


def reader(
    config: Any,
) -> Callable[[objects.VIFBase, objects.InstanceInfo], Hashable | None] | None:
    """Return a function that returns the inputs of the plan of a VIF, with the present options.

    The function returns None if the plan may depend on further inputs. None for a connection with
    TLS: the files of the connection are read for every plan.

    :param config: the options of the plugin.
    """
    options = _read_options(config)
    connection = options[0]
    if not connection or remotes.is_secured(connection):
        return None
    # The default of the connection differs from an equal text of an operator.
    options = (type(connection), *options)

    def read_inputs(vif: objects.VIFBase, instance: objects.InstanceInfo) -> Hashable | None:
        if type(vif) not in _CLASSES:
            return None
        try:
            return (options, *_contents(vif), *_contents(instance))
        except _UnknownContentsError:
            return None

    return read_inputs


def _contents(obj: ovo.VersionedObject) -> list[Any]:
    """Return the class, and the names and values of all attributes of an object.

    The class of a plain value is a part, because True is equal to 1.
    """
    found: list[Any] = [type(obj)]
    for name, value in obj.__dict__.items():
        if name in _NO_CONTENTS:
            continue
        kind = type(value)
        found += (name, kind, value) if kind in _PLAIN else (name, _frozen(value))
    return found


def _frozen(value: Any) -> Hashable:
    """Return a hashable value, equal for equal contents.

    :raises _UnknownContentsError: for a value of an unknown class.
    """
    kind = type(value)
    if kind in _PLAIN:
        return (kind, value)
    if isinstance(value, ovo.VersionedObject):
        return tuple(_contents(value))
    if isinstance(value, list | tuple):
        return (kind, *map(_frozen, value))
    if isinstance(value, dict):
        return (kind, *((_frozen(key), _frozen(each)) for key, each in value.items()))
    if kind in (netaddr.IPAddress, netaddr.IPNetwork):
        return (kind, str(value))
    raise _UnknownContentsError
