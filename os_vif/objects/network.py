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
        "id": fields.UUIDField(),
        "bridge": fields.StringField(),
        "label": fields.StringField(),
        "subnets": fields.ObjectField("SubnetList"),
        "multi_host": fields.BooleanField(),
        "should_provide_bridge": fields.BooleanField(),
        "should_provide_vlan": fields.BooleanField(),
        "bridge_interface": fields.StringField(nullable=True),
        "vlan": fields.IntegerField(nullable=True),
        "mtu": fields.IntegerField(nullable=True),
    }

    _obj_initial = {
        "subnets": lambda: subnet.SubnetList(objects=[]),
        "multi_host": lambda: False,
        "should_provide_bridge": lambda: False,
        "should_provide_vlan": lambda: False,
        "mtu": lambda: None,
    }
