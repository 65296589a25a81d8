"""The API describes itself, completely and without a warning."""

import json
import re

import pytest
from django.core.management import call_command

from orders.api.finding import OrderFilter
from tests.orders.door import quickly


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file",
        str(path),
    )  # fmt: skip
    return json.loads(path.read_text())


def test_the_document_is_valid_and_nothing_in_it_was_guessed(document):
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_every_door_is_in_the_document(document):
    paths = {path.removeprefix("/api/v1/") for path in document["paths"]}
    assert {
        "orders", "orders/{reference}", "orders/{reference}/cancel", "orders/{reference}/timeline",
        "orders/{reference}/decisions", "availability", "fulfillment-orders",
        "fulfillment-orders/{id}/ship", "open-offers/{id}/claim", "runs/{id}/stop", "unfillable",
        "returns", "returns/{reference}/refund",
        "shopify/{channel_code}/orders-create",
    } <= paths  # fmt: skip


def test_lists_tell_their_filters_and_how_to_page(document):
    given = document["paths"]["/api/v1/orders"]["get"]["parameters"]
    asked = {parameter["name"]: parameter for parameter in given}
    assert asked.keys() == {*OrderFilter.base_filters, "cursor", "limit", "fields", "include"}
    assert "contact" in asked["include"]["schema"]["items"]["enum"]
    assert asked["fields"]["explode"] is False


def test_every_operation_says_how_it_is_refused(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            refused = {"400", "401", "403", "404", "429", "503"}
            if method != "get":
                refused |= {"409", "413", "415", "422"}
            assert refused <= operation["responses"].keys(), (path, method)


def test_the_order_tells_its_limits(document):
    order = document["components"]["schemas"]["OrderPayloadRequest"]
    assert set(order["required"]) == {"external_id", "currency", "line_items", "total"}
    line = document["components"]["schemas"]["LinePayloadRequest"]["properties"]
    assert (line["quantity"]["minimum"], line["quantity"]["maximum"]) == (1, 10_000)


def test_it_is_served_without_a_key(client, document):
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert set(answer.json()["paths"]) == set(document["paths"])


STRANGE = [
    "%00",
    "x%00",
    "%E2%80%AE",
    "%ff",
    "M" + "9" * 30,
    "9" * 30,
    "0",
    "a%2Fb",
    "..%2F",
    "x" * 3000,
]
BODIES = [b"", b"null", b"[]", b"{}", b'"x"', b"{", b'{"lines": [' + b"{}," * 90_000 + b"{}]}"]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda text: text[:12])
def test_no_door_breaks_on_a_strange_reference_or_body(client, company, document, strange):
    for key in (company.web_key, company.location_key("LYON")):
        headers = {"Authorization": f"Bearer {key}", "X-Shopify-Hmac-Sha256": "x"}
        for path, methods in document["paths"].items():
            url = re.sub(r"\{\w+\}", strange, path)
            for method in methods.keys() & {"get", "post", "put", "patch", "delete"}:
                for body in BODIES if strange == "0" else BODIES[:1]:
                    answer = client.generic(
                        method.upper(), url, body, content_type="application/json", headers=headers
                    )
                    assert answer.status_code < 500, (method, url, answer.content[:300])


def test_long_lists_are_refused_quickly_and_shortly_at_every_door(client, company, document):
    client.get("/livez")
    for key in (company.web_key, company.location_key("LYON")):
        headers = {"Authorization": f"Bearer {key}"}
        for path, methods in document["paths"].items():
            if "post" in methods:
                with quickly():
                    answer = client.generic(
                        "POST", re.sub(r"\{\w+\}", "1", path), BODIES[-1],
                        content_type="application/json", headers=headers,
                    )  # fmt: skip
                assert len(answer.content) < 100_000
