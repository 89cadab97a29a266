# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: a client of the Open_vSwitch database (RFC 7047)."""
