"""When a place is open and when a parcel leaves: its own week, cut-offs and holidays."""

from datetime import UTC, date, datetime, time

import pytest

from inventory import hours
from inventory.models import Location, SpecialDay

SHOP = {day: [["10:00", "13:00"], ["14:00", "19:00"]] for day in ("tue", "wed", "thu", "fri")} | {
    "sat": [["10:00", "14:00"]]
}  # fmt: skip


def shop(cutoffs=None, special=(), cutoff=time(15)):
    return hours.make(SHOP, cutoff=cutoff, cutoffs=cutoffs or {}, special=special)


def at(text):
    return datetime.fromisoformat(f"2026-09-{text}")  # the 7th is a Monday


@pytest.mark.parametrize(
    ("moment", "open_"),
    [("08 09:59", False), ("08 10:00", True), ("08 13:00", False), ("08 18:59", True),
     ("12 13:59", True), ("12 14:00", False), ("13 11:00", False), ("07 11:00", False)],
)  # fmt: skip
def test_it_is_open_from_the_first_minute_to_before_the_last(moment, open_):
    assert hours.is_open(shop(), at(moment)) is open_


@pytest.mark.parametrize(
    ("moment", "opens"),
    [("08 11:00", "08 11:00"), ("08 13:30", "08 14:00"), ("12 14:00", "15 10:00"),
     ("07 08:00", "08 10:00")],
)  # fmt: skip
def test_it_says_when_it_opens_next(moment, opens):
    assert hours.opens_next(shop(), at(moment)) == at(opens)


def test_what_never_opens_has_no_next_opening_and_ends_the_search():
    closed = hours.make({"mon": []}, cutoff=time(15), cutoffs={})
    assert hours.opens_next(closed, at("08 11:00")) is None
    assert hours.hand_over_day(closed, at("08 11:00")) > date(2027, 9, 1)


@pytest.mark.parametrize(
    ("moment", "lead", "day"),
    [("08 15:00", 0, 8), ("08 15:01", 0, 9), ("07 09:00", 0, 8), ("12 14:00", 0, 12),
     ("12 14:01", 0, 15), ("11 16:00", 1, 15), ("08 09:00", 2, 10)],
    ids=["at the cut-off", "after it", "closed on Monday", "until a short day closes",
         "after it has closed", "late, with a lead day", "lead days are open days"],
)  # fmt: skip
def test_a_parcel_leaves_on_an_open_day_before_its_cut_off(moment, lead, day):
    assert hours.hand_over_day(shop(), at(moment), lead_days=lead).day == day


def test_a_weekday_may_have_a_cut_off_of_its_own():
    early = shop(cutoffs={"sat": "11:00"})
    assert hours.hand_over_day(early, at("12 11:00")).day == 12
    assert hours.hand_over_day(early, at("12 11:30")).day == 15


def test_nothing_leaves_on_a_holiday_and_a_short_day_ends_early():
    special = [(date(2026, 9, 9), None, None), (date(2026, 9, 10), time(10), time(12))]
    some = shop(special=special)
    assert hours.hand_over_day(some, at("08 16:00")).day == 10
    assert hours.hand_over_day(some, at("10 12:30")).day == 11


def test_without_known_hours_it_is_monday_to_friday():
    plain = hours.read("", time(15))
    assert hours.hand_over_day(plain, at("12 09:00")).day == 14
    assert hours.is_open(plain, at("11 23:00"))
    assert not hours.is_open(plain, at("12 11:00"))


def test_hours_nobody_can_read_count_as_not_known():
    for week in ('{"mon": "ten to six"}', '{"mon": [["x", "y"]]}', '{"mon": [[1]]}', "[1]"):
        found = hours.read(f"{week}\n{{}}\n[]\n[]", time(15))
        assert hours.hand_over_day(found, at("12 09:00")).day == 14


@pytest.mark.parametrize(
    ("words", "kept"),
    [("10:00-13:00, 14:00-19:00", [["10:00", "13:00"], ["14:00", "19:00"]]),
     (" 9:30 \N{EN DASH} 24:00 ", [["09:30", "24:00"]]), ("closed", []), ("", [])],
)  # fmt: skip
def test_a_day_is_written_as_people_say_it(words, kept):
    assert hours.from_words(words) == kept
    assert hours.from_words(hours.in_words(kept)) == kept


@pytest.mark.parametrize(
    ("words", "why"),
    [("10-19", "no time like"), ("10:00", "start and an end"), ("19:00-10:00", "ends before"),
     ("10:00-14:00, 13:00-19:00", "begins before 14:00"), ("25:00-26:00", "no time like"),
     ("24:30-24:40", "no time like"), (",".join(["10:00-11:00"] * 9), "at most")],
)  # fmt: skip
def test_hours_nobody_can_keep_are_refused_in_words(words, why):
    with pytest.raises(ValueError, match=why):
        hours.from_words(words)


@pytest.mark.parametrize("value", [None, [], "mon", 5, {"mon": None}, {"mon": [["10:00"]]},
                                   {"mon": [[10, 19]]}, {"day": []}, {7: []}])  # fmt: skip
def test_a_week_that_is_none_is_refused(value):
    with pytest.raises(hours.WrongHours):
        hours.check_week(value)


def test_wrong_days_are_all_named():
    with pytest.raises(hours.WrongHours) as wrong:
        hours.check_week({"mon": [["x", "y"]], "tue": [["10:00", "11:00"]], "sat": [[]]})
    assert set(wrong.value.problems) == {"mon", "sat"}
    with pytest.raises(hours.WrongHours, match="Sunday: '30:00' is no time"):
        hours.check_cutoffs({"sun": "30:00"})


def test_an_order_is_promised_from_a_place_that_is_open_on_saturday(company):
    """The store in Lyon works on Saturdays, but not on this one, which is a holiday there."""
    from inventory import availability
    from orders import promise

    week = {day: [["09:00", "18:00"]] for day in ("fri", "sat")}
    Location.objects.filter(code="LYON").update(opening_hours=week)

    def arrives(placed):
        points = availability.points(pool=company.pool.pk, skus=["TEE"])["TEE"].points
        point = next(one for one in points if one.code == "LYON")
        return promise.arrival(point, at=None, placed=placed).date()

    soon = datetime.now(UTC).date()
    saturday = date.fromordinal(soon.toordinal() + (5 - soon.weekday()) % 7 + 7)
    placed = datetime.combine(saturday, time(8), tzinfo=UTC)
    after = [date.fromordinal(saturday.toordinal() + n) for n in range(14)]
    assert arrives(placed) == after[3]  # two working days of the carrier from Saturday
    SpecialDay.objects.create(date=saturday, name="fair", location=company.locations["LYON"])
    assert arrives(placed) == after[10]  # it leaves next Friday, and the weekend is in between
    SpecialDay.objects.create(date=after[6], name="everybody's holiday")
    assert arrives(placed) == after[10]  # so on Saturday: the carrier's days are the same
