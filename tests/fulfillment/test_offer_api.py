"""A store's own system takes work that is open to several, as its people do on their pages."""

import json

import pytest

from fulfillment.models import FulfillmentOrder
from routing.models import OpenOffer
from tests.cast import change_rules
from tests.fulfillment.stage import drain
from tests.routing import scenes

URL = "/api/v1/open-offers"


@pytest.fixture
def offered(company):
    """An order that Lyon was asked for, and that two others may take."""
    change_rules(offer_to=3, accept_minutes=15)
    order = company.place(("TEE", 2))
    drain()
    return order, list(OpenOffer.objects.select_related("location").order_by("pk"))


@pytest.fixture
def call(client, company):
    def send(code, path="", method="POST", **headers):
        key = company.web_key if code is None else company.location_key(code)
        headers = {"Authorization": f"Bearer {key}", **headers}
        body = json.dumps({}) if method == "POST" else ""
        url = f"{URL}{path}"
        return client.generic(method, url, body, content_type="application/json", headers=headers)

    return send


def test_the_first_to_claim_has_it_and_the_other_is_told(call, company, offered):
    order, (one, two) = offered
    first, second = one.location.code, two.location.code
    (row,) = call(first, method="GET").json()["results"]
    assert (row["id"], row["order"], row["units"]) == (one.pk, order.number, 2)
    assert [(line["sku"], line["quantity"]) for line in row["lines"]] == [("TEE", 2)]
    assert (row["delivery"], row["service"]) == ("ship", "standard")
    asked = FulfillmentOrder.objects.get(order=order)
    assert row["accept_by"] == asked.accept_by.isoformat().replace("+00:00", "Z")
    assert call("LYON", method="GET").json()["results"] == []
    assert call(second, f"/{one.pk}/claim").status_code == 404

    answer = call(first, f"/{one.pk}/claim")
    assert answer.status_code == 200, answer.content
    mine = answer.json()
    assert (mine["order"], mine["location"], mine["state"]) == (order.number, first, "accepted")
    assert mine["ship_to"]["name"]
    late = call(second, f"/{two.pk}/claim")
    assert (late.status_code, late.json()["code"]) == (409, "gone")
    assert "another stock point was faster" in late.json()["detail"]
    assert call(second, method="GET").json()["results"] == []

    again = call(first, f"/{one.pk}/claim")  # its answer was lost on the way
    assert (again.status_code, again.json()) == (200, mine)
    assert order.events.filter(kind="allocation.claimed").count() == 1
    scenes.check()


def test_a_claim_is_refused_where_the_units_are_gone_and_nothing_changes(call, company, offered):
    order, (one, _) = offered
    scenes.take_away(company, "TEE", one.location.code)
    refused = call(one.location.code, f"/{one.pk}/claim", **{"Idempotency-Key": "k1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_give")
    assert scenes.places(order) == {("allocated", "LYON"): 2}

    scenes.bring(company, "TEE", one.location.code, 5)
    assert call(one.location.code, f"/{one.pk}/claim", **{"Idempotency-Key": "k1"}).json()[
        "state"
    ] == "accepted"  # fmt: skip
    assert call(None, method="GET").status_code == 403
