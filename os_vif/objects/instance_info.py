# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The instance of a VIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects.versioning.history import Version, versions

if TYPE_CHECKING:
    # For the generated types.
    from typing import Any


@ovo.VersionedObjectRegistry.register
class InstanceInfo(base.VersionedObject):
    """The virtual machine or pod of a VIF."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The id of the virtual machine or pod.
        "uuid": fields.UUIDField(),
        #: The name of the virtual machine or pod.
        "name": fields.StringField(),
        #: The id of the project that owns the virtual machine or pod.
        "project_id": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        uuid: str
        """The id of the virtual machine or pod."""
        name: str
        """The name of the virtual machine or pod."""
        project_id: str
        """The id of the project that owns the virtual machine or pod."""

        def __init__(
            self,
            context: Any = None,
            *,
            uuid: str = ...,
            name: str = ...,
            project_id: str = ...,
        ) -> None: ...
