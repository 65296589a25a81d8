"""A stock point says no: where the units go then, and what it says about the stock."""

import pytest

from config.models import OutboxRow
from orders import holds, lifecycle
from orders.models import Allocation, OrderEvent
from routing import learning, refusals, snapshot
from routing.engine import considered
from routing.models import Decision, Refusal
from routing.replay import Inputs, whole
from tests.cast import change_rule_sets
from tests.routing import scenes
from tests.routing.scenes import claimed, places, refuse, route, waiting
from tests.routing.test_decide import between_reading_and_claiming, pick_up


@pytest.fixture
def order(company):
    order = company.place(("TEE", 2), ("MUG", 1))
    route(order)
    return order


def test_what_is_refused_has_another_place_at_once(company, order):
    decision = refuse(order, "LYON")
    assert decision.cause == "refused"
    assert ("allocated", "LYON") not in places(order)
    assert sum(units for (state, _), units in places(order).items() if state == "allocated") == 3
    assert scenes.stock(company, "TEE", "LYON").reserved == 0
    scenes.check()


def test_who_refused_a_line_is_never_asked_for_it_again(company, order):
    refused = []
    change_rule_sets(max_attempts=10)
    for _ in range(4):
        place = next(code for (state, code) in places(order) if state == "allocated")
        refused.append(place)
        refuse(order, place)
    assert sorted(refused) == ["LYON", "PARIS", "RIGA", "WH"]
    assert {row[0] for row in waiting(order)} == {"unfillable"}
    assert waiting(order)[0][1] == "the points that have it may not send it"
    assert not claimed(order)
    scenes.check()


def test_a_place_that_refused_one_line_may_still_send_another(company):
    order = company.place(("BAG", 1), ("BAG", 2))
    route(order)
    piece = order.allocations.get(line__position=1)
    lifecycle.lock(order.pk)
    refusals.reroute(slices=[piece], reason="damaged", actor="test")
    assert places(order) == {("allocated", "PARIS"): 1, ("allocated", "LYON"): 2}


def test_only_the_refused_part_of_a_slice_leaves(company, order):
    refuse(order, "LYON", units=1)
    assert places(order)["allocated", "LYON"] == 2
    assert Refusal.objects.get().quantity == 1
    scenes.check()


def test_the_decision_says_who_refused_before(company, order):
    decision = refuse(order, "LYON")
    about = {row["code"]: row for row in considered(decision.result)}
    assert about["LYON"]["status"] == "eliminated"
    assert "refused it before" in about["LYON"]["words"]


@pytest.mark.parametrize("reason", ["not_found", "damaged"])
def test_units_that_are_not_found_or_damaged_are_not_promised_again(company, order, reason):
    refuse(order, "LYON", reason)
    row = scenes.stock(company, "TEE", "LYON")
    assert (row.on_hand, row.reserved, row.unavailable) == (10, 0, 2)


@pytest.mark.parametrize("reason", ["too_busy", "closed", "other"])
def test_a_refusal_for_want_of_time_says_nothing_about_the_stock(company, order, reason):
    refuse(order, "LYON", reason)
    row = scenes.stock(company, "TEE", "LYON")
    assert (row.on_hand, row.reserved, row.unavailable) == (10, 0, 0)


def test_no_more_is_blocked_than_the_books_have(company, order):
    from inventory import ledger

    row = scenes.stock(company, "TEE", "LYON")
    ledger.post(
        [ledger.Entry(row.product_id, row.location_id, "adjustment", on_hand=-9)], actor="test"
    )
    refuse(order, "LYON", "not_found")
    row = scenes.stock(company, "TEE", "LYON")
    assert (row.on_hand, row.unavailable) == (1, 1)


def test_after_as_many_refusals_as_the_rules_allow_a_person_decides(company, order):
    change_rule_sets(max_attempts=1)
    decision = refuse(order, "LYON")
    assert decision.outcome == "unfillable"
    assert {row[:2] for row in waiting(order)} == {("unfillable", "refused once: a person decides")}
    assert not claimed(order)


def test_a_person_may_route_what_was_refused_too_often(company, order):
    change_rule_sets(max_attempts=1)
    refuse(order, "LYON")
    assert route(order, cause="retried").outcome == "unfillable"
    assert route(order, cause="manual").outcome == "routed"


def test_a_refused_pickup_waits_for_its_customer_and_is_not_sent_elsewhere(company):
    order = company.place(("TEE", 1), delivery=pick_up("PARIS"))
    route(order)
    assert refuse(order, "PARIS", "not_found") is None
    assert waiting(order) == [
        ("pickup_refused", "refused by Paris store: not found on the shelf", 1)
    ]
    assert not claimed(order)
    assert route(order, cause="manual") is None
    assert scenes.stock(company, "TEE", "PARIS").unavailable == 1
    scenes.check()


def test_refused_units_of_a_held_order_lose_their_place_and_wait(company, order):
    holds.place(order_id=order.pk, type="fraud", handle="h", reason="odd", blocks=["route"],
                   actor="test")  # fmt: skip
    assert refuse(order, "LYON") is None
    assert {row[:2] for row in waiting(order)} == {("routing", "on hold: odd")}
    assert not claimed(order)


def test_the_timeline_tells_the_refusal_before_the_new_place(company, order):
    refuse(order, "LYON", "not_found")
    kinds = OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True)
    assert list(kinds)[-2:] == ["allocation.refused", "order.routed"]


def test_a_refusal_whose_new_place_is_lost_three_times_is_tried_again_by_a_worker(
    company, order, monkeypatch
):
    for sku in ("TEE", "MUG"):
        scenes.take_away(company, sku, "PARIS")
        scenes.take_away(company, sku, "RIGA")
    take = snapshot.take

    def always_late(order, **options):
        scenes.bring(company, "TEE", "WH", 5)
        shot = take(order, **options)
        scenes.take_away(company, "TEE", "WH")
        return shot

    monkeypatch.setattr(snapshot, "take", always_late)
    assert refuse(order, "LYON", "damaged") is None
    assert not claimed(order)
    assert waiting(order)[0][1].startswith("tried again at once")
    assert OutboxRow.objects.filter(topic="route", cause__startswith="lost:").exists()
    monkeypatch.setattr(snapshot, "take", take)
    scenes.bring(company, "TEE", "WH", 5)
    scenes.work("route")
    assert places(order) == {("allocated", "WH"): 3}
    scenes.check()


def test_a_refused_unit_finds_the_next_place_when_the_first_is_taken_meanwhile(
    company, order, monkeypatch
):
    scenes.prefer_central()
    between_reading_and_claiming(monkeypatch, lambda: scenes.take_away(company, "TEE", "WH"))
    refuse(order, "LYON")
    assert sum(claimed(order).values()) == 3
    assert not Allocation.objects.filter(order=order, state="queued").exists()
    scenes.check()


def test_a_place_that_refuses_much_is_expected_to_refuse_again(company):
    for _ in range(5):
        order = company.place(("MUG", 1))
        route(order)
        refuse(order, "LYON")
    learning.forget()
    rates = learning.refusal_rates()
    lyon, paris = company.locations["LYON"].pk, company.locations["PARIS"].pk
    assert rates[lyon] == pytest.approx((5 + 1) / (5 + 20))
    assert rates[lyon] > 4 * rates.get(paris, learning.UNKNOWN)
    decision = route(company.place(("MUG", 1)))
    inputs = Inputs.from_json(whole(Decision.objects.get(pk=decision.pk)))
    assert {one.code: one.refusal_rate for one in inputs.candidates}["LYON"] == rates[lyon]
