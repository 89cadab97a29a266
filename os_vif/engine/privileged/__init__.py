# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the privileged side. Runs in the daemon as root: functions, policy and hardening."""
