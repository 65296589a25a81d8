"""Decisions over REST: a channel reads its own orders' only."""

from decimal import Decimal

from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, SalesChannel
from routing.models import Decision
from routing.replay import Inputs
from tests.routing import scenes
from tests.routing.scenes import refuse, route


def get(client, key, order, rest=""):
    return client.get(
        f"/api/v1/orders/{order.number}/decisions{rest}",
        headers={"Authorization": f"Bearer {key}"},
    )


def test_a_channel_reads_why_its_order_went_where_it_did(client, company):
    scenes.queue_when_short(company)
    order = company.place(("BAG", 8), ("SOLD", 1))
    route(order)
    (body,) = get(client, company.web_key, order).json()
    assert body["outcome"] == "partial"
    assert body["rule_set"] == "Standard v1"
    assert [(p["location"], p["items"][0]["units"]) for p in body["parcels"]] == [
        ("LYON", 5), ("PARIS", 3),
    ]  # fmt: skip
    assert body["waiting"] == [
        {"line": 2, "sku": "SOLD", "units": 1, "why": "no point has it free"}
    ]
    assert {row["location"] for row in body["candidates"]} == {"WH", "LYON", "PARIS", "RIGA"}


def test_the_terms_of_a_parcel_add_up_to_its_total(client, company):
    order = company.place(("TEE", 2))
    route(order)
    (body,) = get(client, company.web_key, order).json()
    for parcel in body["parcels"]:
        assert sum(map(Decimal, parcel["terms"].values())) == Decimal(parcel["total"])


def test_the_newest_decision_comes_first(client, company):
    order = company.place(("TEE", 1))
    route(order)
    refuse(order, "LYON")
    assert [row["cause"] for row in get(client, company.web_key, order).json()] == [
        "refused", "received",
    ]  # fmt: skip


def test_one_decision_comes_with_all_that_the_engine_saw(client, company):
    order = company.place(("TEE", 1))
    decision = route(order)
    body = get(client, company.web_key, order, f"/{decision.pk}").json()
    assert Inputs.from_json(body["inputs"]).route().plan.parcels[0].code == "LYON"


def test_a_decision_of_another_order_is_not_found_under_this_one(client, company):
    one, other = company.place(("TEE", 1)), company.place(("TEE", 1))
    decision = route(other)
    assert get(client, company.web_key, one, f"/{decision.pk}").status_code == 404


def test_another_channels_order_is_not_found(client, company):
    order = company.place(("TEE", 1))
    route(order)
    app = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    _, key = ApiKey.objects.create_key(name="app", channel=app, scopes=CHANNEL_SCOPES)
    assert get(client, key, order).status_code == 404


def test_a_stock_points_key_reads_no_decisions(client, company):
    order = company.place(("TEE", 1))
    assert get(client, company.location_key("LYON"), order).status_code == 403


def test_an_order_that_no_rules_covered_says_so(client, company):
    company.rules.state = "archived"
    company.rules.save()
    order = company.place(("TEE", 1))
    route(order)
    (body,) = get(client, company.web_key, order).json()
    assert body["sentence"] == "No rule set covers channel web."
    assert body["waiting"][0]["why"] == "no rule set covers channel web"
    assert Decision.objects.get().cost is None
