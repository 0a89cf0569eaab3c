"""Floor 1: rows, constraints, querysets. The one list Django needs."""

from backorders.models.alternatives import Alternative
from backorders.models.backorders import Allocation, Backorder, Promise
from backorders.models.checkout import PlacedOrder
from backorders.models.feedback import MailFeedback
from backorders.models.outbox import MailClaim, MailLane, MailTick, OutgoingMail
from backorders.models.stock import CategoryTerms, StockEvent, StockItem
from backorders.models.subscriptions import Subscription, SubscriptionToken
from backorders.models.supply import ClosedDay, Delivery, DeliveryRevision, Supplier
from backorders.models.suppression import SuppressedAddress
from backorders.models.waves import Hold, Restock, Wave

__all__ = [
    "Allocation",
    "Alternative",
    "Backorder",
    "CategoryTerms",
    "ClosedDay",
    "Delivery",
    "DeliveryRevision",
    "Hold",
    "MailClaim",
    "MailFeedback",
    "MailLane",
    "MailTick",
    "OutgoingMail",
    "PlacedOrder",
    "Promise",
    "Restock",
    "StockEvent",
    "StockItem",
    "Subscription",
    "SubscriptionToken",
    "Supplier",
    "SuppressedAddress",
    "Wave",
]
