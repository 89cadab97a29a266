# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of the steps that reach into a pod."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, ClassVar

from os_vif.host.netlink import pod_namespaces
from os_vif.steps import validate
from os_vif.steps.plan import NamedStep
from os_vif.steps.plugin_step import Host, PluginStep

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from os_vif.host.netlink.pod_namespaces import PodNamespace

_IDENTITY = re.compile("[0-9]{1,20}:[0-9]{1,20}")
_PATH = re.compile("/[^\0\n]{1,1023}")


@dataclasses.dataclass(frozen=True)
class PodStep(NamedStep, PluginStep):
    """Base class of a step about a device in the network namespace of a pod, or on the way there.

    :raises OSError: with ENOENT if the namespace has gone, or the path names another namespace;
        with EPERM without CAP_SYS_ADMIN.
    """

    #: Reading a namespace takes privileges.
    check_requires_root: ClassVar[bool] = True

    #: Path of the file of the network namespace.
    netns: str
    #: ``DEVICE:INODE`` of the file.
    netns_id: str

    @property
    def devices(self) -> tuple[str, ...]:
        return (f"pod {self.netns_id}",)

    @property
    def uplink(self) -> str | None:
        """Name of the device of the host below the device of the pod, or None."""
        return None

    def validate(self) -> None:
        validate.device_name(self, "name")
        expected = "an absolute path of at most 1024 characters"
        validate.matching(self, "netns", _PATH, expected)
        validate.matching(self, "netns_id", _IDENTITY, "DEVICE:INODE of the namespace file")

    def opened(self) -> AbstractContextManager[PodNamespace]:
        """Return a block with the open namespace."""
        return pod_namespaces.opened(self.netns, self.netns_id)

    def refusal(self, host: Host) -> str | None:
        """Refuse the namespace of the host, and a namespace of another user than root."""
        del host
        try:
            with self.opened():
                return None
        except pod_namespaces.GoneError:
            # The step fails with the reason, or has nothing to undo.
            return None
        except OSError as error:
            return error.strerror
