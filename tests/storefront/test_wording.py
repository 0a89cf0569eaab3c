"""What shoppers read about a date, whole sentences in their languages."""

import datetime as dt
import re

import pytest
import time_machine
from django.utils import timezone, translation

from backorders.domain.availability import Availability, State
from backorders.domain.terms import Policy, Terms
from backorders.domain.units import NO_UNITS, Units
from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Window
from backorders.storefront.wording import (
    button_of,
    promise_as_time,
    promise_in_words,
    shown,
    window_as_time,
    window_in_words,
)

TODAY = dt.date(2027, 5, 1)


@pytest.fixture(autouse=True)
def first_of_may():
    with time_machine.travel(dt.datetime(2027, 5, 1, 10, tzinfo=dt.UTC), tick=False), translation.override("en-gb"):
        yield


def window(first, last, confidence=Confidence.FIRM):
    return Window(
        earliest=TODAY + dt.timedelta(days=first), latest=TODAY + dt.timedelta(days=last), confidence=confidence
    )


def line_of(state, window, **terms):
    """The line about the date as plain text."""
    line = shown(Availability(state, NO_UNITS, Units(5), window, terms=Terms(**terms))).line
    head, *rest = line.replace("\u2009", "").replace("\xa0", " ").replace("\u202f", " ").split("<")
    return (head + "".join(part.partition(">")[2] for part in rest)).replace(" – ", "–")


def back(first, last):
    return line_of(State.OUT_OF_STOCK, window(first, last))


def plain(words):
    return words.replace("\xa0", " ").replace("\u202f", " ")


def ships(first, last, confidence=Confidence.FIRM):
    return line_of(State.BACKORDER, window(first, last, confidence))


# where it lies

LYING = {
    "en": {
        (0, 0): "Expected back today",
        (11, 11): "Expected back May 12",
        (11, 15): "Expected back May 12–16",
        (61, 65): "Expected back in early July",
        (71, 76): "Expected back in mid-July",
        (84, 88): "Expected back in late July",
        (0, 7): "Expected back within 1 week",
        (6, 14): "Expected back within 2 weeks",
        (14, 21): "Expected back in 2–3 weeks",
        (70, 85): "Expected back in July",
        (60, 90): "Expected back in June–July",
        (280, 281): "Expected back in February 2028",
    },
    "en-gb": {
        (0, 0): "Expected back today",
        (11, 11): "Expected back 12 May",
        (11, 15): "Expected back 12–16 May",
        (61, 65): "Expected back in early July",
        (14, 21): "Expected back in 2–3 weeks",
        (60, 90): "Expected back in June–July",
    },
    "de": {
        (0, 0): "Voraussichtlich wieder da: heute",
        (11, 11): "Voraussichtlich wieder da: 12. Mai",
        (11, 15): "Voraussichtlich wieder da: 12.–16. Mai",
        (61, 65): "Voraussichtlich wieder da: Anfang Juli",
        (71, 76): "Voraussichtlich wieder da: Mitte Juli",
        (84, 88): "Voraussichtlich wieder da: Ende Juli",
        (0, 7): "Voraussichtlich wieder da: innerhalb einer Woche",
        (6, 14): "Voraussichtlich wieder da: innerhalb von 2 Wochen",
        (14, 21): "Voraussichtlich wieder da: in 2–3 Wochen",
        (70, 85): "Voraussichtlich wieder da: Juli",
        (60, 90): "Voraussichtlich wieder da: Juni–Juli",
        (280, 281): "Voraussichtlich wieder da: Februar 2028",
    },
    "fr": {
        (0, 0): "Retour prévu : aujourd’hui",
        (11, 11): "Retour prévu : 12 mai",
        (11, 15): "Retour prévu : 12–16 mai",
        (61, 65): "Retour prévu : début juillet",
        (71, 76): "Retour prévu : mi-juillet",
        (84, 88): "Retour prévu : fin juillet",
        (0, 7): "Retour prévu : sous 1 semaine",
        (6, 14): "Retour prévu : sous 2 semaines",
        (14, 21): "Retour prévu : dans 2 à 3 semaines",
        (70, 85): "Retour prévu : juillet",
        (60, 90): "Retour prévu : juin–juillet",
        (280, 281): "Retour prévu : février 2028",
    },
    "nl": {
        (0, 0): "Naar verwachting terug: vandaag",
        (11, 11): "Naar verwachting terug: 12 mei",
        (11, 15): "Naar verwachting terug: 12–16 mei",
        (61, 65): "Naar verwachting terug: begin juli",
        (71, 76): "Naar verwachting terug: half juli",
        (84, 88): "Naar verwachting terug: eind juli",
        (0, 7): "Naar verwachting terug: binnen een week",
        (6, 14): "Naar verwachting terug: binnen 2 weken",
        (14, 21): "Naar verwachting terug: over 2–3 weken",
        (70, 85): "Naar verwachting terug: juli",
        (60, 90): "Naar verwachting terug: juni–juli",
        (280, 281): "Naar verwachting terug: februari 2028",
    },
    "es": {
        (0, 0): "Vuelta prevista: hoy",
        (11, 11): "Vuelta prevista: 12 may",
        (11, 15): "Vuelta prevista: 12–16 may",
        (61, 65): "Vuelta prevista: a principios de julio",
        (71, 76): "Vuelta prevista: a mediados de julio",
        (84, 88): "Vuelta prevista: a finales de julio",
        (0, 7): "Vuelta prevista: en el plazo de una semana",
        (6, 14): "Vuelta prevista: en el plazo de 2 semanas",
        (14, 21): "Vuelta prevista: dentro de 2 a 3 semanas",
        (70, 85): "Vuelta prevista: julio",
        (60, 90): "Vuelta prevista: junio–julio",
        (280, 281): "Vuelta prevista: febrero de 2028",
    },
    "ar": {
        (0, 0): "موعد التوفر المتوقع: اليوم",
        (11, 11): "موعد التوفر المتوقع: 12 مايو",
        (11, 15): "موعد التوفر المتوقع: 12–16 مايو",
        (61, 65): "موعد التوفر المتوقع: أوائل يوليو",
        (71, 76): "موعد التوفر المتوقع: منتصف يوليو",
        (84, 88): "موعد التوفر المتوقع: أواخر يوليو",
        (0, 7): "موعد التوفر المتوقع: خلال أسبوع",
        (6, 14): "موعد التوفر المتوقع: خلال أسبوعين",
        (14, 21): "موعد التوفر المتوقع: بعد 2 إلى 3 أسابيع",
        (70, 85): "موعد التوفر المتوقع: يوليو",
        (60, 90): "موعد التوفر المتوقع: يونيو–يوليو",
        (280, 281): "موعد التوفر المتوقع: فبراير 2028",
    },
}


@pytest.mark.parametrize(
    ("language", "days", "words"), [(code, *pair) for code, lines in LYING.items() for pair in lines.items()]
)
def test_what_is_out_of_stock_says_where_its_window_lies(language, days, words):
    with translation.override(language):
        assert back(*days) == words


# what we stand by

PROMISED = {
    "en": ("Ships today", "Ships by May 16", "Ships by the middle of July", "Ships by the end of July"),
    "en-gb": ("Ships today", "Ships by 16 May", "Ships by the middle of July", "Ships by the end of July"),
    "de": ("Versand heute", "Versand bis 16. Mai", "Versand bis Mitte Juli", "Versand bis Ende Juli"),
    "fr": (
        "Expédition aujourd’hui",
        "Expédition au plus tard le 16 mai",
        "Expédition au plus tard mi-juillet",
        "Expédition au plus tard fin juillet",
    ),
    "nl": (
        "Verzending vandaag",
        "Verzending uiterlijk 16 mei",
        "Verzending uiterlijk half juli",
        "Verzending uiterlijk eind juli",
    ),
    "es": (
        "Se envía hoy",
        "Se envía a más tardar el 16 may",
        "Se envía a más tardar a mediados de julio",
        "Se envía a más tardar a finales de julio",
    ),
    "ar": (
        "يُشحن اليوم",
        "يُشحن في موعد أقصاه 16 مايو",
        "يُشحن في موعد أقصاه منتصف يوليو",
        "يُشحن في موعد أقصاه نهاية يوليو",
    ),
}


@pytest.mark.parametrize("language", PROMISED)
def test_what_can_be_ordered_is_promised_by_the_upper_end(language):
    with translation.override(language):
        assert (ships(0, 0), ships(3, 15), ships(61, 65), ships(61, 80)) == PROMISED[language]


def test_a_promise_says_how_certain_it_is():
    assert ships(3, 15, Confidence.FIRM) == "Ships by 16 May"
    assert ships(3, 15, Confidence.ESTIMATED) == "Expected to ship by 16 May"
    assert ships(3, 15, Confidence.GUESS) == "May ship by the end of May; our supplier has not confirmed it"
    assert ships(0, 0, Confidence.ESTIMATED) == "Expected to ship today"


def test_a_promise_for_another_year_names_it():
    assert ships(280, 281) == "Ships by the end of February 2028"


def test_a_preorder_says_its_release_and_then_by_when_it_ships():
    release = dt.datetime(2027, 5, 10, 12, tzinfo=dt.UTC)
    answer = Availability(State.PREORDER, NO_UNITS, Units(5), window(9, 12), None, release)
    assert shown(answer).line == (
        'Out on <time datetime="2027-05-10">10 May 2027</time>. Ships <time datetime="2027-05-13">by 13 May</time>'
    )


RELEASED = {
    "en": "Out on May 10, 2027.",
    "en-gb": "Out on 10 May 2027.",
    "de": "Erscheint am 10. Mai 2027.",
    "fr": "Sortie le 10 mai 2027.",
    "nl": "Verschijnt op 10 mei 2027.",
    "es": "A la venta el 10 de mayo de 2027.",
    "ar": "يصدر في 10 مايو 2027.",
}


@pytest.mark.parametrize("language", RELEASED)
def test_a_release_is_said_as_what_is_to_come(language):
    release = dt.datetime(2027, 5, 10, 12, tzinfo=dt.UTC)
    with translation.override(language):
        line = shown(Availability(State.COMING_SOON, releases_at=release)).line
    assert re.sub("<.+?>", "", line) == RELEASED[language]


def test_a_release_that_is_over_is_said_as_what_has_been():
    release = dt.datetime(2027, 4, 10, 12, tzinfo=dt.UTC)
    assert "Out since <time" in shown(Availability(State.COMING_SOON, releases_at=release)).line


def test_what_is_announced_without_a_date_says_that_there_will_be_one():
    said = shown(Availability(State.COMING_SOON, terms=Terms(policy=Policy.ANNOUNCED, reason="Still being drawn.")))
    assert (said.badge, said.line, said.note) == ("Coming soon", "The date will be announced.", "Still being drawn.")


# until when today


@pytest.fixture
def leaves_by_two(settings):
    settings.TIME_ZONE = "Europe/Brussels"
    settings.BACKORDERS = {**settings.BACKORDERS, "CUT_OFF": dt.time(14), "CLOSED_WEEKDAYS": (6,)}


HERE = Availability(State.IN_STOCK, Units(9))


def at(day, hour):
    return time_machine.travel(dt.datetime(2027, 5, day, hour, tzinfo=dt.UTC), tick=False)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-gb", "Order by 14:00: leaves today"),
        ("en", "Order by 2:00 PM: leaves today"),
        ("de", "Bis 14:00 Uhr bestellt, heute verschickt"),
        ("es", "Pide antes de las 14:00 y sale hoy"),
    ],
)
def test_what_is_here_says_until_when_it_leaves_today(leaves_by_two, language, words):
    with translation.override(language):
        assert plain(shown(HERE).line) == words


def test_nothing_leaves_today_after_that_hour_nor_on_a_day_off(leaves_by_two):
    with at(1, 12):  # two o'clock in Brussels
        assert shown(HERE).line == ""
    with at(2, 8):  # a Sunday
        assert shown(HERE).line == ""


def test_whoever_reads_by_another_clock_is_told_whose_hour_it_is(leaves_by_two):
    with timezone.override("America/New_York"):
        assert shown(HERE).line == "Order by 14:00 (CEST): leaves today"


def test_without_such_an_hour_or_with_days_of_packing_nothing_is_said_of_today(leaves_by_two, settings):
    settings.BACKORDERS = {**settings.BACKORDERS, "HANDLING_DAYS": 1}
    assert shown(HERE).line == ""
    settings.BACKORDERS = {**settings.BACKORDERS, "HANDLING_DAYS": 0, "CUT_OFF": None}
    assert shown(HERE).line == ""


def test_of_a_low_shelf_the_next_delivery_is_named_rather_and_in_a_basket_nothing_of_today(leaves_by_two):
    assert shown(Availability(State.LOW_STOCK, Units(2))).line == "Order by 14:00: leaves today"
    assert shown(Availability(State.LOW_STOCK, Units(2), more=window(3, 5))).line.startswith("More expected")
    assert shown(HERE, quantity=2).line == ""


def test_a_line_of_the_basket_promises_the_rest():
    answer = Availability(State.IN_STOCK, Units(2), Units(5), window(3, 15))
    assert shown(answer, quantity=5).line == (
        '2 can leave now, 3 follow when they arrive. Ships <time datetime="2027-05-16">by 16 May</time>'
    )


@pytest.mark.parametrize("passed", [OVERDUE, window(-9, -1)])
def test_a_date_that_has_passed_is_never_named(passed):
    assert line_of(State.BACKORDER, passed) == "The delivery is late, and no new date is confirmed yet."
    assert line_of(State.OUT_OF_STOCK, passed) == "The delivery is late, and no new date is confirmed yet."
    assert {window_in_words(passed), window_as_time(passed)} == {"delayed, no new date yet"}
    assert {promise_in_words(passed), promise_as_time(passed)} == {"delayed, no new date yet"}


def test_what_has_no_date_says_so():
    assert line_of(State.BACKORDER, NO_DATE) == "We do not know yet when it ships."
    assert line_of(State.OUT_OF_STOCK, NO_DATE) == "We do not know yet when it comes back."
    assert {window_in_words(NO_DATE), promise_in_words(NO_DATE)} == {"no date yet"}


# for templates


def test_words_in_mails_and_orders_hold_when_they_are_read_later():
    assert window_in_words(window(0, 0)) == "1 May"
    assert promise_in_words(window(0, 0)) == "by 1 May"
    assert window_in_words(window(35, 45)) == "June"
    assert promise_in_words(window(35, 45)) == "by the middle of June"


@pytest.mark.parametrize(
    ("days", "lying", "promised"),
    [
        ((3, 7), "2027-05-08", "2027-05-08"),
        ((61, 65), "2027-07-10", "2027-07-15"),
        ((70, 85), "2027-07", "2027-07-31"),
        ((60, 90), "2027-07", "2027-07-31"),
    ],
)
def test_machines_read_the_upper_end_of_the_words(days, lying, promised):
    assert window_as_time(window(*days)).startswith(f'<time datetime="{lying}">')
    assert promise_as_time(window(*days)).startswith(f'<time datetime="{promised}">')


# made to order


def made(promise=None, **terms):
    terms = Terms(policy=Policy.MADE_TO_ORDER, **terms)
    return Availability(State.BACKORDER, NO_UNITS, Units(5), promise or window(3, 15), terms=terms)


def test_what_is_made_to_order_says_so_and_by_when_it_ships():
    assert shown(made()).badge == "Made to order"
    assert button_of(made()) == "Order now"
    assert line_of(State.BACKORDER, window(3, 15), policy=Policy.MADE_TO_ORDER) == "Made for you. Ships by 16 May"


def test_what_is_made_to_order_without_a_date_says_that_too():
    assert shown(made(NO_DATE)).line == "Made for you. We do not know yet when it ships."


# why it is away


def note_of(state, for_sale=NO_UNITS, **terms):
    return shown(Availability(state, for_sale, Units(5), window(3, 15), terms=Terms(**terms))).note


def test_the_reason_stands_at_the_end_of_the_note():
    note = note_of(State.BACKORDER, reason="Flood at the mill.")
    assert note.startswith("Orders are served first come, first served.")
    assert "We write to you as soon as yours is ready, and if the date moves." in note
    assert note.endswith(" Flood at the mill.")


def backordered(confidence=Confidence.FIRM, **about):
    promise = about.pop("promise", window(3, 15, confidence))
    return shown(Availability(State.BACKORDER, NO_UNITS, Units(5), promise, **about)).note


def test_who_orders_without_a_date_hears_when_there_is_one():
    for unknown in (NO_DATE, OVERDUE):
        assert "We write to you as soon as there is a date, and when yours is ready." in backordered(promise=unknown)


def test_until_when_one_may_cancel_is_said_where_customers_may(settings):
    assert backordered().endswith(" Until it is ready, you can cancel free of charge.")
    settings.BACKORDERS = {**settings.BACKORDERS, "CUSTOMERS_CANCEL": False}
    assert "cancel" not in backordered()


def test_an_estimate_is_called_one_and_says_how_such_dates_held():
    said = (
        "The date is an estimate. Dates like this held for 8 of the last 10 deliveries from this supplier. Orders are"
    )
    assert backordered(Confidence.ESTIMATED, dates_kept=8).startswith(said)
    assert backordered(Confidence.GUESS, dates_kept=0).startswith("Dates like this held for 0 of the last 10")


def test_a_sure_date_needs_no_record_and_a_short_record_is_none():
    assert "held" not in backordered(Confidence.FIRM, dates_kept=8)
    assert "held" not in backordered(Confidence.ESTIMATED, dates_kept=None)


def test_the_reason_stands_alone_where_there_is_no_other_note():
    assert note_of(State.OUT_OF_STOCK, reason="Flood at the mill.") == "Flood at the mill."
    assert note_of(State.OUT_OF_STOCK) == ""


def test_the_reason_is_text_and_never_markup():
    assert note_of(State.OUT_OF_STOCK, reason="<b>Flood</b> & {fire} %s") == "&lt;b&gt;Flood&lt;/b&gt; &amp; {fire} %s"


def test_a_reason_that_the_shop_has_translated_is_read_in_the_readers_language():
    """That of the demo shop stands in its own catalogue."""
    reason = "Our workshop builds them one at a time."
    with translation.override("es"):
        assert note_of(State.OUT_OF_STOCK, reason=reason) == "Nuestro taller los hace de uno en uno."
        assert note_of(State.OUT_OF_STOCK, reason="Flood at the mill.") == "Flood at the mill."


def test_there_is_no_reason_for_what_is_here():
    assert note_of(State.LOW_STOCK, Units(2), reason="Flood at the mill.") == ""
