"""The first promise: as few places as possible, the nearest first, and a day that can be kept."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from config.geo import Point
from inventory.availability import Sellable, StockPoint
from orders import services
from orders.promise import (
    Wanted,
    arrival,
    choose,
    promised_at,
    release_at,
    transit_days,
)

LYON, PARIS, WH = (45.76, 4.84), (48.86, 2.35), (47.90, 1.91)
HOME = Point(45.75, 4.85, "exact")  # a few kilometers from the store in Lyon


@pytest.fixture(autouse=True)
def _no_services(monkeypatch):
    monkeypatch.setattr(services, "active", tuple)


def point(code, free, where=LYON, product=1, **changes):
    number = {"LYON": 1, "PARIS": 2, "WH": 3}[code]
    values = {"timezone": "Europe/Paris", "cutoff": time(15), "lead_days": 0, "can_ship": True,
              "can_pickup": True}  # fmt: skip
    return StockPoint(product, number, free, code, code, code == "WH", *where, **(values | changes))


def sold(**points):
    return {sku: Sellable(n, sku, sku, 300, tuple(found)) for n, (sku, found)
            in enumerate(points.items())}  # fmt: skip


def chosen(wanted, sellable, *, at=HOME, only=None):
    asked = [Wanted(i, sku, units) for i, (sku, units) in enumerate(wanted)]
    pieces, missing = choose(asked, sellable, at=at, only=only)
    return [(p.sku, p.quantity, p.point.code) for p in pieces], [
        (w.sku, w.quantity) for w in missing
    ]


def test_one_place_for_all_beats_two_nearer_ones():
    stock = sold(A=[point("LYON", 5), point("WH", 5, WH)], B=[point("WH", 5, WH)])
    assert chosen([("A", 1), ("B", 1)], stock)[0] == [("A", 1, "WH"), ("B", 1, "WH")]


def test_of_places_that_have_as_much_the_nearest_is_promised():
    stock = sold(A=[point("PARIS", 5, PARIS), point("LYON", 5)])
    assert chosen([("A", 2)], stock) == ([("A", 2, "LYON")], [])


def test_what_one_place_does_not_have_comes_from_the_next_and_the_rest_is_missing():
    stock = sold(A=[point("LYON", 3), point("PARIS", 1, PARIS)])
    assert chosen([("A", 6)], stock) == ([("A", 3, "LYON"), ("A", 1, "PARIS")], [("A", 2)])


def test_two_lines_of_one_product_share_what_is_there():
    assert chosen([("A", 2), ("A", 2)], sold(A=[point("LYON", 3)])) == (
        [("A", 2, "LYON"), ("A", 1, "LYON")], [("A", 1)])  # fmt: skip


def test_a_pick_up_comes_from_its_store_alone():
    stock = sold(A=[point("LYON", 1), point("PARIS", 9, PARIS)])
    assert chosen([("A", 2)], stock, only="LYON") == ([("A", 1, "LYON")], [("A", 1)])


def test_a_place_that_does_not_ship_is_not_promised():
    assert chosen([("A", 1)], sold(A=[point("LYON", 5, can_ship=False)]))[1] == [("A", 1)]


@pytest.mark.parametrize(
    ("placed", "day"),
    [("2026-09-07 09:00", 8), ("2026-09-07 16:00", 9), ("2026-09-11 09:00", 14),
     ("2026-09-11 16:00", 15), ("2026-09-12 09:00", 15), ("2026-09-13 09:00", 15)],
    ids=["monday", "monday after cut-off", "friday", "friday after cut-off", "saturday", "sunday"],
)  # fmt: skip
def test_it_leaves_on_a_working_day_and_takes_working_days(placed, day):
    moment = datetime.fromisoformat(placed).replace(tzinfo=UTC)
    arrives = arrival(point("LYON", 1, timezone="UTC"), at=HOME, placed=moment)
    assert (arrives.day, arrives.hour) == (day, 20)


def test_the_cut_off_is_the_places_own():
    moment = datetime(2026, 9, 7, 14, 30, tzinfo=UTC)  # 16:30 in Lyon
    assert arrival(point("LYON", 1), at=HOME, placed=moment).day == 9
    assert arrival(point("LYON", 1, timezone="America/New_York"), at=HOME, placed=moment).day == 8


def test_lead_time_and_distance_add_working_days():
    moment = datetime(2026, 9, 7, 9, tzinfo=UTC)
    assert arrival(point("LYON", 1, lead_days=2), at=HOME, placed=moment).day == 10
    assert [transit_days(km) for km in (0, 300, 301, 2500, 9000)] == [1, 1, 2, 4, 7]
    assert arrival(point("LYON", 1), at=None, placed=moment).day == 9


def test_the_last_piece_makes_the_promise():
    near, far = point("LYON", 1), point("PARIS", 1, PARIS, lead_days=3)
    asked = [Wanted(0, "A", 2)]
    pieces, _ = choose(asked, sold(A=[near, far]), at=HOME, only=None)
    placed = datetime(2026, 9, 7, 9, tzinfo=UTC)
    assert promised_at(pieces, at=HOME, placed=placed) == arrival(far, at=HOME, placed=placed)
    assert promised_at([], at=HOME, placed=placed) is None


@pytest.mark.parametrize(
    ("wanted", "released"),
    [("2026-09-10", "2026-09-09"), ("2026-09-14", "2026-09-11"), ("2026-09-13", "2026-09-11"),
     ("2026-09-08", None), ("2026-09-07", None), ("2026-09-01", None)],
    ids=["thursday", "monday: leaves friday", "sunday: nobody drives, comes monday", "tomorrow",
         "today", "a day that has passed"],
)  # fmt: skip
def test_what_is_wanted_on_a_day_is_given_out_when_it_would_arrive_no_earlier(wanted, released):
    monday = datetime(2026, 9, 7, 9, tzinfo=UTC)
    pieces, _ = choose([Wanted(0, "A", 1)], sold(A=[point("LYON", 1)]), at=HOME, only=None)
    found = release_at(date.fromisoformat(wanted), pieces, HOME, monday)
    assert (found and found.date().isoformat()) == released
    if found:  # given out then, it arrives on the first possible day from the wanted one on
        assert arrival(pieces[0].point, at=HOME, placed=found).date() >= date.fromisoformat(wanted)


def test_of_several_places_the_slowest_is_asked_in_time_and_the_promise_is_the_wanted_day():
    near, far = point("LYON", 1), point("PARIS", 1, PARIS, lead_days=3)
    pieces, _ = choose([Wanted(0, "A", 2)], sold(A=[near, far]), at=HOME, only=None)
    monday, wanted = datetime(2026, 9, 7, 9, tzinfo=UTC), date(2026, 9, 25)
    alone = [release_at(wanted, [piece], HOME, monday) for piece in pieces]
    assert release_at(wanted, pieces, HOME, monday) == min(alone) < max(alone)
    assert release_at(wanted, [], HOME, monday) is None
    assert promised_at(pieces, at=HOME, placed=monday, wanted_on=wanted).date() == wanted
    late = promised_at(pieces, at=HOME, placed=monday, wanted_on=date(2026, 9, 8))
    assert late == promised_at(pieces, at=HOME, placed=monday)


def test_the_store_it_is_sent_to_may_give_it_from_its_own_shelf():
    stock = sold(A=[point("LYON", 1, can_ship=False), point("WH", 5, WH)])
    asked = [Wanted(0, "A", 1)]
    sent, _ = choose(asked, stock, at=HOME, only=None)
    stays, _ = choose(asked, stock, at=HOME, only=None, store="LYON")
    assert [sent[0].point.code, stays[0].point.code] == ["WH", "LYON"]


def test_a_place_that_never_opens_does_not_keep_anybody_waiting_for_an_answer():
    closed = point("LYON", 1, calendar='{"mon": []}\n{}\n[]\n[]')
    pieces, _ = choose([Wanted(0, "A", 1)], sold(A=[closed]), at=HOME, only=None)
    monday = datetime(2026, 9, 7, 9, tzinfo=UTC)
    found = release_at(date(2028, 9, 1), pieces, HOME, monday)
    assert found is not None
    assert found.date() == date(2028, 9, 1) - timedelta(days=60)
