import base64
import hashlib
import hmac
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.connectors.base import CannotMap
from orders.connectors.shopify_webhook import order_from_webhook, verify
from tests.orders.connectors.samples import (
    WEBHOOKS,
    assert_adds_up,
    assert_taken,
    changed,
    told,
    webhook,
)

SIMPLE, USD, JPY = (
    "order_simple_eur.json", "order_discounts_usd.json", "order_presentment_jpy.json"
)  # fmt: skip
PICKUP, EDITED, UNMAPPABLE = (
    "order_pickup.json", "order_edited_with_tip.json", "order_unmappable.json"
)  # fmt: skip


def problems_of(document: object) -> list[tuple[str, str]]:
    with pytest.raises(CannotMap) as refusal:
        order_from_webhook(document)
    return told(refusal.value)


# --- the samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in WEBHOOKS if name != UNMAPPABLE])
def test_every_sample_becomes_a_payload_that_adds_up(name):
    assert_adds_up(order_from_webhook(webhook(name)))


@pytest.mark.parametrize("name", [name for name in WEBHOOKS if name != UNMAPPABLE])
def test_every_sample_passes_the_checks_of_the_api(name):
    assert_taken(order_from_webhook(webhook(name)))


def test_a_plain_order_is_mapped_field_by_field():
    payload = order_from_webhook(webhook(SIMPLE))
    address = {
        "name": "Camille Moreau", "line1": "12 rue des Lilas", "line2": "", "city": "Lyon",
        "region": "69", "postcode": "69003", "country": "FR", "phone": "+33 1 99 00 12 34",
    }  # fmt: skip
    metadata = payload.pop("metadata")
    assert payload == {
        "external_id": "6200407294252",
        "placed_at": "2026-11-16T18:42:10+01:00",
        "currency": "EUR",
        "test": False,
        "tax_included": True,
        "customer": {"email": "camille.moreau@example.com", "name": "Camille Moreau", "phone": ""},
        "shipping_address": {**address, "latitude": 45.7597, "longitude": 4.8563},
        "billing_address": address,
        "delivery": {"method": "ship", "location": None, "service": "standard"},
        "line_items": [
            {
                "external_id": "15518907892012",
                "sku": "TEE-0001-BLK-M",
                "name": "Classic Tee - Black / M",
                "quantity": 1,
                "unit_price": "29.90",
                "discount": "0.00",
                "tax": "4.98",
            }
        ],
        "discount_total": "0.00",
        "shipping_total": "4.90",
        "shipping_tax": "0.82",
        "tax_total": "5.80",
        "total": "34.80",
        "payments": [
            {
                "reference": "shopify-6200407294252",
                "method": "shopify_payments",
                "amount": "34.80",
                "state": "captured",
            }
        ],
        "tags": ["web", "first-order"],
        "note": "",
        "changed_at": "2026-11-16T18:42:10+01:00",
    }
    assert metadata["name"] == "#1071"
    assert metadata["payment_gateways"] == ["shopify_payments"]


def test_discounts_are_shopifys_own_shares_and_shipping_is_after_its_discount():
    payload = order_from_webhook(webhook(USD))
    assert [line["discount"] for line in payload["line_items"]] == ["32.35", "11.70", "6.52"]
    assert [line["tax"] for line in payload["line_items"]] == ["9.92", "5.63", "3.14"]
    assert payload["discount_total"] == "50.57"
    assert payload["shipping_total"] == "0.00"
    assert payload["total"] == "238.62"
    assert payload["tax_included"] is False
    assert payload["payments"][0]["state"] == "authorized"
    assert payload["delivery"]["service"] == "express"
    assert payload["tags"] == ["vip", "gift"]
    assert payload["note"] == "Leave with the doorman.\nRing twice."
    assert payload["shipping_address"]["name"] == "Jordan Reyes, Reyes Studio"
    metadata = payload["metadata"]
    assert metadata["discount_codes"] == ["AUTUMN15", "FREESHIP"]
    assert metadata["note_attributes"]["delivery-date"] == "2026-11-20"
    assert metadata["line_properties"] == {
        "15518907901002": {"Gift wrap": "yes", "Card": "Happy birthday, Mom!"}
    }


def test_an_order_paid_in_yen_is_taken_in_the_shops_euros_with_its_cent_of_rounding():
    payload = order_from_webhook(webhook(JPY))
    assert payload["currency"] == "EUR"
    assert payload["metadata"]["presentment_currency"] == "JPY"
    assert [line["unit_price"] for line in payload["line_items"]] == ["89.33", "119.17"]
    assert (payload["total"], payload["shipping_total"]) == ("232.99", "24.49")
    assert payload["metadata"]["rounding"] == "0.01"
    assert payload["shipping_address"]["city"] == "渋谷区"


def test_the_same_cent_in_one_currency_is_a_problem():
    assert problems_of(changed(JPY, presentment_currency="EUR"))[0][0] == "total_price"


def test_all_that_cannot_be_mapped_is_named_at_once():
    assert problems_of(webhook(UNMAPPABLE)) == [
        ("line_items[1].sku", "is empty: a custom line cannot be found in the catalog without it"),
        ("line_items[2].sku", "is empty: this item cannot be found in the catalog without it"),
        ("shipping_address.country", "is missing"),
    ]


def test_pickup_is_told_by_a_store_and_no_address():
    payload = order_from_webhook(webhook(PICKUP))
    assert payload["shipping_address"] is None
    expected = {"method": "pickup", "location": "Milano Duomo", "service": "standard"}
    assert payload["delivery"] == expected
    translated = order_from_webhook(webhook(PICKUP), pickup_locations={"Milano Duomo": "MI-01"})
    assert translated["delivery"]["location"] == "MI-01"


def test_a_pickup_app_says_so_in_the_attributes():
    attributes = [
        {"name": "Checkout-Method", "value": "pickup"},
        {"name": "Pickup-Location-Id", "value": "100001"},
        {"name": "Pickup-Location-Company", "value": "Lyon Store"},
    ]
    document = changed(SIMPLE, note_attributes=attributes)
    payload = order_from_webhook(document, pickup_locations={"Lyon Store": "LY-02"})
    assert payload["delivery"] == {"method": "pickup", "location": "LY-02", "service": "standard"}
    assert payload["shipping_address"] is None


def test_a_delivery_category_of_pickup_is_enough():
    document = changed(SIMPLE, shipping_lines__0__delivery_category="local_pickup")
    assert order_from_webhook(document)["delivery"]["method"] == "pickup"


def test_a_draft_order_without_an_address_is_no_pickup():
    assert problems_of(changed(PICKUP, shipping_lines__0__code="custom")) == [
        ("shipping_address", "is missing, and no pick-up location is named: nowhere to send "
         "the order to"),
    ]  # fmt: skip


def test_an_edited_order_is_taken_as_it_is_now_without_its_tip():
    payload = order_from_webhook(webhook(EDITED))
    assert payload["external_id"] == "9007199254740993001"  # a float would end in 92000
    assert [(line["sku"], line["quantity"]) for line in payload["line_items"]] == [
        ("MUG-0005", 2),
        ("TEE-0001-BLK-M", 1),
    ]
    assert [line["discount"] for line in payload["line_items"]] == ["2.90", "2.99"]
    assert payload["total"] == "64.58"  # Shopify's current 69.58 less the tip of 5.00
    assert payload["payments"][0]["amount"] == "64.58"
    assert payload["metadata"]["tip"] == "5.00"
    assert payload["metadata"]["removed"] == ["SCF-0006-RED"]


# --- quirks, one by one --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outstanding", "expected"),
    [
        ("pending", "34.80", []),
        (None, "34.80", []),
        ("authorized", "0.00", [("34.80", "authorized")]),
        ("paid", "0.00", [("34.80", "captured")]),
        ("partially_paid", "24.80", [("10.00", "captured")]),
    ],
)
def test_payments_follow_the_financial_status(status, outstanding, expected):
    document = changed(SIMPLE, financial_status=status, total_outstanding=outstanding)
    payments = order_from_webhook(document)["payments"]
    assert [(payment["amount"], payment["state"]) for payment in payments] == expected


def test_several_gateways_are_one_payment_with_all_their_names():
    document = changed(SIMPLE, payment_gateway_names=["gift_card", "shopify_payments"])
    assert order_from_webhook(document)["payments"][0]["method"] == "gift_card + shopify_payments"


def test_duties_on_top_are_a_tax_of_their_line():
    money = {"shop_money": {"amount": "7.50", "currency_code": "USD"}}
    duty = {"id": "2", "harmonized_system_code": "520300", "price_set": money, "tax_lines": []}
    document = changed(USD, line_items__0__duties=[duty], total_price="246.12")
    document["total_price_set"]["shop_money"]["amount"] = "246.12"
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert payload["line_items"][0]["tax"] == "17.42"
    assert payload["metadata"]["duties"] == "7.50"
    old = {"id": "2", **money, "tax_lines": []}  # before price_set
    assert order_from_webhook({**document, "line_items": [
        {**document["line_items"][0], "duties": [old]}, *document["line_items"][1:],
    ]}) == payload  # fmt: skip


def test_duties_included_in_the_prices_add_nothing():
    money = {"shop_money": {"amount": "7.50", "currency_code": "USD"}}
    document = changed(USD, line_items__0__duties=[{"price_set": money}], duties_included=True)
    assert order_from_webhook(document)["total"] == "238.62"


def test_a_discount_that_no_line_was_given_stays_order_wide():
    document = changed(SIMPLE, total_discounts="5.00", total_price="29.80")
    document["total_discounts_set"] = document["total_price_set"] = None
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert payload["discount_total"] == "5.00"
    assert payload["line_items"][0]["discount"] == "0.00"


def test_discounts_without_allocations_stay_order_wide_and_leave_shipping_its_own():
    document = webhook(USD)
    for line in document["line_items"]:
        line["discount_allocations"] = []
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert payload["discount_total"] == "50.57"
    assert {line["discount"] for line in payload["line_items"]} == {"0.00"}


def test_a_tax_given_only_for_the_order_is_shared_by_value_to_the_cent():
    document = webhook(USD)
    for holder in [*document["line_items"], *document["shipping_lines"]]:
        holder["tax_lines"] = []
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert payload["tax_total"] == "18.69"
    assert payload["shipping_tax"] == "0.00"
    document["line_items"][0]["taxable"] = False
    payload = order_from_webhook(document)
    assert [line["tax"] for line in payload["line_items"]] == ["0.00", "12.00", "6.69"]


def test_a_cent_of_tax_rounding_goes_to_the_line_with_the_most_tax():
    document = changed(USD, total_tax="18.70", total_price="238.63")
    document["total_tax_set"] = document["total_price_set"] = None
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert [line["tax"] for line in payload["line_items"]] == ["9.93", "5.63", "3.14"]


def test_gift_cards_with_a_sku_pass_and_are_marked():
    document = webhook(USD)
    document["line_items"][2] |= {
        "gift_card": True, "requires_shipping": False,
        "fulfillment_status": "fulfilled", "fulfillable_quantity": 0,
    }  # fmt: skip
    assert order_from_webhook(document)["metadata"]["not_shipped"] == ["15518907901003"]


def test_what_is_longer_than_an_order_takes_is_kept_in_the_metadata():
    long_tag, note = "t" * 200, "n" * 5000
    gateways = ["gift_card", "shopify_payments", "paypal", "klarna_pay_later"]
    payload = order_from_webhook(
        changed(SIMPLE, tags=f"web, {long_tag}", note=note, payment_gateway_names=gateways)
    )
    assert_taken(payload)
    assert payload["tags"] == ["web"]
    assert payload["metadata"]["more_tags"] == [long_tag]
    assert payload["metadata"]["whole_note"] == note
    assert payload["metadata"]["payment_gateways"] == gateways


def test_a_missing_customer_takes_the_name_from_the_addresses():
    document = changed(SIMPLE, customer=None, email=None, contact_email="who@example.com")
    customer = order_from_webhook(document)["customer"]
    assert customer == {"email": "who@example.com", "name": "Camille Moreau", "phone": ""}


def test_line_breaks_in_an_address_become_commas():
    document = changed(SIMPLE, shipping_address__address1="12 rue des Lilas\r\nBât. B\n")
    line1 = order_from_webhook(document)["shipping_address"]["line1"]
    assert line1 == "12 rue des Lilas, Bât. B"


@pytest.mark.parametrize(("latitude", "longitude"), [(0, 0), (None, 4.8), (91, 4.8), ("x", 4.8)])
def test_coordinates_that_are_no_place_are_left_out(latitude, longitude):
    document = changed(
        SIMPLE, shipping_address__latitude=latitude, shipping_address__longitude=longitude
    )
    assert "latitude" not in order_from_webhook(document)["shipping_address"]


def test_an_imported_order_was_placed_when_it_was_processed():
    document = changed(SIMPLE, processed_at="2025-02-03T04:05:06-05:00")
    assert order_from_webhook(document)["placed_at"] == "2025-02-03T04:05:06-05:00"
    document = changed(SIMPLE, processed_at=None)
    assert order_from_webhook(document)["placed_at"] == "2026-11-16T18:42:10+01:00"


LINE = "line_items__0__"


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"id": 6.2004072942529e15}, "id", "digits may be lost"),
        ({"id": None}, "id", "is missing"),
        ({"id": 10**5000}, "id", "is not an id"),
        ({"cancelled_at": "2026-11-17T10:00:00+01:00"}, "cancelled_at", "was canceled"),
        ({"financial_status": "refunded"}, "financial_status", "refunded in full"),
        ({"financial_status": "voided"}, "financial_status", "voided"),
        ({"financial_status": "maybe"}, "financial_status", "is none of"),
        ({"financial_status": ["paid"]}, "financial_status", "is none of"),
        ({"financial_status": "partially_refunded"}, "financial_status", "for no line"),
        ({"financial_status": "partially_paid", "total_outstanding": None},
         "total_outstanding", "is missing"),
        ({"currency": "EURO"}, "currency", "ISO 4217"),
        ({"currency": None}, "currency", "is missing"),
        ({"processed_at": "yesterday"}, "processed_at", "ISO 8601"),
        ({"processed_at": "2026-11-16T18:42:10"}, "processed_at", "no time zone"),
        ({"line_items": []}, "line_items", "no line"),
        ({"line_items": {}}, "line_items", "is not a list"),
        ({LINE + "current_quantity": 0}, "line_items", "removed or refunded"),
        ({LINE + "quantity": 0, LINE + "current_quantity": 0},
         "line_items[0].quantity", "at least 1"),
        ({LINE + "quantity": 1.5}, "line_items[0].quantity", "whole number"),
        ({LINE + "quantity": True}, "line_items[0].quantity", "whole number"),
        ({LINE + "current_quantity": 4}, "line_items[0].current_quantity", "more than the 1"),
        ({LINE + "sku": "A\x00"}, "line_items[0].sku", "NUL"),
        ({LINE + "sku": "A\ud800"}, "line_items[0].sku", "not text"),
        ({LINE + "sku": ["A"]}, "line_items[0].sku", "is not a text"),
        ({LINE + "fulfillment_status": "fulfilled"},
         "line_items[0].fulfillment_status", "send them again"),
        ({LINE + "fulfillable_quantity": 0}, "line_items[0].fulfillable_quantity", "only 0 of 1"),
        ({LINE + "requires_shipping": False}, "line_items", "digital throughout"),
        ({LINE + "price_set__shop_money__amount": "29.905"},
         "line_items[0].price_set.shop_money.amount", "finer"),
        ({LINE + "price_set__shop_money__amount": "NaN"},
         "line_items[0].price_set.shop_money.amount", "not an amount"),
        ({LINE + "price_set__shop_money__currency_code": "USD"},
         "line_items[0].price_set.shop_money.currency_code", "not the order's currency EUR"),
        ({LINE + "price_set": None, LINE + "price": None}, "line_items[0].price", "is missing"),
        ({LINE + "price_set": None, LINE + "price": "-1.00"}, "line_items[0].price", "negative"),
        ({"total_price": None, "total_price_set": None}, "total_price", "is missing"),
        ({"total_price_set__shop_money__amount": "35.80"}, "total_price", "do not add up to 35.80"),
        ({"total_tax_set__shop_money__amount": "9.99"}, "total_tax", "add up to 5.80"),
        ({"original_total_additional_fees_set": {"shop_money": {"amount": "1.00"}}},
         "original_total_additional_fees_set", "no place"),
        ({LINE + "duties": [{"price": "3.00"}]}, "line_items", "duties of 3.00"),
        ({"shipping_address": None, "shipping_lines": []}, "shipping_address", "nowhere to send"),
        ({"shipping_address": "Lyon"}, "shipping_address", "is not an object"),
        ({"shipping_address__country_code": None, "shipping_address__country": "Atlantis"},
         "shipping_address.country", "is not a country"),
        ({"customer": "Camille"}, "customer", "is not an object"),
        ({"taxes_included": "perhaps"}, "taxes_included", "neither true nor false"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_named_with_its_path_and_reason(change, path, reason):
    found = problems_of(changed(SIMPLE, **change))
    assert any(where == path and reason in why for where, why in found), found


def test_a_country_without_a_code_is_found_by_its_name():
    document = changed(SIMPLE, shipping_address__country_code=None)
    assert order_from_webhook(document)["shipping_address"]["country"] == "FR"


def test_a_flood_of_problems_is_cut_short_and_counted():
    line = {**webhook(SIMPLE)["line_items"][0], "sku": None}
    found = problems_of(changed(SIMPLE, line_items=[line] * 400))
    assert len(found) < 60
    assert "more problems" in found[-1][1]


@pytest.mark.parametrize("document", [None, [], "x", 3, {}])
def test_anything_but_an_order_is_refused(document):
    assert problems_of(document)


# --- the signature -------------------------------------------------------------------------------


def signature(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def test_a_signature_covers_the_raw_bytes():
    body = json.dumps(webhook(SIMPLE)).encode()
    header = signature(body, "shpss_secret")
    assert verify(body, header, "shpss_secret")
    assert not verify(body + b" ", header, "shpss_secret")
    assert not verify(body, header, "shpss_other")
    assert not verify(body, header[:8] + "!" + header[8:], "shpss_secret")


@pytest.mark.parametrize("header", ["", "é", "not base64!", "AAAA", "0" * 64])
def test_a_header_that_is_no_signature_never_verifies(header):
    assert not verify(b"{}", header, "shpss_secret")


def test_without_a_secret_nothing_verifies():
    assert not verify(b"{}", signature(b"{}", ""), "")


# --- whatever comes ------------------------------------------------------------------------------

TEXTS = st.text(max_size=12) | st.sampled_from(["12.50", "-1", "EUR", "paid", "2026-11-16T10:00Z"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(webhook(SIMPLE)))


def assert_mapped_or_refused(document: dict) -> None:
    try:
        payload = order_from_webhook(document)
    except CannotMap as refusal:
        problems = refusal.problems
    else:
        assert_adds_up(payload)
        return
    assert problems
    assert all(problem.reason for problem in problems)
    json.dumps([problem.value for problem in problems]).encode()


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(FIELDS, VALUES, max_size=12))
def test_any_document_is_mapped_or_refused(document):
    assert_mapped_or_refused(document)


def _spoil(value: object, data: st.DataObject) -> object:
    """The document with one value, anywhere in it, replaced."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _spoil(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        i = data.draw(st.integers(0, len(value) - 1))
        return [*value[:i], _spoil(value[i], data), *value[i + 1 :]]
    return data.draw(VALUES)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([name for name in WEBHOOKS if name != UNMAPPABLE]), st.data())
def test_a_real_document_with_spoiled_values_adds_up_or_is_refused(name, data):
    document = webhook(name)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(document)))
        document[key] = _spoil(document[key], data)
    assert_mapped_or_refused(document)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9999)), min_size=1, max_size=6),
    st.integers(0, 100_000),
)
def test_a_shared_tax_always_sums_to_the_whole(lines, cents):
    template = webhook(SIMPLE)["line_items"][0]
    tax = Decimal(cents) / 100
    items = [
        {**template, "id": n, "quantity": q, "current_quantity": q, "fulfillable_quantity": q,
         "price": str(Decimal(price) / 100), "price_set": None, "tax_lines": []}
        for n, (q, price) in enumerate(lines, 1)
    ]  # fmt: skip
    goods = sum(q * Decimal(price) / 100 for q, price in lines)
    document = changed(
        SIMPLE, line_items=items, shipping_lines=[], taxes_included=False, total_tax=str(tax),
        total_tax_set=None, total_price=str(goods + tax), total_price_set=None,
    )  # fmt: skip
    payload = order_from_webhook(document)
    assert_adds_up(payload)
    assert Decimal(payload["tax_total"]) == tax
