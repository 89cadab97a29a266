# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: reads and writes this machine. Knows no step, no plan and no VIF."""
