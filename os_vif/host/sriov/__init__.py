# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: PCI functions, virtual functions and the ports of switches on cards."""
