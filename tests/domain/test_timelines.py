import datetime as dt

from backorders.domain.timelines import Course, Progress, Step, timeline

DAY = dt.timedelta(days=1)
MONDAY = dt.datetime(2026, 3, 2, 10, 0, tzinfo=dt.UTC)


def steps(**known):
    course = {"wanted": 3, "allocated": 0, "shipped": 0, "placed_at": MONDAY} | known
    return {mark.step.value: mark.progress.value for mark in timeline(Course(**course))}


def test_an_order_that_nobody_has_announced_goods_for_waits_for_a_delivery():
    assert steps() == {
        "ordered": "done",
        "booked": "next",
        "arrived": "later",
        "set_aside": "later",
        "shipped": "later",
    }


def test_with_a_delivery_booked_its_arrival_comes_next():
    assert steps(is_booked=True, booked_at=MONDAY) | {"ordered": ""} == {
        "ordered": "",
        "booked": "done",
        "arrived": "next",
        "set_aside": "later",
        "shipped": "later",
    }


def test_a_part_that_came_is_said_to_be_one():
    found = steps(is_booked=True, allocated=2, shipped=1, set_aside_at=MONDAY)
    assert (found["arrived"], found["set_aside"], found["shipped"]) == ("partly", "partly", "partly")


def test_what_came_from_the_shelf_never_had_a_delivery():
    assert list(steps(allocated=3, set_aside_at=MONDAY)) == ["ordered", "arrived", "set_aside", "shipped"]


def test_the_day_of_shipping_is_told_once_all_has_left():
    left = {"allocated": 3, "is_booked": True, "set_aside_at": MONDAY + DAY, "closed_at": MONDAY + 2 * DAY}
    course = Course(wanted=3, shipped=3, placed_at=MONDAY, booked_at=MONDAY, arrived_on=MONDAY.date(), **left)
    assert [(mark.step, mark.at) for mark in timeline(course)] == [
        (Step.ORDERED, MONDAY),
        (Step.BOOKED, MONDAY),
        (Step.ARRIVED, MONDAY.date()),
        (Step.SET_ASIDE, MONDAY + DAY),
        (Step.SHIPPED, MONDAY + 2 * DAY),
    ]
    part = Course(wanted=3, shipped=2, placed_at=MONDAY, **left)
    assert timeline(part)[-1].at is None


def test_a_cancelled_order_has_no_further_steps():
    marks = timeline(Course(wanted=0, allocated=0, shipped=0, placed_at=MONDAY, closed_at=MONDAY + DAY))
    assert [(mark.step, mark.progress, mark.at) for mark in marks] == [
        (Step.ORDERED, Progress.DONE, MONDAY),
        (Step.CANCELLED, Progress.DONE, MONDAY + DAY),
    ]
