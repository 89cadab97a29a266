# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: runs and checks the steps of Open vSwitch in transactions of ovsdb-server."""
