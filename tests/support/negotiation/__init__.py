# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ports of Neutron, and answers of nova, for the tests of the negotiation."""
