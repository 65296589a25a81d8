"""What a cart is promised before it is an order, and what becomes of it when it is one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Location
from orders import promise_tokens, services
from orders.models import DeliveryService, Order, SalesChannel
from routing import defaults, house
from routing.models import Rule, ServiceEmission, TariffBand
from tests.cast import payload, rules_open
from tests.orders.door import problem, read, rows, send
from tests.orders.supply import backordering, supply
from tests.routing.scenes import bring, prefer_central, take_away

URL = "/api/v1/promises"
LYON = {"country": "FR", "postcode": "69001", "city": "Lyon"}
MONDAY = datetime(2026, 9, 7, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    house.forget()
    yield
    house.forget()


@pytest.fixture
def express(company):
    """A dearer service that is a day faster beyond 300 km, and an electric van nearby."""
    factors = defaults.seed_factors()
    DeliveryService.objects.update(serves=["standard"])
    for place, (code, serves, transit, price, factor) in enumerate([
        ("fast", ["express"], [[1000, 1], [None, 3]], "20.00", "van"),
        ("evan", ["standard"], [[60, 1]], "8.00", "electric-van"),
    ], 200):  # fmt: skip
        service = DeliveryService.objects.create(
            code=code, name=code.title(), serves=serves, transit=transit, position=place
        )
        TariffBand.objects.create(service=service, max_km=3000, max_g=30000, price=price)
        ServiceEmission.objects.create(
            service=service, last_mile=factors[factor], linehaul=factors[factor]
        )
    services.forget()
    house.forget()
    yield
    services.forget()


def ask(client, company, *items, to=None, **more):
    body = {
        "items": [{"sku": sku, "quantity": units} for sku, units in items],
        "destination": to or LYON, **more,
    }  # fmt: skip
    return send(client, company, body, url=URL)


def options(client, company, *items, **more):
    answer = ask(client, company, *items, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()["options"]


def only(found, **like):
    (one,) = [o for o in found if all(o[name] == value for name, value in like.items())]
    return one


def sources(option):
    return [(p["location"], [(i["sku"], i["quantity"]) for i in p["items"]])
            for p in option["parcels"]]  # fmt: skip


def order(*items, token, **more):
    return payload(*items) | {"promise": {"token": token}} | more


# --- before the order -----------------------------------------------------------------------------


def test_each_way_to_the_customer_has_days_cost_co2_and_places(client, company, express):
    with time_machine.travel(MONDAY, tick=False):
        found = options(client, company, ("TEE", 1), ("BAG", 1))
    parcel = only(found, method="ship", service="standard", plan="cheapest")
    assert sources(parcel) == [("LYON", [("TEE", 1), ("BAG", 1)])]
    assert parcel["parcels"][0]["carrier"]["code"] == "parcel"
    assert (parcel["earliest"], parcel["latest"]) == ("2026-09-08", "2026-09-08")
    assert parcel["promised_at"] == "2026-09-08T20:00:00+02:00"
    assert parcel["complete"]
    assert parcel["cost"] == {"shipping": "5.00", "handling": "3.60", "total": "8.60",
                              "currency": "EUR", "internal": True}  # fmt: skip
    assert only(found, method="ship", service="express")["cost"]["shipping"] == "20.00"
    outside = LYON | {"latitude": 45.5, "longitude": 4.84}
    found = options(client, company, ("TEE", 1), ("BAG", 1), to=outside)
    green = only(found, method="ship", plan="greenest", service="standard")
    assert green["parcels"][0]["carrier"]["code"] == "evan"
    cheapest = only(found, method="ship", plan="cheapest", service="standard")
    assert green["kg_co2e"] < cheapest["kg_co2e"]
    assert Decimal(green["cost"]["total"]) > Decimal(cheapest["cost"]["total"])


def test_pick_up_is_offered_by_distance_where_everything_lies_ready(client, company):
    with time_machine.travel(MONDAY, tick=False):
        found = options(client, company, ("TEE", 2), ("BAG", 1))
        take_away(company, "BAG", "PARIS", leave=0)
        fewer = options(client, company, ("TEE", 2), ("BAG", 1))
    stores = [one for one in found if one["method"] == "pickup"]
    assert [one["store"]["code"] for one in stores] == ["LYON", "PARIS"]
    assert stores[0]["store"]["km"] < 10
    assert stores[0]["ready_today"]
    assert stores[0]["promised_at"] == "2026-09-07T20:00:00+02:00"
    assert stores[0]["kg_co2e"] == 0
    assert only(fewer, method="pickup")["store"]["code"] == "LYON"


def test_a_store_that_has_closed_has_it_ready_on_its_next_day_until_it_closes(client, company):
    week = {day: [["09:00", "18:30"]] for day in ("mon", "tue", "wed")}
    Location.objects.filter(code="LYON").update(opening_hours=week)
    with time_machine.travel(MONDAY.replace(hour=17), tick=False):  # 19:00 there
        found = options(client, company, ("TEE", 1))
    store = only(found, method="pickup", store=found_store(found, "LYON"))
    assert not store["ready_today"]
    assert store["promised_at"] == "2026-09-08T18:30:00+02:00"


def found_store(found, code):
    return next(o["store"] for o in found if o["store"] and o["store"]["code"] == code)


def test_it_can_be_sent_to_a_store_that_does_not_have_it(client, company):
    take_away(company, "MUG", "LYON", leave=0)
    found = options(client, company, ("MUG", 1))
    to = [one for one in found if one["method"] == "ship_to_store"]
    assert [one["store"]["code"] for one in to] == ["LYON", "PARIS"]
    assert sources(to[0])[0][0] != "LYON"
    assert [o["store"]["code"] for o in found if o["method"] == "pickup"] == ["PARIS"]


def test_what_is_short_is_named_with_the_day_on_which_supply_brings_it(client, company):
    row = supply(backordering(company), 5)
    found = options(client, company, ("TEE", 1), ("SOLD", 2))
    parcel = only(found, method="ship", service="standard", plan="cheapest")
    assert not parcel["complete"]
    (missing,) = parcel["missing"]
    assert (missing["sku"], missing["quantity"], missing["supply"]) == ("SOLD", 2, "PO-1")
    assert parcel["promised_at"] == missing["expected_at"]
    assert parcel["earliest"] < str(row.eta) < parcel["latest"]
    assert parcel["token"]
    SalesChannel.objects.update(on_shortage="refuse")
    alone = only(options(client, company, ("TEE", 1), ("SOLD", 2)), method="ship",
                 service="standard", plan="cheapest")  # fmt: skip
    assert (alone["missing"][0]["expected_at"], alone["promised_at"], alone["token"]) == (
        None, None, None)  # fmt: skip


def test_the_rules_of_the_channel_choose_the_places(client, company):
    def place():
        house.forget()
        (found,) = {sources(o)[0][0] for o in options(client, company, ("TEE", 1))
                    if o["method"] == "ship" and o["service"] == "standard"
                    and o["plan"] == "cheapest"}  # fmt: skip
        return found

    assert place() == "LYON"
    with rules_open():
        Rule.objects.update(deliveries=["pickup"], position=2)
        rule = Rule.objects.create(rule_set=company.rules, position=1, kinds=["warehouse"])
    assert place() == "WH"
    with rules_open():
        rule.never.set([company.locations["WH"]])
    assert place() == "RIGA"


def test_a_full_day_sends_it_from_elsewhere(client, company):
    Location.objects.filter(code="LYON").update(capacity_per_day=0)
    found = options(client, company, ("TEE", 1))
    assert sources(only(found, method="ship", service="standard", plan="cheapest"))[0][0] != "LYON"


def test_asking_writes_nothing_and_takes_three_statements_of_its_own(client, company):
    ask(client, company, ("TEE", 1))
    before = rows()
    with CaptureQueriesContext(connection) as seen:
        ask(client, company, ("TEE", 1), ("MUG", 2), ("BAG", 9), ("CAP", 1))
    assert rows() == before
    mine = [q["sql"] for q in seen if "orders_apikey" not in q["sql"]]
    assert len(mine) <= 3, mine


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": [{"sku": "NOPE", "quantity": 1}]}, "/items/0/sku"),
        ({"items": [{"sku": "TEE", "quantity": 0}]}, "/items/0/quantity"),
        ({"items": [{"sku": "TEE", "quantity": 1}] * 2}, "/items"),
        ({"destination": {"country": "XX"}}, "/destination/country"),
        ({"currency": "USD"}, "/currency"),
        ({"basket": "x"}, "/basket"),
        ({"cart": 1}, "/cart"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(client, company, body, pointer):
    cart = {"items": [{"sku": "TEE", "quantity": 1}], "destination": {"country": "FR"}}
    problem(send(client, company, cart | body, url=URL), 400, None, pointer)


# --- at the order ---------------------------------------------------------------------------------


def test_the_order_is_held_to_the_day_and_the_places_of_the_cart(client, company):
    prefer_central()  # the warehouse it is, though Lyon is nearer
    chosen = only(options(client, company, ("TEE", 1)), method="ship", service="standard",
                  plan="cheapest")  # fmt: skip
    assert sources(chosen)[0][0] == "WH"
    answer = send(client, company, order(("TEE", 1), token=chosen["token"])).json()
    assert answer["promise"][0]["location"] == "WH"
    assert datetime.fromisoformat(answer["promised_at"]) == datetime.fromisoformat(
        chosen["promised_at"]
    )
    row = read(client, company, f"/api/v1/orders/{answer['number']}").json()
    assert row["promise"]["state"] == "kept"
    assert row["findings"] == []


def test_a_pick_up_of_the_cart_is_promised_until_the_store_closes(client, company):
    chosen = next(o for o in options(client, company, ("TEE", 1)) if o["method"] == "pickup")
    assert chosen["store"]["code"] == "LYON"
    delivery = {"method": "pickup", "location": "LYON", "service": "standard"}
    answer = send(client, company, order(("TEE", 1), token=chosen["token"], delivery=delivery))
    assert answer.json()["promised_at"] == _utc(chosen["promised_at"])


def _utc(text):
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def test_when_the_stock_of_the_cart_is_gone_the_promise_moves_and_the_order_says_so(
    client, company
):
    token = only(options(client, company, ("TEE", 1)), method="ship", service="standard",
                 plan="cheapest")["token"]  # fmt: skip
    for place in ("LYON", "PARIS", "WH"):
        take_away(company, "TEE", place)
    answer = send(client, company, order(("TEE", 1), token=token)).json()
    assert answer["promise"][0]["location"] == "RIGA"
    (found,) = Order.objects.get().findings
    assert (found["pointer"], found["code"]) == ("/promise/token", "promise_moved")
    assert "was promised in the cart" in found["words"]
    (event,) = Order.objects.get().events.filter(kind="order.received")
    assert event.data["cart_promised_at"] < event.data["promised_at"]


def test_the_same_order_again_is_the_same_though_its_token_is_old(client, company):
    chosen = only(options(client, company, ("TEE", 1)), method="ship", service="standard",
                  plan="cheapest")  # fmt: skip
    data = order(("TEE", 1), token=chosen["token"])
    first = send(client, company, data)
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        again = send(client, company, data)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_what_leaves_together_is_promised_and_taken_in_one_parcel(client, company):
    for place in ("LYON", "WH", "RIGA"):
        take_away(company, "TEE", place)  # PARIS has the last of them
    take_away(company, "MUG", "PARIS")
    goods = [("TEE", 1), ("MUG", 1)]
    split = only(options(client, company, *goods), method="ship", service="standard",
                 plan="cheapest")  # fmt: skip
    assert len(split["parcels"]) == 2
    whole = options(client, company, *goods, ship_together=True)
    assert not [option for option in whole if option["method"] == "ship"]
    boxed = order(*goods, token=split["token"])
    for line in boxed["line_items"]:
        line["together"] = "box"
    for data in (order(*goods, token=split["token"], ship_together=True), boxed):
        body = problem(send(client, company, data), 400, "invalid", "/promise/token")
        assert body["errors"][0]["code"] == "several_parcels"
    bring(company, "MUG", "PARIS", 1)
    one = only(options(client, company, *goods, ship_together=True), method="ship",
               service="standard", plan="cheapest")  # fmt: skip
    assert [place for place, _ in sources(one)] == ["PARIS"]
    data = order(*goods, token=one["token"], ship_together=True)
    assert send(client, company, data).status_code == 201
    apart = order(*goods, token=split["token"])
    assert send(client, company, apart).status_code == 201


@pytest.mark.parametrize(
    ("case", "code"),
    [("old", "promise_expired"), ("forged", "promise_unknown"), ("channel", "other_channel"),
     ("basket", "other_basket"), ("goods", "other_goods"), ("service", "other_delivery"),
     ("place", "other_destination")],
)  # fmt: skip
def test_a_token_that_holds_for_nothing_is_refused_with_what_to_do(client, company, case, code):
    until = timezone.now() + timedelta(days=3)
    place = company.locations["LYON"].pk
    made = promise_tokens.Promised(
        channel=company.web.pk + (case == "channel"), method="ship", location=None,
        service="express" if case == "service" else "standard", until=until,
        units={"TEE": 2 if case == "goods" else 1}, parcels=((place, (("TEE", 1),)),),
        country="FR", postcode="75001" if case == "place" else "69 001",
        basket="0191a1a0-0000-7000-8000-000000000000" if case == "basket" else None,
    )  # fmt: skip
    token = promise_tokens.sign(made) + ("x" if case == "forged" else "")
    with time_machine.travel(timezone.now() + timedelta(minutes=31 if case == "old" else 29)):
        body = problem(
            send(client, company, order(("TEE", 1), token=token)), 400, "invalid", "/promise/token"
        )
    assert body["errors"][0]["code"] == code
    assert "ask POST /api/v1/promises again" in body["errors"][0]["detail"]
    assert not Order.objects.exists()


# --- days of the services -------------------------------------------------------------------------


def test_an_express_order_is_promised_by_the_fastest_service_that_serves_it(company, express):
    far = {"shipping_address": {**payload()["shipping_address"], "city": "Lille",
                                "postcode": "59000"}}  # fmt: skip
    slow = company.place(("BAG", 1), **far)
    take_away(company, "BAG", "PARIS")
    with time_machine.travel(MONDAY, tick=False):
        days = [
            company.place(("BAG", 1), **far, placed_at=MONDAY.isoformat(),
                          delivery={"method": "ship", "location": None, "service": speed})
            .promised_at.date().day
            for speed in ("standard", "express")
        ]  # fmt: skip
    assert slow.promised_at
    assert days == [9, 8]  # from Lyon, 560 km: two days, or one


def test_services_are_read_once_for_many_orders_and_without_any_the_table_counts(company):
    services.forget()
    with CaptureQueriesContext(connection) as seen:
        assert [services.transit_days(km) for km in (10, 310, 2400, 9000)] == [1, 2, 4, 7]
        assert services.transit_days(9000, services.COUNTER) == 0
    assert len(seen) == 1
    DeliveryService.objects.update(transit=[[100, 3]])
    services.forget()
    assert [services.transit_days(km) for km in (100, 101)] == [3, 1]  # nobody goes 101 km
    DeliveryService.objects.update(active=False)
    services.forget()
    assert services.transit_days(310) == 2
    services.forget()
