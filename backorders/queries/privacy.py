"""What we hold about one person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Prefetch, Q

from backorders.domain.addresses import parse_address
from backorders.errors import InvalidAddress
from backorders.models import Allocation, Backorder, OutgoingMail, Promise, Subscription, SuppressedAddress
from backorders.models.stock import StockItem, attach_products
from backorders.models.suppression import address_hashes
from backorders.queries.stock import describe_items
from backorders.shop.customers import proven_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody as we know them: by proven addresses, by an account of the shop, or both."""

    email_keys: tuple[str, ...]
    customer: Any = None

    @property
    def rows(self) -> Q:
        """Their requests and backorders, also those whose address is only a hash by now."""
        known = Q(email_key__in=[*self.email_keys, *(h for key in self.email_keys for h in address_hashes(key))])
        return known if self.customer is None else known | Q(customer=self.customer)

    @property
    def mails(self) -> Q:
        requests, lines = Subscription.objects.filter(self.rows), Backorder.objects.filter(self.rows)
        return Q(subscription__in=requests.values("id")) | Q(backorder__in=lines.values("id"))

    @property
    def suppressed(self) -> Any:
        return SuppressedAddress.objects.of(self.email_keys)


def person_behind(*, email: str = "", customer: Any = None) -> Person:
    """This will say whom an address, an account or both mean. Raises ``InvalidAddress``.

    Of an account only the address counts that the shop vouches for: anybody can type somebody else's.
    """
    known = customer if getattr(customer, "pk", None) is not None else None
    typed = [address for address in (email, proven_address(known)) if address]
    if not typed and known is None:
        raise InvalidAddress("Name an e-mail address, a customer, or both.", reason="missing")
    keys = {parse_address(address, allow_local_domains=True).key for address in typed}
    return Person(email_keys=tuple(sorted(keys)), customer=known)


def held_about(person: Person) -> dict[str, Any]:
    """This will return all of it as plain values for JSON, oldest first; moments in ISO 8601. No secret links."""
    requests = list(Subscription.objects.filter(person.rows).select_related("item").prefetch_related("holds").in_line())
    lines = list(
        Backorder.objects.filter(person.rows)
        .select_related("item")
        .prefetch_related(
            Prefetch("promises", Promise.objects.order_by("id")),
            Prefetch("allocations", Allocation.objects.order_by("id")),
        )
        .order_by("placed_at", "id")
    )
    mails = OutgoingMail.objects.filter(person.mails).prefetch_related("feedback").order_by("id")
    rows: list[Subscription | Backorder] = [*requests, *lines]
    titles = _titles([row.item for row in rows])
    return {
        "addresses": sorted({row.email for row in rows if row.email} | set(person.email_keys)),
        "requests": [_request(row, titles) for row in requests],
        "backorders": [_backorder(row, titles) for row in lines],
        "mails": [_mail(row) for row in mails],
        "suppressed": [_suppressed(row) for row in person.suppressed],
    }


def _suppressed(row: SuppressedAddress) -> dict[str, Any]:
    return {
        "because": row.reason,
        "since": _iso(row.suppressed_at),
        "mails_about_orders": row.lets_orders_through,
    }


def _titles(items: Iterable[StockItem]) -> dict[int, str]:
    by_id = {item.id: item for item in items}
    attach_products(by_id.values())
    return {item_id: described.title for item_id, described in describe_items(by_id.values()).items()}


def _request(row: Subscription, titles: dict[int, str]) -> dict[str, Any]:
    return {
        "product": titles.get(row.item_id, ""),
        "email": row.email,
        "units": row.quantity,
        "highest_price": None if row.highest_price is None else str(row.highest_price),
        "need_by": _iso(row.need_by),
        "language": row.language,
        "time_zone": row.time_zone,
        "state": row.state,
        "closed_because": row.closed_because,
        "asked_at": _iso(row.placed_at),
        "confirmed_at": _iso(row.confirmed_at),
        "told_at": _iso(row.told_at),
        "closed_at": _iso(row.closed_at),
        "put_aside": [
            {"units": hold.units, "state": hold.state, "from": _iso(hold.made_at), "until": _iso(hold.ends_at)}
            for hold in row.holds.all()
        ],
    }


def _backorder(row: Backorder, titles: dict[int, str]) -> dict[str, Any]:
    return {
        "id": str(row.public_id),
        "product": titles.get(row.item_id, ""),
        "email": row.email,
        "order": row.order_reference,
        "order_line": row.reference,
        "language": row.language,
        "ordered": row.quantity,
        "given": row.allocated_quantity,
        "shipped": row.shipped_quantity,
        "cancelled": row.cancelled_quantity,
        "state": row.state,
        "placed_at": _iso(row.placed_at),
        "closed_at": _iso(row.closed_at),
        "dates_given": [
            {
                "earliest": _iso(promise.earliest_on),
                "latest": _iso(promise.latest_on),
                "why": promise.reason,
                "given_at": _iso(promise.promised_at),
            }
            for promise in row.promises.all()
        ],
        "units_given": [{"units": each.quantity, "at": _iso(each.allocated_at)} for each in row.allocations.all()],
    }


def _mail(row: OutgoingMail) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "state": row.state,
        "queued_at": _iso(row.created_at),
        "sent_at": _iso(row.sent_at),
        "last_answer": row.note,
        "told_by_the_provider": [
            {"what": each.told, "at": _iso(each.happened_at or each.heard_at)} for each in row.feedback.all()
        ],
    }


def _iso(moment: datetime | date | None) -> str | None:
    return None if moment is None else moment.isoformat()
