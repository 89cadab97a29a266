# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: calls of the shared privileged daemon: the caller's side, and the messages."""
