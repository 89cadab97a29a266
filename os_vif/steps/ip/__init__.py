# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for addresses, routes, neighbours, kernel parameters and forwarding rules."""
