# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects in the storage of kuryr-kubernetes and zun."""
