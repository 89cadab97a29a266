# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugins of this tree, one module each. They say what is to hold; they change nothing."""
