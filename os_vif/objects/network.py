# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network that a VIF belongs to."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, subnet
from os_vif.objects.versioning.history import Version, versions


@ovo.VersionedObjectRegistry.register
class Network(base.VersionedObject):
    """A layer-2 network, and the switch on this host that carries it.

    A new one has no subnets, no MTU, and none of the ``multi_host`` and ``should_provide_*``
    flags, unless the caller says otherwise.
    """

    VERSION = "1.1"
    history = versions(
        Version(
            "1.0",
            since="1.0.0",
            adds=(
                "id",
                "bridge",
                "label",
                "subnets",
                "multi_host",
                "should_provide_bridge",
                "should_provide_vlan",
                "bridge_interface",
                "vlan",
            ),
        ),
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
