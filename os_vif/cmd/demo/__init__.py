# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif demo``: real VIFs in a private network namespace."""
