# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network of a VIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, subnet
from os_vif.objects.versioning.history import Version, versions

if TYPE_CHECKING:
    # For the generated types.
    from typing import Any

    from os_vif.objects.subnet import SubnetList


@ovo.VersionedObjectRegistry.register
class Network(base.VersionedObject):
    """A layer-2 network, and the switch of the network on this host.

    By default, a new network has no subnets, no MTU, and False for ``multi_host`` and the
    ``should_provide_*`` flags.
    """

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.3.0", adds=("mtu",)),
    )
    fields = {
        #: The id of the network in the network service.
        "id": fields.UUIDField(),
        #: The name of the bridge of the network on this host.
        "bridge": fields.StringField(),
        #: The name of the network in the network service.
        "label": fields.StringField(),
        #: The subnets of the network, with the addresses of the port.
        "subnets": fields.ObjectField("SubnetList"),
        #: True if each host is a gateway of the network, as with nova-network.
        "multi_host": fields.BooleanField(),
        #: True to let os-vif create the bridge.
        "should_provide_bridge": fields.BooleanField(),
        #: True to let os-vif create a VLAN device for the bridge.
        "should_provide_vlan": fields.BooleanField(),
        #: The host interface of the bridge, or of the VLAN device.
        "bridge_interface": fields.StringField(nullable=True),
        #: The VLAN id of the network.
        "vlan": fields.IntegerField(nullable=True),
        #: The MTU of the network in bytes.
        "mtu": fields.IntegerField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        id: str
        """The id of the network in the network service."""
        bridge: str
        """The name of the bridge of the network on this host."""
        label: str
        """The name of the network in the network service."""
        subnets: SubnetList
        """The subnets of the network, with the addresses of the port."""
        multi_host: bool
        """True if each host is a gateway of the network, as with nova-network."""
        should_provide_bridge: bool
        """True to let os-vif create the bridge."""
        should_provide_vlan: bool
        """True to let os-vif create a VLAN device for the bridge."""
        bridge_interface: str | None
        """The host interface of the bridge, or of the VLAN device."""
        vlan: int | None
        """The VLAN id of the network."""
        mtu: int | None
        """The MTU of the network in bytes."""

        def __init__(
            self,
            context: Any = None,
            *,
            id: str = ...,
            bridge: str = ...,
            label: str = ...,
            subnets: SubnetList = ...,
            multi_host: bool = ...,
            should_provide_bridge: bool = ...,
            should_provide_vlan: bool = ...,
            bridge_interface: str | None = ...,
            vlan: int | None = ...,
            mtu: int | None = ...,
        ) -> None: ...

    _obj_initial = {
        "subnets": lambda: subnet.SubnetList(objects=[]),
        "multi_host": lambda: False,
        "should_provide_bridge": lambda: False,
        "should_provide_vlan": lambda: False,
        "mtu": lambda: None,
    }
