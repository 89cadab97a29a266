# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The option ``[upgrade_levels] os_vif``: the release of os-vif that messages are written for."""

from __future__ import annotations

from oslo_config import cfg

#: The group of OpenStack services for the versions of messages.
GROUP = "upgrade_levels"
#: The value for the oldest release among the running readers.
AUTO = "auto"

OS_VIF = cfg.StrOpt(
    "os_vif",
    mutable=True,
    sample_default="<the present release>",
    help="Release of os-vif that objects in messages are written for, such as 5.3.0: the oldest "
    "release of all receivers. With 'auto', the service finds the oldest release of the running "
    "receivers. If unset, messages are for receivers with the present release.",
)


def register(conf: cfg.ConfigOpts) -> None:
    """Register the option. Idempotent."""
    conf.register_opts([OS_VIF], group=GROUP)
