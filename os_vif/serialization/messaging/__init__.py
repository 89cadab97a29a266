# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects of os-vif in the messages of oslo.messaging: RPC calls, replies and notifications.

:class:`~os_vif.serialization.messaging.serializer.Serializer` is a serializer for clients and
servers of oslo.messaging. The package guarantees, and the tests verify:

* A message contains only data that the release of the receivers can read. Otherwise the sender
  raises :class:`os_vif.exception.DataLoss`, and sends nothing.
* A message of every release, in every format of :func:`os_vif.serialization.dumps`, is readable.
* An invalid message raises a :class:`os_vif.exception.SerializationError`.
* Objects of other projects are left to the serializer of that project.

Only ``Serializer`` needs ``oslo.messaging``, and imports the library at the first use: install
``os-vif[messaging]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from os_vif.serialization.messaging.backport_endpoint import BackportEndpoint
from os_vif.serialization.messaging.release_pins import (
    common_release,
    configured_release,
    release_of_agents,
)

if TYPE_CHECKING:
    from os_vif.serialization.messaging.serializer import Serializer

__all__ = [
    "BackportEndpoint",
    "Serializer",
    "common_release",
    "configured_release",
    "release_of_agents",
]


if not TYPE_CHECKING:
    # With this function, type checkers would accept any name.

    def __getattr__(name: str) -> Any:
        if name == "Serializer":
            from os_vif.serialization.messaging.serializer import Serializer

            return Serializer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
