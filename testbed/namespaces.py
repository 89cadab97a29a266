# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The former place of :mod:`os_vif.testing.private_namespaces` and :mod:`os_vif.testing.host_snapshots`."""

from os_vif.testing.host_snapshots import *  # noqa: F403
from os_vif.testing.private_namespaces import *  # noqa: F403
