from demo_shop.models.catalogue import Category, Product, Variant
from demo_shop.models.customers import Customer
from demo_shop.models.mail import SentFile, SentMail
from demo_shop.models.orders import Order, OrderLine

__all__ = ["Category", "Customer", "Order", "OrderLine", "Product", "SentFile", "SentMail", "Variant"]
