"""The back office: stock Django admin (or Unfold, where installed). Buttons call services, lists ask queries."""

from backorders.admin import alternatives, backorders, outbox, stock, subscriptions, suppliers, supply, terms, waves

__all__ = ["alternatives", "backorders", "outbox", "stock", "subscriptions", "suppliers", "supply", "terms", "waves"]
