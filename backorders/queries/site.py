"""What the shop is called, and where it lives: links that work outside of it."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

from backorders.conf import conf
from backorders.models import Backorder


def absolute(url: str) -> str:
    """A link that works in a mail: on the configured site, http(s) only; anything else is dropped."""
    whole = urljoin(conf.site_url.rstrip("/") + "/", url) if url else ""
    return whole if urlsplit(whole).scheme in ("http", "https") else ""


def order_url(line: Backorder) -> str:
    """The shop's page of an order, by ``ORDER_URL``; a line that names no order has none where the order is asked for."""
    url = str(conf.order_url)
    if "{order}" in url and not line.order_reference:
        return ""
    names = {"{order}": line.order_reference, "{line}": line.reference}
    for hole, name in names.items():
        url = url.replace(hole, quote(name, safe=""))
    return absolute(url)


def shop_name() -> str:
    return conf.shop_name or urlsplit(conf.site_url).hostname or "the shop"
