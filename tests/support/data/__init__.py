# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects, stored texts, documents and expectations for tests of the data side."""
