"""The door to the host shop: which models are sold, and how to read them."""

from backorders.shop.adapters import Adapter, Described, Reading
from backorders.shop.fields import FieldAdapter
from backorders.shop.registry import Sellable, sellables

__all__ = ["Adapter", "Described", "FieldAdapter", "Reading", "Sellable", "sellables"]
