"""Routing one order: where its units go, and what happens to its claims."""

import json
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.models import Location, PoolLocation, StockMovement
from orders import cancellation, holds
from orders.models import OrderEvent, SalesChannel
from routing import decide, learning, snapshot
from routing.claims import Lost
from routing.engine import ENGINE_VERSION, considered
from routing.models import Decision, Offer, Rule, RuleSet
from routing.replay import replay
from tests.cast import active, change_rules
from tests.routing import scenes
from tests.routing.scenes import claimed, places, route, waiting


def test_a_claim_that_is_in_the_best_place_stays_where_it_is(company):
    order = company.place(("TEE", 2), ("MUG", 1))
    before = StockMovement.objects.count()
    decision = route(order)
    assert decision.outcome == "routed"
    assert places(order) == {("allocated", "LYON"): 3}
    assert StockMovement.objects.count() == before
    assert "Lyon store was chosen" in decision.sentence


def test_the_claim_moves_to_the_place_that_is_chosen(company):
    scenes.prefer_central()
    order = company.place(("TEE", 2), ("MUG", 1))
    assert claimed(order) == {"LYON": 3}
    route(order)
    assert places(order) == {("allocated", "WH"): 3}
    assert claimed(order) == {"WH": 3}
    assert scenes.stock(company, "TEE", "LYON").reserved == 0
    scenes.check()


def test_the_timeline_says_where_and_rings_the_work(company):
    order = company.place(("TEE", 2))
    decision = route(order)
    event = OrderEvent.objects.get(order=order, kind="order.routed")
    assert event.data["decision"] == decision.pk
    assert event.data["locations"] == ["LYON"]
    assert event.data["units"] == 2
    assert OutboxRow.objects.filter(topic="work", subject=order.pk).exists()


def test_an_order_is_split_when_no_point_has_all_of_it(company):
    order = company.place(("BAG", 8))
    decision = route(order)
    assert places(order) == {("allocated", "LYON"): 5, ("allocated", "PARIS"): 3}
    assert decision.sentence.startswith("Split into 2 parcels")
    assert Offer.objects.filter(decision=decision).count() == 2


def test_a_slice_is_cut_when_its_units_go_to_two_places(company):
    order = company.place(("BAG", 5))
    scenes.take_away(company, "BAG", "PARIS", leave=3)
    route(order)
    scenes.refuse(order, "LYON", units=4)
    assert places(order) == {
        ("allocated", "LYON"): 1,
        ("allocated", "PARIS"): 3,
        ("queued", None): 1,
    }
    scenes.check()


def test_nothing_is_promised_twice_to_two_lines_of_one_product(company):
    order = company.place(("BAG", 4), ("BAG", 5))
    route(order)
    assert places(order) == {("allocated", "LYON"): 5, ("allocated", "PARIS"): 4}
    scenes.check()


def test_what_no_place_has_waits_as_unfillable_with_its_reason(company):
    scenes.queue_when_short(company)
    order = company.place(("TEE", 1), ("SOLD", 2))
    decision = route(order)
    assert decision.outcome == "partial"
    assert places(order) == {("allocated", "LYON"): 1, ("queued", None): 2}
    assert waiting(order) == [("unfillable", "no point has it free", 2)]
    event = OrderEvent.objects.get(order=order, kind="order.unfillable")
    assert event.data["units"] == 2


def test_an_order_that_stays_unfillable_is_not_told_so_again(company):
    scenes.queue_when_short(company)
    order = company.place(("SOLD", 1))
    route(order)
    since = order.allocations.get().since
    route(order, cause="retried")
    assert OrderEvent.objects.filter(order=order, kind="order.unfillable").count() == 1
    assert order.allocations.get().since == since


def test_without_a_rule_set_for_its_channel_an_order_waits_and_says_so(company):
    RuleSet.objects.update(state="archived")
    order = company.place(("TEE", 1))
    decision = route(order)
    assert waiting(order) == [("unfillable", "no rule set covers channel web", 1)]
    assert decision.rule_set is None
    assert decision.sentence == "No rule set covers channel web."
    assert claimed(order) == {"LYON": 1}


def test_a_channels_own_rule_set_goes_before_the_general_one(company):
    own = RuleSet.objects.create(name="Web")
    Rule.objects.create(rule_set=own)
    own.channels.add(company.web)
    active(own)
    assert route(company.place(("TEE", 1))).rule_set_id == own.pk


def test_a_rule_set_of_another_channel_does_not_cover_this_one(company):
    RuleSet.objects.update(state="archived")
    other = RuleSet.objects.create(name="Other")
    Rule.objects.create(rule_set=other)
    other.channels.add(
        SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    )
    active(other)
    order = company.place(("TEE", 1))
    route(order)
    assert waiting(order)[0][1].startswith("no rule set")


def test_rules_that_the_engine_cannot_count_with_leave_the_order_waiting_in_words(company):
    change_rules(economic=-1)
    order = company.place(("TEE", 1))
    route(order)
    assert waiting(order)[0][1].startswith("the rules cannot be used")


# --- holds ---------------------------------------------------------------------------------------


def test_a_held_order_is_not_routed_and_its_queue_names_the_hold(company):
    order = company.place(("TEE", 1))
    holds.place(order_id=order.pk, type="fraud", handle="h", reason="card looks odd",
                   blocks=["route"], actor="test")  # fmt: skip
    assert route(order) is None
    assert waiting(order) == [("routing", "on hold: card looks odd", 1)]
    assert claimed(order) == {"LYON": 1}
    assert not Decision.objects.exists()


def test_a_resolved_hold_rings_for_the_order_again(company):
    order = company.place(("TEE", 1))
    placed = holds.place(order_id=order.pk, type="fraud", handle="h", reason="odd",
                            blocks=["route", "ship"], actor="test")  # fmt: skip
    outbox.drain("route")
    assert places(order) == {("queued", "LYON"): 1}
    holds.resolve(hold_id=placed.pk, actor="test")
    outbox.drain("route")
    assert places(order) == {("allocated", "LYON"): 1}
    assert Decision.objects.get().cause == "hold resolved"


def test_a_hold_that_only_forbids_shipping_does_not_stop_routing(company):
    order = company.place(("TEE", 1))
    holds.place(order_id=order.pk, type="manual", handle="h", reason="r", blocks=["ship"],
                   actor="test")  # fmt: skip
    assert route(order).outcome == "routed"


# --- who is faster -------------------------------------------------------------------------------


def between_reading_and_claiming(monkeypatch, *actions):
    """Run one action after each of the next snapshots, before the plan is carried out."""
    todo, take = list(actions), snapshot.take

    def and_then(order, **options):
        shot = take(order, **options)
        if todo:
            todo.pop(0)()
        return shot

    monkeypatch.setattr(snapshot, "take", and_then)


def test_a_place_that_is_emptied_meanwhile_loses_and_the_claim_is_never_dropped(
    company, monkeypatch
):
    scenes.prefer_central()
    order = company.place(("TEE", 2))
    held = []
    between_reading_and_claiming(
        monkeypatch,
        lambda: scenes.take_away(company, "TEE", "WH", leave=1),
        lambda: held.append(claimed(order)),
    )
    route(order)
    assert held == [{"LYON": 2}]
    assert places(order) == {("allocated", "LYON"): 2}
    assert claimed(order) == {"LYON": 2}
    scenes.check()


def test_who_loses_three_times_keeps_its_claims_and_is_tried_again_later(company, monkeypatch):
    scenes.prefer_central()
    order = company.place(("TEE", 2))
    take = snapshot.take

    def always_late(order, **options):
        scenes.bring(company, "TEE", "WH", 5)
        shot = take(order, **options)
        scenes.take_away(company, "TEE", "WH", leave=1)
        return shot

    monkeypatch.setattr(snapshot, "take", always_late)
    with pytest.raises(Lost), transaction.atomic():
        route(order)
    assert places(order) == {("queued", "LYON"): 2}
    assert claimed(order) == {"LYON": 2}
    outbox.drain("route")
    row = OutboxRow.objects.get(topic="route")
    assert row.done_at is None
    assert "no longer free" in row.last_error


# --- capacity ------------------------------------------------------------------------------------


def limit(company, place, parcels):
    Location.objects.filter(pk=company.locations[place].pk).update(capacity_per_day=parcels)


def test_a_full_day_sends_the_next_parcel_elsewhere(company):
    limit(company, "LYON", 1)
    first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
    route(first)
    route(second)
    assert places(first) == {("allocated", "LYON"): 1}
    assert ("allocated", "LYON") not in places(second)


def test_the_day_ends_at_the_stock_points_own_midnight(company):
    for place in ("LYON", "PARIS", "WH"):
        limit(company, place, 0)
    limit(company, "RIGA", 1)
    with time_machine.travel(datetime(2026, 3, 3, 21, 50, tzinfo=UTC), tick=False):  # 23:50 there
        first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
        route(first)
        route(second)
    assert places(first) == {("allocated", "RIGA"): 1}
    assert waiting(second)[0][0] == "unfillable"
    with time_machine.travel(datetime(2026, 3, 3, 22, 10, tzinfo=UTC), tick=False):  # 00:10 there
        route(second, cause="retried")
    assert places(second) == {("allocated", "RIGA"): 1}


def test_a_refused_parcel_gives_its_place_in_the_day_back(company):
    limit(company, "LYON", 1)
    first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
    route(first)
    scenes.refuse(first, "LYON")
    route(second)
    assert places(second) == {("allocated", "LYON"): 1}


def test_a_place_that_closes_its_day_keeps_what_it_has_and_gets_nothing_more(company):
    first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
    route(first)
    limit(company, "LYON", 0)
    route(second)
    assert places(first) == {("allocated", "LYON"): 1}
    assert ("allocated", "LYON") not in places(second)


def test_a_waiting_unit_keeps_its_claim_at_a_place_that_is_full_today(company):
    for place in ("LYON", "PARIS", "WH", "RIGA"):
        limit(company, place, 0)
    order = company.place(("TEE", 1))
    route(order)
    assert waiting(order) == [("unfillable", "the points that have it may not send it", 1)]
    assert claimed(order) == {"LYON": 1}
    scenes.check()


def test_what_is_picked_up_in_store_takes_no_place_of_its_day(company):
    limit(company, "PARIS", 0)
    order = company.place(("TEE", 1), delivery=pick_up("PARIS"))
    route(order)
    assert places(order) == {("allocated", "PARIS"): 1}


def pick_up(place):
    return {"method": "pickup", "location": place, "service": "standard"}


def test_a_pickup_goes_to_its_store_and_nowhere_else_and_costs_no_parcel(company):
    scenes.prefer_central()
    order = company.place(("TEE", 1), delivery=pick_up("PARIS"))
    decision = route(order)
    assert places(order) == {("allocated", "PARIS"): 1}
    assert decision.kg_co2 == 0
    assert [row["code"] for row in considered(decision.result)] == ["PARIS"]


# --- what is kept --------------------------------------------------------------------------------


def test_a_kept_decision_gives_the_same_answer_again(company):
    scenes.queue_when_short(company)
    order = company.place(("BAG", 8), ("TEE", 3), ("SOLD", 1))
    decision = Decision.objects.get(pk=route(order).pk)
    assert decision.engine_version == ENGINE_VERSION
    assert json.dumps(replay(decision), sort_keys=True) == json.dumps(
        decision.result, sort_keys=True
    )


def test_a_decision_answers_the_same_after_stock_and_rules_have_changed(company):
    order = company.place(("TEE", 2))
    decision = Decision.objects.get(pk=route(order).pk)
    scenes.prefer_central(retail=9)
    scenes.take_away(company, "TEE", "PARIS")
    assert replay(decision) == decision.result


def test_a_decision_names_every_candidate_and_the_version_of_its_rules(company):
    decision = route(company.place(("BAG", 1)))
    about = {row["code"]: row for row in considered(decision.result)}
    assert set(about) == {"WH", "LYON", "PARIS", "RIGA"}
    assert about["WH"]["words"] == "Orléans warehouse has no stock of any line."
    assert decision.rule_set_id == company.rules.pk


@pytest.mark.parametrize("lines", [1, 5])
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("points", [0, 46])
def test_routing_takes_the_same_few_statements_whatever_the_lines_and_points(
    company, lines, moves, points
):
    if moves:
        scenes.prefer_central()
    more_points(company, points)
    limit(company, "LYON", 50)
    limit(company, "WH", 50)
    items = [("TEE", 1), ("MUG", 1), ("TEE", 2), ("MUG", 2), ("TEE", 3)]
    order = company.place(*items[:lines])
    learning.refusal_rates()  # read every five minutes
    with CaptureQueriesContext(connection) as seen:
        decision = route(order)
    assert len(considered(decision.result)) == 4 + points
    assert set(claimed(order)) == {"WH" if moves else "LYON"}
    control = ("SAVEPOINT", "RELEASE")  # of the transaction, not on data
    statements = [q["sql"] for q in seen if not q["sql"].startswith(control)]
    assert len(statements) == (7 if moves else 6), [sql[:80] for sql in statements]


def more_points(company, count):
    points = Location.objects.bulk_create(
        Location(code=f"S{n}", name=f"Store {n}", kind="store", country="PT", lat=38 + n / 50,
                 lng=-9 + n / 50, timezone="Europe/Lisbon")
        for n in range(count)
    )  # fmt: skip
    PoolLocation.objects.bulk_create(
        PoolLocation(pool=company.pool, location=point) for point in points
    )
    ledger.post(
        [
            ledger.Entry(company.products[sku].pk, point.pk, "opening", on_hand=20)
            for point in points
            for sku in ("TEE", "MUG")
        ],
        actor="test",
    )


def test_the_bell_of_a_received_order_routes_it(company):
    order = company.place(("TEE", 1))
    assert outbox.drain("route") == 1
    assert Decision.objects.get(order=order).cause == "received"


def test_an_order_with_nothing_waiting_is_left_alone(company):
    order = company.place(("TEE", 1))
    cancellation.cancel(order_id=order.pk, reason="customer", actor="test")
    assert route(order) is None


def test_the_handler_of_the_topic_is_the_one_the_flow_table_names():
    assert outbox.topics()["route"].handler == f"{decide.__name__}.handle_route"
    assert outbox.topics()["shortage"].handler == f"{decide.__name__}.handle_shortage"
