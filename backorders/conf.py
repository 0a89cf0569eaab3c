"""Every setting: name, default, meaning. One dict, ``BACKORDERS``, in the host's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, time, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``BACKORDERS["SITE_URL"]`` becomes ``conf.site_url``, and so on. Durations are ``timedelta``."""

    sellables: Mapping[str, Any] = field(default_factory=dict)
    """Model label -> field map, or ``{"ADAPTER": "dotted.path"}``. See docs/sellables.md."""

    site_url: str = ""
    """The public address of this Django site, as in ``https://shop.example``; links in mails start with it, never with the request's host."""

    shop_name: str = ""
    """How mails call the shop; empty means the host part of SITE_URL."""

    from_email: str = ""
    """Sender of every mail; empty means Django's DEFAULT_FROM_EMAIL."""

    mailer: str = "default"
    """Which entry of MAILERS sends our mail (Django 6.1 and later; ignored before)."""

    currency: str = "EUR"
    """ISO 4217 code of prices whose field map names no currency."""

    default_policy: str = "stop"
    """What an empty shelf means when neither an item nor its category says: ``stop``, ``backorder`` or ``made_to_order``."""

    backorder_limit: int | None = None
    """Units of one item that may be owed at a time, where nothing else is said; ``None``: no limit."""

    only_inbound: bool = False
    """Take backorders only as far as announced deliveries cover them, where nothing else is said."""

    customer_limit: int | None = None
    """Units of one item that one customer may have on backorder, where nothing else is said; ``None``: no limit."""

    safety_stock: int = 0
    """Units on the shelf that are kept back, neither sold nor given to the queue, where nothing else is said."""

    low_stock_at: int = 3
    """At or below this many units for sale an item is ``low_stock``, where nothing else is said; 0 turns the state off."""

    lead_days: int | None = None
    """Working days until a backorder ships when no delivery is announced, where nothing else is said; ``None``: no date then."""

    closed_weekdays: tuple[int, ...] = ()
    """Weekdays on which the shop ships nothing, 0 for Monday; ``(5, 6)`` for a weekend."""

    closed_days: tuple[date, ...] = ()
    """Further days on which the shop ships nothing, as ``datetime.date`` values."""

    holidays: str = ""
    """Public holidays on which the shop ships nothing: a country or a country and a region, such as ``DE`` or ``DE-BY``. Needs the ``holidays`` extra."""

    cut_off: time | None = None
    """Orders from this time of the day on (shop time zone) count as placed on the next working day; ``None``: midnight."""

    receiving_days: int = 0
    """Working days from the arrival of a delivery until its goods are on the shelf."""

    handling_days: int = 0
    """Working days from the shelf to the carrier."""

    allocation: str = "strict"
    """A line that wants everything at once and does not fit yet: ``strict`` keeps the units for it, ``skip`` lets smaller lines pass."""

    most_overtakes: int = 3
    """With ``skip``: how many later lines may pass a line before units are kept for it."""

    priority_leap: timedelta | None = timedelta(days=14)
    """How long a head start one step of priority is worth, so that nobody waits for ever; ``None``: better classes always come first."""

    verified_email: str = "backorders.shop.customers.verified_email"
    """Dotted path of ``f(user) -> str``: the address proven to be theirs, or an empty string."""

    allow_local_domains: bool = False
    """Accept addresses such as ``me@intranet``, whose domain has no dot."""

    wave_every: timedelta = timedelta(minutes=15)
    """The least time between two waves of one restock. How many are told each time follows from ``WAVE_LOSS``."""

    wave_loss: float = 0.03
    """Of all buyers expected at a time, the share that may be expected to find the shelf empty. More is faster, less is kinder."""

    wave_order: str = "first_come"
    """Who is told first: ``first_come``, ``lottery`` (a draw that can be checked) or ``ageing`` (a draw with one more ticket a day waited)."""

    least_stock_to_tell: int = 1
    """With fewer units for sale than this, nobody is told."""

    hold_for: timedelta | None = None
    """Units are put aside this long for each person who is told, and nobody is told without one; ``None``: first come, first served."""

    quiet_hours: tuple[str, str] | None = None
    """When waves wake nobody, by each reader's own clock, such as ``("21:00", "08:00")``; ``None``: mail leaves at any hour."""

    tell_again_after: timedelta = timedelta(hours=12)
    """Nobody is told of the same item twice within this time, however the shelf flaps."""

    digest_of: int = 12
    """How many products that are back at the same moment share one mail to one reader, and how many new dates of one order, at most; 1: each has a mail of its own."""

    place_kept_for: timedelta = timedelta(hours=72)
    """Told, and the shelf empty again within this time: the place in line is kept. Later, the request counts as served."""

    confirm_within: timedelta = timedelta(days=7)
    """A request that nobody confirmed is dropped after this time."""

    requests_end_after: timedelta | None = timedelta(days=365)
    """A request that was never served ends so long after it was made, with a last mail that names substitutes; ``None``: it waits for ever."""

    confirm_mail_every: timedelta = timedelta(hours=24)
    """One address gets at most one unanswered confirmation mail in this time, however often it is typed in."""

    open_requests_per_address: int = 3
    """How many unconfirmed requests one address may have at a time."""

    tell_moves_after: timedelta = timedelta(minutes=10)
    """How long a date that moved has to stand before its mail leaves, so that several moves in a row are told as one."""

    mails_off: tuple[str, ...] = ()
    """Mails about orders that the shop writes itself, such as ``("promise_moved",)``; signals are sent all the same. See docs/mail.md."""

    mail_calendar: bool = False
    """Attach the promised day to mails about orders, for the reader's calendar; a date that moves moves the entry. Needs the ``ics`` extra."""

    mail_color: str = "#1d4f91"
    """Of buttons and links in HTML mails, ``#rrggbb``. What is written on it, and its lighter twin for dark screens, follow from it."""

    mail_logo: str = ""
    """A picture at the head of HTML mails, in place of the shop's name: its address, or a path on the shop's site. 40 pixels high; PNG or JPEG, for few mail readers show SVG."""

    order_url: str = ""
    """The shop's own page of an order, for mails about it, as in ``/orders/{order}/``; ``{order}`` and ``{line}`` are the references it gave. Empty: there is none."""

    customers_cancel: bool = True
    """Customers may cancel what still waits on the page of their order line; ``False``: they are told to ask the shop."""

    mail_batch: int = 500
    """How many mails one worker claims at a time, at most; fewer where they leave slowly, as many as in a second."""

    mail_rate: float | None = None
    """Mails a second, all workers together, that the mail server is glad to take; ``None``: as fast as it answers."""

    mail_rate_by_domain: Mapping[str, float] = field(default_factory=dict)
    """The same by domain of recipients, such as ``{"gmail.com": 5}``; the others have no limit of their own."""

    mail_timeout: timedelta = timedelta(seconds=30)
    """How long to wait for the mail server where the shop sets no time-out itself."""

    mail_connections: int = 3
    """How many connections to a mail server (SMTP) one process uses side by side. It leaves as many mails in doubt when it is killed."""

    mail_tasks: int = 2
    """How many Celery tasks at a time work off a backlog of mails, all workers together; the others are there for the shop's own."""

    lease: timedelta = timedelta(seconds=150)
    """How long a claim lasts. At least the mail server's time-out for each of ``MAIL_CONNECTIONS``, and twice more."""

    max_attempts: int = 8
    """After this many attempts a mail is given up as ``dead``."""

    on_unknown: str = "resend"
    """A worker died while the mail server was answering: ``resend`` (may come twice) or ``hold`` (staff decide)."""

    sweep_every: timedelta = timedelta(seconds=60)
    """How often every watched item is compared with the shop's stock."""

    poll_every: timedelta = timedelta(seconds=15)
    """How often the beat schedule looks for waves and mails that no hint told of."""

    worker_pause: timedelta = timedelta(seconds=1)
    """How long ``backorders_worker`` rests when nothing is due."""

    keep_mail: timedelta = timedelta(days=90)
    """How long the outbox remembers a mail that left or was stopped; then its row goes, unless its request or order is still open."""

    keep_closed_requests: timedelta = timedelta(days=365)
    """How long a closed request keeps its address; then the row stays for figures, without the person."""

    keep_closed_backorders: timedelta = timedelta(days=730)
    """The same for backorders that were shipped or cancelled, once all of their order is."""

    keep_order_keys: timedelta = timedelta(days=30)
    """How long an idempotency key is remembered; after that the same key counts as a new order."""

    hash_key: str = ""
    """Secret under which addresses are hashed that must be known again without being kept; empty means SECRET_KEY. See docs/privacy.md."""


def read(raw: Mapping[str, Any] | None = None) -> Settings:
    """This will turn ``settings.BACKORDERS`` into ``Settings``; unknown names are left to ``manage.py check``."""
    given = getattr(django_settings, "BACKORDERS", {}) if raw is None else raw
    if not isinstance(given, Mapping):
        return Settings()
    known = {f.name for f in fields(Settings)}
    return Settings(**{name.lower(): value for name, value in given.items() if str(name).lower() in known})


class _Conf:
    """Read once, dropped when a test overrides the setting."""

    @cached_property
    def current(self) -> Settings:
        return read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)

    def forget(self) -> None:
        self.__dict__.pop("current", None)


conf = _Conf()


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "BACKORDERS":
        conf.forget()


setting_changed.connect(_forget, dispatch_uid="backorders.conf")
