# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the host and of the installation, for ``os-vif doctor``.

``examination`` lists and runs the checks. Each check is a function of one of the ``*_checks``
modules; ``finding`` has the shared facts. No check changes the configuration of the host: the
daemons are started, and ``next_cfg`` of Open vSwitch is incremented.
"""
