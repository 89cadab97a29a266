# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network of a VIF."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, subnet
from os_vif.objects.versioning.history import Version, versions


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

    _obj_initial = {
        "subnets": lambda: subnet.SubnetList(objects=[]),
        "multi_host": lambda: False,
        "should_provide_bridge": lambda: False,
        "should_provide_vlan": lambda: False,
        "mtu": lambda: None,
    }
