"""One day in a calendar file: RFC 5545, read back by its own rules."""

import datetime as dt

from backorders.queries.ics import Entry, calendar_file

NOW = dt.datetime(2026, 3, 2, 11, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def file_of(**changes):
    entry = {"uid": "backorder-1@shop.example", "version": 3, "day": dt.date(2026, 12, 31), "title": "Mug", **changes}
    return calendar_file(Entry(**entry), now=NOW)


def unfolded(text):
    return dict(row.split(":", 1) for row in text.replace("\r\n ", "").split("\r\n") if row)


def test_an_entry_is_a_whole_day_that_keeps_nobody_busy():
    said = unfolded(file_of())
    assert (said["DTSTART;VALUE=DATE"], said["DTEND;VALUE=DATE"]) == ("20261231", "20270101")
    assert (said["DTSTAMP"], said["SEQUENCE"], said["METHOD"]) == ("20260302T100000Z", "3", "PUBLISH")
    assert (said["TRANSP"], said["STATUS"]) == ("TRANSPARENT", "CONFIRMED")


def test_an_entry_that_is_off_says_so():
    assert unfolded(file_of(is_off=True))["STATUS"] == "CANCELLED"


def test_what_has_a_meaning_in_a_line_is_escaped_and_what_would_end_it_is_gone():
    said = unfolded(file_of(title="Mug, blue; 1\\2\r\nATTENDEE:mailto:x@example.com"))
    assert said["SUMMARY"] == "Mug\\, blue\\; 1\\\\2  ATTENDEE:mailto:x@example.com"
    assert "ATTENDEE" not in said


def test_no_line_is_longer_than_75_octets_and_none_is_cut_within_a_character():
    title = "كوب أزرق 🫖 " * 20
    text = file_of(title=title)
    assert all(len(row.encode()) <= 75 for row in text.split("\r\n"))
    assert unfolded(text)["SUMMARY"] == title
    assert text.endswith("END:VCALENDAR\r\n") and "\n" not in text.replace("\r\n", "")


def test_the_last_day_there_is_needs_no_day_after_it():
    assert "DTEND" not in file_of(day=dt.date.max)


def test_an_address_leads_where_it_led_and_cannot_end_its_line_either():
    assert unfolded(file_of(url="https://shop.example/o/A,1;2/"))["URL"] == "https://shop.example/o/A,1;2/"
    assert (
        unfolded(file_of(url="https://shop.example/o/\r\nATTENDEE:x"))["URL"] == "https://shop.example/o/  ATTENDEE:x"
    )
