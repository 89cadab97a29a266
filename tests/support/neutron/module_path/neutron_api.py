# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The WSGI application of neutron, for uwsgi."""

import neutron_with_sqlite  # noqa: F401 - before neutron
from neutron.wsgi.api import application

__all__ = ["application"]
