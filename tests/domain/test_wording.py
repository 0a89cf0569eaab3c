"""What a date says contains what it means."""

import datetime as dt
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorders.domain.windows import NO_DATE, OVERDUE, Confidence, Window, window_between
from backorders.domain.wording import Kind, babel_locale, by_label_of, calendar_words, is_same_promise, label_of
from backorders.errors import InvalidWindow
from tests.thoroughness import cases

TODAY = dt.date(2027, 5, 1)


def window(first, last, *, today=TODAY, **fields):
    return Window(earliest=today + dt.timedelta(days=first), latest=today + dt.timedelta(days=last), **fields)


def plain(words):
    """Without the thin spaces some languages put around a dash."""
    return words.replace("\u2009", "").replace("\u202f", "").replace(" – ", "–")


# which words


@pytest.mark.parametrize(
    ("days", "name", "lasting", "upper"),
    [
        ((0, 0), "today", "2027-05-01", "today"),
        ((1, 1), "2027-05-02", "2027-05-02", "by 2027-05-02"),
        ((28, 28), "2027-05-29", "2027-05-29", "by 2027-05-29"),
        ((29, 29), "4-5 weeks", "late 2027-05", "by the end of 2027-05"),
        ((11, 15), "2027-05-12/2027-05-16", "2027-05-12/2027-05-16", "by 2027-05-16"),
        ((22, 28), "2027-05-23/2027-05-29", "2027-05-23/2027-05-29", "by 2027-05-29"),
        ((0, 8), "early 2027-05", "early 2027-05", "by 2027-05-09"),
        ((11, 18), "mid 2027-05", "mid 2027-05", "by 2027-05-19"),
        ((20, 28), "late 2027-05", "late 2027-05", "by 2027-05-29"),
        ((60, 90), "2027-06/2027-07", "2027-06/2027-07", "by the end of 2027-07"),
        ((61, 65), "early 2027-07", "early 2027-07", "by the middle of 2027-07"),
        ((71, 71), "mid 2027-07", "mid 2027-07", "by the middle of 2027-07"),
        ((74, 76), "mid 2027-07", "mid 2027-07", "by the end of 2027-07"),
        ((122, 122), "late 2027-08", "late 2027-08", "by the end of 2027-08"),
        ((0, 7), "0-1 weeks", "early 2027-05", "by 2027-05-08"),
        ((6, 14), "0-2 weeks", "2027-05", "by 2027-05-15"),
        ((15, 21), "2027-05-16/2027-05-22", "2027-05-16/2027-05-22", "by 2027-05-22"),
        ((14, 21), "2-3 weeks", "2027-05", "by 2027-05-22"),
        ((35, 35), "5-6 weeks", "early 2027-06", "by the middle of 2027-06"),
        ((35, 56), "5-8 weeks", "2027-06", "by the end of 2027-06"),
        ((35, 57), "2027-06", "2027-06", "by the end of 2027-06"),
        ((123, 124), "2027-09", "2027-09", "by the end of 2027-09"),
        ((130, 140), "2027-09", "2027-09", "by the end of 2027-09"),
        ((300, 500), "2028-02/2028-09", "2028-02/2028-09", "by the end of 2028-09"),
    ],
)
def test_each_window_gets_the_finest_words_that_contain_it(days, name, lasting, upper):
    meant = window(*days)
    assert label_of(meant, today=TODAY).name == name
    assert label_of(meant, today=TODAY, is_lasting=True).name == lasting
    assert by_label_of(meant, today=TODAY).name == upper


@pytest.mark.parametrize(
    ("days", "name", "lasting", "upper"),
    [
        ((0, 0), "0-1 weeks", "early 2027-05", "by the middle of 2027-05"),
        ((11, 15), "mid 2027-05", "mid 2027-05", "by the end of 2027-05"),
        ((28, 28), "4-5 weeks", "late 2027-05", "by the end of 2027-05"),
        ((0, 7), "early 2027-05", "2027-05", "by the middle of 2027-05"),
        ((14, 21), "2027-05", "2027-05", "by the end of 2027-05"),
        ((61, 65), "2027-07", "2027-07", "by the end of 2027-07"),
        ((60, 90), "2027-06/2027-07", "2027-06/2027-07", "by the end of 2027-07"),
    ],
)
def test_a_guess_is_put_one_step_wider(days, name, lasting, upper):
    meant = window(*days, confidence=Confidence.GUESS)
    assert label_of(meant, today=TODAY).name == name
    assert label_of(meant, today=TODAY, is_lasting=True).name == lasting
    assert by_label_of(meant, today=TODAY).name == upper


def test_the_middle_of_a_month_is_promised_up_to_its_fifteenth_day():
    assert by_label_of(window(75, 75), today=TODAY).last == dt.date(2027, 7, 15)
    assert by_label_of(window(76, 76), today=TODAY).last == dt.date(2027, 7, 31)


def test_words_that_last_name_the_day_and_not_today():
    assert by_label_of(window(0, 0), today=TODAY, is_lasting=True).name == "by 2027-05-01"


def test_words_are_clipped_to_the_days_still_to_come():
    fifth = dt.date(2027, 5, 5)
    label = label_of(window(0, 18, today=fifth), today=fifth, is_lasting=True)
    assert (label.name, label.first, label.last) == ("2027-05", fifth, dt.date(2027, 5, 31))


def test_a_window_that_has_begun_starts_today():
    assert label_of(window(-9, 0), today=TODAY).kind is Kind.TODAY
    assert label_of(window(-9, 3), today=TODAY).first == TODAY


@pytest.mark.parametrize("label", [label_of, by_label_of])
def test_there_are_no_words_for_a_window_that_is_over_nor_where_no_date_is_known(label):
    assert label(window(-9, -1), today=TODAY) == OVERDUE
    assert label(NO_DATE, today=TODAY) == NO_DATE
    assert label(OVERDUE, today=TODAY) == OVERDUE


def test_a_date_at_the_end_of_the_calendar_is_no_error():
    last = dt.date.max
    assert label_of(Window(earliest=last, latest=last), today=TODAY).last == last
    assert by_label_of(Window(earliest=last, latest=last), today=last).kind is Kind.TODAY


# properties

todays = st.dates(dt.date(2026, 1, 1), dt.date(2028, 12, 31))
near_and_far = st.integers(0, 70) | st.integers(0, 400)
widths = st.integers(0, 25) | st.integers(0, 200)


@settings(max_examples=cases(1000), deadline=None)
@given(todays, near_and_far, widths, st.booleans())
def test_the_words_contain_the_window_are_not_much_wider_and_never_speak_of_the_past(today, first, width, is_lasting):
    meant = window(first, first + width, today=today)
    label = label_of(meant, today=today, is_lasting=is_lasting)

    assert today <= label.first <= meant.earliest <= meant.latest <= label.last
    assert (label.last - label.first).days <= 2 * width + 62


@settings(max_examples=cases(1000), deadline=None)
@given(todays, near_and_far, widths, st.booleans())
def test_the_upper_end_in_words_is_never_before_the_upper_end(today, first, width, is_lasting):
    meant = window(first, first + width, today=today)
    label = by_label_of(meant, today=today, is_lasting=is_lasting)

    assert today == label.first <= meant.latest <= label.last
    assert (label.last - meant.latest).days <= 30
    assert label.last == meant.latest or (meant.latest - today).days > 28


def intervals(today, first, last):
    """Every interval there are words for from ``today``, each day and third laid out: an oracle, in numbers of days ahead."""
    yield from ((a, b) for a, b in product(range(29), repeat=2) if 0 <= b - a <= 6)
    if last <= 122:
        yield from _runs(today, last, lambda day: (day.year, day.month, min((day.day - 1) // 10, 2)))
    if last <= 56 and last - first <= 21:
        yield from ((7 * a, 7 * b) for a, b in product(range(10), repeat=2) if a < b)
    months = list(_runs(today, last, lambda day: (day.year, day.month)))
    yield from ((a, b) for (a, _), (_, b) in product(months, repeat=2) if a < b)


def _runs(today, last, key):
    """The days from today until a month after ``last``, grouped by ``key``."""
    days = {}
    for ahead in range(last + 32):
        days.setdefault(key(today + dt.timedelta(days=ahead)), []).append(ahead)
    return ((run[0], run[-1]) for run in list(days.values()))


@settings(max_examples=cases(100), deadline=None)
@given(todays, near_and_far, st.integers(0, 60))
def test_no_other_words_for_it_imply_fewer_days(today, first, width):
    label = label_of(window(first, first + width, today=today), today=today)
    said = intervals(today, first, first + width)
    assert (label.last - label.first).days == min(b - a for a, b in said if a <= first and first + width <= b)


@settings(max_examples=cases(100), deadline=None)
@given(todays, near_and_far, widths)
def test_words_that_last_only_get_finer_while_time_passes(today, first, width):
    meant = window(first, first + width, today=today)
    for label in (label_of, by_label_of):
        days = (today + dt.timedelta(days=ahead) for ahead in range(first + width + 1))
        spans = [(one.last - one.first, one.last) for one in (label(meant, today=day, is_lasting=True) for day in days)]
        assert spans == sorted(spans, reverse=True)


# the same words


def test_labels_are_equal_where_the_words_are():
    assert label_of(window(61, 62), today=TODAY) == label_of(window(64, 69), today=TODAY)
    assert label_of(window(61, 62), today=TODAY) != label_of(window(71, 72), today=TODAY)
    assert label_of(window(2, 3), today=TODAY) != by_label_of(window(2, 3), today=TODAY)


def test_a_year_that_need_not_be_named_any_more_is_no_other_word():
    new_year = dt.date(2028, 1, 1)
    soon = window(3, 9, today=new_year)
    assert label_of(soon, today=dt.date(2027, 12, 31)) == label_of(soon, today=new_year)


def test_today_and_weeks_say_the_same_on_other_days_though_they_mean_others():
    tomorrow = TODAY + dt.timedelta(days=1)
    for days in ((0, 0), (35, 45)):
        before = label_of(window(*days), today=TODAY)
        after = label_of(window(*days, today=tomorrow), today=tomorrow)
        assert before == after
        assert before.last < after.last


def test_a_day_within_the_same_words_is_the_same_promise():
    assert is_same_promise(window(64, 68), window(65, 69), today=TODAY)
    assert is_same_promise(window(130, 140), window(130, 150), today=TODAY)
    assert not is_same_promise(window(3, 7), window(3, 8), today=TODAY)


def test_the_same_range_with_a_later_upper_end_is_another_promise():
    old, new = window(72, 75), window(72, 78)  # both "mid-July", but "by the middle" and "by the end"
    assert label_of(old, today=TODAY) == label_of(new, today=TODAY)
    assert not is_same_promise(old, new, today=TODAY)


def test_a_week_more_or_less_is_no_news_while_the_month_stays():
    old, new = window(35, 48), window(35, 50)
    assert label_of(old, today=TODAY) != label_of(new, today=TODAY)
    assert is_same_promise(old, new, today=TODAY)


def test_an_earlier_beginning_is_no_news_while_the_upper_end_reads_the_same():
    old, new = window(228, 234), window(235, 242)  # by the end of December, both
    assert label_of(old, today=TODAY) != label_of(new, today=TODAY) or old.earliest != new.earliest
    assert is_same_promise(old, new, today=TODAY)


def test_what_has_passed_of_two_windows_is_not_compared():
    assert is_same_promise(window(-9, 3), window(-2, 3), today=TODAY)


def test_a_date_that_came_passed_or_went_is_another_promise():
    assert not is_same_promise(NO_DATE, window(3, 4), today=TODAY)
    assert not is_same_promise(window(-4, -3), window(3, 4), today=TODAY)
    assert not is_same_promise(window(3, 4), OVERDUE, today=TODAY)
    assert is_same_promise(window(-4, -3), OVERDUE, today=TODAY)


def test_certainty_is_told_in_other_words_than_the_date():
    assert is_same_promise(window(3, 4), window(3, 4, confidence=Confidence.GUESS), today=TODAY)


@settings(max_examples=cases(100), deadline=None)
@given(todays, near_and_far, widths, st.integers(-5, 5), st.integers(-5, 5))
def test_the_same_promise_reads_the_same_in_every_language(today, first, width, earlier, later):
    old = window(first, first + width, today=today)
    new = window(first + min(earlier, width + later), first + width + later, today=today)
    if is_same_promise(old, new, today=today):
        said, now_said = (by_label_of(one, today=today, is_lasting=True) for one in (old, new))
        if said != OVERDUE:
            assert calendar_words(said, language="de") == calendar_words(now_said, language="de")


@settings(max_examples=cases(1000), deadline=None)
@given(todays, near_and_far, widths, st.booleans())
def test_a_guess_never_names_a_day_contains_its_window_and_is_no_finer_than_an_estimate(
    today, first, width, is_lasting
):
    meant = {sure: window(first, first + width, today=today, confidence=sure) for sure in Confidence}
    for label in (label_of, by_label_of):
        said = {sure: label(each, today=today, is_lasting=is_lasting) for sure, each in meant.items()}
        guess, estimate = said[Confidence.GUESS], said[Confidence.ESTIMATED]

        assert guess.kind not in (Kind.TODAY, Kind.DAY, Kind.DAYS, Kind.BY_DAY)
        assert today <= guess.first <= meant[Confidence.GUESS].earliest
        assert meant[Confidence.GUESS].latest <= guess.last
        assert guess.last - guess.first >= estimate.last - estimate.first


# days and months in languages

LANGUAGES = ("en", "en-gb", "de", "fr", "nl", "es", "ar")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((0, 0), ("May 1", "1 May", "1. Mai", "1 mai", "1 mei", "1 may", "1 مايو")),
        ((11, 11), ("May 12", "12 May", "12. Mai", "12 mai", "12 mei", "12 may", "12 مايو")),
        ((11, 15), ("May 12–16", "12–16 May", "12.–16. Mai", "12–16 mai", "12–16 mei", "12–16 may", "12–16 مايو")),
        (
            (26, 28),
            ("May 27–29", "27–29 May", "27.–29. Mai", "27–29 mai", "27–29 mei", "27–29 may", "27–29 مايو"),
        ),
        ((61, 65), ("July", "July", "Juli", "juillet", "juli", "julio", "يوليو")),
        ((130, 140), ("September", "September", "September", "septembre", "september", "septiembre", "سبتمبر")),
        (
            (60, 90),
            ("June–July", "June–July", "Juni–Juli", "juin–juillet", "juni–juli", "junio–julio", "يونيو–يوليو"),
        ),
        (
            (280, 281),
            (
                "February 2028",
                "February 2028",
                "Februar 2028",
                "février 2028",
                "februari 2028",
                "febrero de 2028",
                "فبراير 2028",
            ),
        ),
        (
            (230, 260),
            (
                "December 2027–January 2028",
                "December 2027–January 2028",
                "Dezember 2027–Januar 2028",
                "décembre 2027–janvier 2028",
                "december 2027–januari 2028",
                "diciembre de 2027–enero de 2028",
                "ديسمبر 2027–يناير 2028",
            ),
        ),
    ],
)
def test_days_and_months_are_named_in_the_readers_language(days, words):
    label = label_of(window(*days), today=TODAY, is_lasting=True)
    assert tuple(plain(calendar_words(label, language=language)) for language in LANGUAGES) == words


def test_a_year_is_named_where_it_is_not_this_one():
    december = dt.date(2027, 12, 28)

    def words(first, last, language):
        label = label_of(window(first, last, today=december), today=december, is_lasting=True)
        return plain(calendar_words(label, language=language))

    assert words(1, 6, "en-gb") == "29 Dec 2027–3 Jan 2028"
    assert words(3, 3, "en") == "Dec 31"
    assert words(4, 4, "en") == "Jan 1, 2028"


def test_every_kind_of_label_names_days_or_months():
    kinds = {}
    for first, width in product(range(140), (0, 4, 8, 20)):
        for label in (label_of, by_label_of):
            said = label(window(first, first + width), today=TODAY)
            kinds[said.kind] = calendar_words(said, language="en-gb")
    assert set(kinds) == set(Kind)
    assert all(kinds.values())


def test_a_language_babel_does_not_know_falls_back():
    assert babel_locale("pt-br") == "pt_BR"
    assert babel_locale("xx-yy") == "en"


# windows


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date(2026, 5, 2), dt.date(2026, 5, 1)),
        (dt.datetime(2026, 5, 1), dt.date(2026, 5, 2)),
        ("2026-05-01", "2026-05-02"),
        (None, None),
    ],
)
def test_a_window_that_is_none_is_refused_with_what_to_do(first, last):
    with pytest.raises(InvalidWindow, match=r"(Swap|Pass)"):
        window_between(first, last)


def test_an_unknown_certainty_is_refused_with_the_list():
    with pytest.raises(InvalidWindow, match="firm, estimated, guess"):
        window_between(TODAY, TODAY, "certainly")
