"""Destinations of one order, and what leaves together, are decided each by itself."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment import work as buttons
from fulfillment.models import FulfillmentOrder
from inventory import ledger
from orders import cancellation
from orders.models import Allocation
from routing import cards, queues
from routing.models import Decision, Offer, Rule
from routing.replay import replay
from tests.cast import change_rules, payload, rules_open
from tests.routing.scenes import (
    all_due,
    bring,
    check,
    claimed,
    places,
    prefer_central,
    queue_when_short,
    refuse,
    route,
    take_away,
    waiting,
    work,
)

PARIS = {
    "key": "paris", "method": "ship",
    "address": {"name": "Bo", "line1": "1 rue de Rivoli", "city": "Paris", "postcode": "75001",
                "country": "FR"},
}  # fmt: skip
AT_LYON = {"key": "lyon", "method": "pickup", "location": "LYON"}
TO_STORE = {"method": "ship_to_store", "location": "LYON", "service": "standard"}


def lines(*items, **marks):
    """Line items of an order; marks name the field and its value per line, None: left out."""
    found = payload(*items)["line_items"]
    for name, values in marks.items():
        for line, value in zip(found, values, strict=True):
            if value is not None:
                line[name] = value
    return found


def ordered(company, *items, delivery=None, together=None, **changes):
    """An order whose lines go to these groups and leave in these boxes."""
    marks = {"delivery": delivery, "together": together}
    found = lines(*items, **{name: values for name, values in marks.items() if values})
    return company.place(*items, line_items=found, **changes)


def by_line(order):
    """Where the units of each line are: {position: {stock point: units}}."""
    found = {}
    for piece in order.allocations.select_related("location", "line"):
        spot = found.setdefault(piece.line.position, {})
        code = piece.location.code if piece.state != "queued" else piece.queue
        spot[code] = spot.get(code, 0) + piece.quantity
    return found


def test_each_destination_follows_the_rules_for_where_and_how_it_goes(company):
    with rules_open():
        Rule.objects.update(position=9)
        rule = Rule.objects.create(rule_set=company.rules, position=1, name="To Belgium",
                                   countries=["be"], deliveries=["ship"])  # fmt: skip
        rule.only.set([company.locations["WH"]])
    brussels = {"key": "be", "method": "ship", "address": {
        "name": "Bo", "line1": "1 Grand-Place", "city": "Brussels", "postcode": "1000",
        "country": "BE"}}  # fmt: skip
    order = ordered(
        company, ("TEE", 1), ("MUG", 1), delivery=[None, "be"], deliveries=[brussels]
    )  # fmt: skip
    route(order)
    rules = Decision.objects.order_by("pk").values_list("rule__name", flat=True)
    assert list(rules) == ["All orders", "To Belgium"]
    assert places(order) == {("allocated", "LYON"): 1, ("allocated", "WH"): 1}


def test_each_destination_is_decided_by_itself_and_asked_of_its_own_stock_point(company):
    order = ordered(
        company, ("BAG", 1), ("BAG", 1), ("TEE", 1), delivery=[None, "paris", "lyon"],
        deliveries=[PARIS, AT_LYON],
    )  # fmt: skip
    route(order)
    work("work")

    assert by_line(order) == {1: {"LYON": 1}, 2: {"PARIS": 1}, 3: {"LYON": 1}}
    assert Decision.objects.filter(order=order).count() == 3
    rows = FulfillmentOrder.objects.filter(order=order).select_related("group", "location")
    asked = {(row.location.code, row.group and row.group.key, row.is_pickup) for row in rows}
    assert asked == {("LYON", None, False), ("PARIS", "paris", False), ("LYON", "lyon", True)}
    for row in rows:  # each knows why it was asked: the decision about its own lines
        made = Decision.objects.get(pk=row.decision_id)
        assert row.why == made.sentence
        line = row.lines.get().allocation.line_id
        assert [sent["key"] for sent in _columns(made.inputs["lines"])] == [line]
    shown = {cards.card(made).to for made in Decision.objects.filter(order=order)}
    assert shown == {"the order's own destination", "ship to address Paris",
                     "pick up in store Lyon store (LYON)"}  # fmt: skip
    taken = Offer.objects.filter(order=order).order_by("location__code", "delivery")
    assert list(taken.values_list("location__code", "delivery")) == [
        ("LYON", "pickup"), ("LYON", "ship"), ("PARIS", "ship")]  # fmt: skip
    check()


def _columns(table):
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_an_ordinary_order_costs_no_more_statements_than_before(company):
    order = company.place(("TEE", 1), ("MUG", 2), ("BAG", 1))
    with CaptureQueriesContext(connection) as seen:
        route(order)
    said = [q["sql"] for q in seen.captured_queries]
    assert len([sql for sql in said if "SAVEPOINT" not in sql]) == 6, said


def test_the_refusal_of_a_pick_up_asks_its_customer_and_leaves_other_destinations_alone(company):
    order = ordered(
        company, ("TEE", 1), ("TEE", 1), delivery=[None, "lyon"], deliveries=[AT_LYON]
    )  # fmt: skip
    prefer_central()
    route(order)
    assert by_line(order) == {1: {"WH": 1}, 2: {"LYON": 1}}

    assert refuse(order, "LYON") is None
    assert by_line(order) == {1: {"WH": 1}, 2: {"pickup_refused": 1}}
    refuse(order, "WH")
    assert by_line(order)[2] == {"pickup_refused": 1}
    assert set(by_line(order)[1]) < {"LYON", "PARIS", "RIGA"}
    check()


def test_what_leaves_together_leaves_one_place_though_two_would_be_cheaper(company):
    change_rules(split_penalty=0)
    take_away(company, "TEE", "LYON")
    apart = company.place(("TEE", 1), ("BAG", 1), ("CAP", 1))
    order = ordered(company, ("TEE", 1), ("BAG", 1), ("MUG", 1), together=["set", "set", None])
    prefer_central()
    route(order)
    found = by_line(order)
    assert found[1] == found[2] == {"PARIS": 1}  # bags are in the stores only
    assert found[3] == {"WH": 1}
    route(apart)
    assert len(by_line(apart)) == 3
    for made in Decision.objects.filter(order=order):
        assert replay(made) == made.result
    assert {cards.card(made).is_whole for made in Decision.objects.filter(order=order)} == {
        True, False}  # fmt: skip
    check()


def test_one_parcel_or_not_at_all_until_that_is_possible(company):
    queue_when_short(company)
    take_away(company, "TEE", "LYON")
    take_away(company, "TEE", "PARIS")
    order = company.place(("TEE", 1), ("BAG", 1), ship_together=True)
    made = route(order)
    assert made.outcome == "unfillable"
    assert "leave together" in made.sentence
    assert by_line(order) == {1: {"unfillable": 1}, 2: {"unfillable": 1}}
    assert sum(claimed(order).values()) == 2  # what it has it keeps

    bring(company, "TEE", "PARIS", 5)
    all_due()
    queues.retry_due()
    work("route")
    assert by_line(order) == {1: {"PARIS": 1}, 2: {"PARIS": 1}}
    check()


def test_when_one_unit_is_refused_what_leaves_with_it_goes_along(company):
    take_away(company, "BAG", "PARIS", leave=1)
    order = company.place(("TEE", 1), ("BAG", 1), ship_together=True)
    route(order)
    assert by_line(order) == {1: {"LYON": 1}, 2: {"LYON": 1}}
    work("work")
    row = FulfillmentOrder.objects.get(order=order)
    buttons.accept(fulfillment_order_id=row.pk, actor="lea")
    bag = row.lines.get(allocation__line__sku="BAG")
    buttons.refuse(fulfillment_order_id=row.pk, reason="not_found", actor="lea", keep={bag.pk: 0})

    assert by_line(order) == {1: {"PARIS": 1}, 2: {"PARIS": 1}}
    row.refresh_from_db()
    assert row.state == "refused"
    work("work")
    assert FulfillmentOrder.objects.filter(order=order, state="new").count() == 1
    refused = Allocation.objects.filter(order=order, line__refusals__isnull=False)
    assert {piece.line.sku for piece in refused} == {"BAG"}  # the shirt was not refused
    check()


def test_a_claim_that_is_lost_calls_back_what_it_leaves_with_unless_it_is_in_hand(company):
    order = company.place(("TEE", 1), ("BAG", 1), ship_together=True)
    route(order)
    assert by_line(order) == {1: {"LYON": 1}, 2: {"LYON": 1}}
    work("work")
    _fall_short(company, order, "BAG", "LYON")
    assert by_line(order) == {1: {"PARIS": 1}, 2: {"PARIS": 1}}
    work("work")
    states = FulfillmentOrder.objects.filter(order=order).order_by("id")
    assert list(states.values_list("location__code", "state")) == [
        ("LYON", "canceled"), ("PARIS", "new")]  # fmt: skip

    row = FulfillmentOrder.objects.get(order=order, state="new")
    buttons.accept(fulfillment_order_id=row.pk, actor="lea")
    bring(company, "BAG", "LYON", 5)
    _fall_short(company, order, "BAG", "PARIS")
    assert by_line(order) == {1: {"PARIS": 1}, 2: {"LYON": 1}}  # who took it on finishes
    check()


def _fall_short(company, order, sku, place):
    """A count finds nothing of it there."""
    spot = company.locations[place]
    row = spot.stock.get(product=company.products[sku])
    ledger.post(
        [ledger.Entry(row.product_id, spot.pk, "adjustment", on_hand=-row.on_hand)], actor="test"
    )
    work("shortage", "route")


def test_a_set_waits_for_its_unit_that_waits_for_supply(company):
    queue_when_short(company)
    order = ordered(company, ("TEE", 1), ("SOLD", 1), ("MUG", 1), together=["set", "set", None])
    Allocation.objects.filter(order=order, line__sku="SOLD").update(queue="backorder")
    route(order)
    assert by_line(order)[1] == {"unfillable": 1}
    assert waiting(order)[0][1] == "leaves together with units that wait for supply"
    assert by_line(order)[3].keys() <= {"LYON", "WH"}
    assert places(order)["queued", "LYON"] + places(order)["queued", "WH"] == 1  # its claim stays

    company.web.cancel_unfillable_days = 1
    company.web.save()
    a_week = timezone.now() + timedelta(days=7)
    assert cancellation.cancel_unfillable(a_week)["units"] == 0  # it is not given up meanwhile

    bring(company, "SOLD", "LYON", 1)
    Allocation.objects.filter(order=order, line__sku="SOLD").update(queue="routing")
    route(order, cause="retry")
    assert by_line(order)[1] == by_line(order)[2] == {"LYON": 1}


@pytest.mark.parametrize("own_shelf", [True, False])
def test_an_order_to_a_store_is_sent_there_or_taken_from_its_own_shelf(company, own_shelf):
    if not own_shelf:
        take_away(company, "TEE", "LYON")
    order = company.place(("TEE", 1), delivery=TO_STORE)
    made = route(order)
    work("work")
    row = FulfillmentOrder.objects.get(order=order)
    assert (row.location.code == "LYON") is own_shelf
    assert row.is_pickup is own_shelf
    assert row.delivery == ("pickup" if own_shelf else "ship_to_store")
    store = company.locations["LYON"]
    assert made.inputs["destination"]["lat"] == store.lat
    check()
