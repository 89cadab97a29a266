# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: rtnetlink(7) and generic netlink, one socket per thread."""
