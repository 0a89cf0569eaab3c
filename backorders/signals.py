"""What we announce to the host shop, always after the commit. Nothing of our own listens to them."""

from django.dispatch import Signal

stock_arrived = Signal()
"""Units came onto the shelf. Provides: item_id, units."""

back_in_stock = Signal()
"""An item can be bought again; units are left after the queue. Provides: item_id, restock_id, units."""

backorder_placed = Signal()
"""A customer joined the queue. Provides: backorder_id."""

backorder_filled = Signal()
"""A line of the queue was given units. Provides: backorder_id, quantity, is_complete."""

promise_moved = Signal()
"""A date given to a customer cannot be kept, or there is one at last. Provides: backorder_id, before, after (windows), reason."""

preorder_released = Signal()
"""The release of a pre-order has come; what was to be paid then is due. Provides: backorder_id, quantity (units not cancelled)."""

backorder_cancelled = Signal()
"""A line left the queue. Provides: backorder_id, quantity."""

refund_due = Signal()
"""Money has to go back; the shop moves it. Provides: backorder_id, quantity, reason."""

subscription_confirmed = Signal()
"""Somebody proved their address. Provides: subscription_id."""

mail_sent = Signal()
"""The mail server took a mail. Provides: mail_id, kind."""

mail_failed = Signal()
"""A mail was given up. Provides: mail_id, kind, reason."""
