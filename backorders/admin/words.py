"""What services refuse, in the language of whoever reads it. A refusal nobody wrote a sentence for speaks for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backorders import errors
from backorders.admin.look import days
from backorders.errors import MOST_UNITS, BackordersError
from backorders.models import Delivery, Subscription


def why(note: str) -> str:
    """Why a mail did not leave. Our own reasons are kept in English and read in the reader's language; what a mail server said stays."""
    if not note:
        return ""
    return str(Subscription.Closed(note).label) if note in Subscription.Closed.values else _(note)


def told(error: BackordersError) -> str:
    """This will say why something was refused and what to do instead."""
    say = _SENTENCES.get(type(error))
    return say(error) if say else str(error)


def _quantity(error: Any) -> str:
    return _("Use a whole number from %(least)s to %(most)s.") % {"least": error.least, "most": f"{MOST_UNITS:,}"}


def _closed(error: Any) -> str:
    state = Delivery.State(error.state).label
    return _("This delivery is closed already (%(state)s). Enter a new one instead.") % {"state": state}


def _too_many(error: Any) -> str:
    said = ngettext(
        "Only %(expected)s unit is expected. Count again; if they are really there, say so.",
        "Only %(expected)s units are expected. Count again; if they are really there, say so.",
        error.expected,
    )
    return said % {"expected": error.expected}


def _gone(error: Any) -> str:
    said = ngettext(
        "Only %(possible)s unit of them is still in the house.",
        "Only %(possible)s units of them are still in the house.",
        error.possible,
    )
    return said % {"possible": error.possible}


def _full(error: Any) -> str:
    said = ngettext(
        "This delivery can serve %(possible)s more unit of lines that wait for it alone; this line needs %(asked)s.",
        "This delivery can serve %(possible)s more units of lines that wait for it alone; this line needs %(asked)s.",
        error.possible,
    )
    return said % {"possible": error.possible, "asked": error.asked}


def _not_cancellable(error: Any) -> str:
    if not error.possible:
        return _("This line waits for nothing any more: it has left the house or was cancelled before.")
    said = ngettext(
        "Only %(possible)s unit has neither left nor been cancelled.",
        "Only %(possible)s units have neither left nor been cancelled.",
        error.possible,
    )
    return said % {"possible": error.possible}


def _not_shippable(error: Any) -> str:
    if error.until is not None:
        return _("The customer does not want it before %(day)s.") % {"day": days(error.until, error.until)}
    if error.waits_for_order:
        return _("The order ships as a whole, and other lines of it still wait.")
    said = ngettext("Only %(possible)s unit is ready.", "Only %(possible)s units are ready.", error.possible)
    return said % {"possible": error.possible} if error.possible else _("Nothing of this line is ready.")


_SENTENCES: dict[type[BackordersError], Callable[[Any], str]] = {
    errors.InvalidQuantity: _quantity,
    errors.DeliveryClosed: _closed,
    errors.OverReceipt: _too_many,
    errors.NotEnoughLeft: _gone,
    errors.PinFull: _full,
    errors.NotCancellable: _not_cancellable,
    errors.NotShippable: _not_shippable,
}
