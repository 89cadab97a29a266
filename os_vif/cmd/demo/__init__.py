# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The demo: the life of a VIF on a host in its own network namespace."""
