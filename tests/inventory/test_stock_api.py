"""Stock over REST: levels that are set, changes that are posted, each row with its own answer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from config import outbox
from inventory import ledger
from inventory.models import Count, Product, Stock, StockFeed, StockMovement, StockSource
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey, OrderLine
from tests.orders.door import problem
from tests.races.crowd import at_once

URL = "/api/v1/stock"


@pytest.fixture
def erp(company):
    """The key of the company's own systems."""
    return ApiKey.objects.create_key(name="ERP", scopes=COMPANY_SCOPES)[1]


def call(client, key, method, url, body=None, **headers):
    send = getattr(client, method)
    headers = {"Authorization": f"Bearer {key}", **headers}
    if body is None:
        return send(url, headers=headers)
    return send(url, body, content_type="application/json", headers=headers)


def level(sku, location, quantity, **more):
    return {"sku": sku, "location": location, "quantity": quantity, **more}


def change(sku, location, units, reason="found", **more):
    return {"sku": sku, "location": location, "change": units, "reason": reason, **more}


def put(client, key, *rows, query=""):
    answer = call(client, key, "put", URL + query, {"rows": list(rows)})
    assert answer.status_code == 200, answer.content
    return answer.json()


def adjust(client, key, *rows, query="", **headers):
    answer = call(client, key, "post", f"{URL}/adjustments{query}", {"rows": list(rows)}, **headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def on_hand(sku, code):
    return Stock.objects.get(product__sku=sku, location__code=code).on_hand


def ago(**time):
    return (timezone.now() - timedelta(**time)).isoformat()


def till(**changes):
    return StockSource.objects.create(code="tills", name="Tills", system="till", **changes)


# --- levels --------------------------------------------------------------------------------------


def test_each_level_has_an_answer_of_its_own(client, company, erp):
    said = put(
        client, erp, level("TEE", "WH", 90), level("MUG", "WH", 50), level("NOPE", "WH", 1),
        level("TEE", "MOON", 1), level("TEE", "LYON", -1), level("BAG", "WH", 3),
        {"sku": "TEE", "location": "RIGA", "quantity": "7"}, level("TEE", "WH", 91),
        level("TEE", "PARIS", 1, colour="red"), 7,
    )  # fmt: skip
    assert (said["changed"], said["same"], said["refused"]) == (2, 1, 7)
    rows = said["results"]
    assert [row["row"] for row in rows] == list(range(10))
    assert rows[0] == {"row": 0, "outcome": "changed", "on_hand": 90, "found": 0, "problems": []}
    assert (rows[1]["outcome"], rows[1]["on_hand"]) == ("same", 50)
    assert [row["problems"][0]["pointer"] for row in rows if row["problems"]] == [
        "/sku", "/location", "/quantity", "/quantity", "/sku", "/colour", "/",
    ]  # fmt: skip
    assert rows[2]["problems"][0]["detail"] == "no product has SKU 'NOPE'"
    assert rows[7]["problems"][0]["detail"] == "stands in row 0 already"
    assert (on_hand("TEE", "WH"), on_hand("BAG", "WH"), on_hand("TEE", "RIGA")) == (90, 3, 100)
    moved = StockMovement.objects.get(kind="feed", product__sku="TEE")
    assert (moved.on_hand, moved.on_hand_after, moved.actor) == (-10, 90, "ERP")


def test_the_same_levels_twice_write_no_movement(client, company, erp):
    rows = [level("TEE", "WH", 90), level("BAG", "RIGA", 0)]
    put(client, erp, *rows)
    moved = StockMovement.objects.count()
    assert put(client, erp, *rows)["same"] == 2
    assert StockMovement.objects.count() == moved


def test_a_level_knows_nothing_of_open_orders_and_leaves_them_alone(client, company, erp):
    company.place(("CAP", 1))
    company.place(("CAP", 1))
    put(client, erp, level("CAP", "LYON", 1), level("CAP", "PARIS", 1))
    there = Stock.objects.filter(product__sku="CAP")
    assert [(s.on_hand, s.reserved, s.free) for s in there] == [(1, 1, 0), (1, 1, 0)]


def test_only_the_places_that_are_named_are_set(client, company, erp):
    put(client, erp, level("TEE", "WH", 8))
    assert (on_hand("TEE", "WH"), on_hand("TEE", "LYON")) == (8, 10)


def ship(company, sku, code, units):
    """We hand units over: they leave on hand."""
    pair = company.products[sku].pk, company.locations[code].pk
    ledger.post([ledger.Entry(*pair, "sale", on_hand=-units)], actor="test")


def test_a_level_taken_before_we_shipped_does_not_bring_the_units_back(client, company, erp):
    taken = timezone.now().isoformat()
    ship(company, "TEE", "WH", 2)
    rows = level("TEE", "WH", 95, as_of=taken), level("MUG", "WH", 50, as_of=taken)
    said = put(client, erp, *rows)
    assert [row["on_hand"] for row in said["results"]] == [93, 50]
    again = put(client, erp, level("TEE", "WH", 95, as_of=taken))
    assert again["results"][0]["outcome"] == "same"
    assert on_hand("TEE", "WH") == 93


@pytest.mark.parametrize("kind", ["adjustment", "return", "receipt", "transfer_in"])
def test_a_level_is_stale_when_units_came_or_were_corrected_since(client, company, erp, kind):
    taken = timezone.now().isoformat()
    pair = company.products["TEE"].pk, company.locations["WH"].pk
    ledger.post([ledger.Entry(*pair, kind, on_hand=3)], actor="test")
    said = put(client, erp, level("TEE", "WH", 95, as_of=taken))["results"][0]
    assert (said["outcome"], said["on_hand"]) == ("refused", 103)
    assert said["problems"][0]["code"] == "moved"
    assert "after the level's time" in said["problems"][0]["detail"]
    assert put(client, erp, level("TEE", "WH", 95))["changed"] == 1  # the next one is of now


def test_an_older_level_never_replaces_a_newer_one(client, company, erp):
    first, second, third = (timezone.now().isoformat() for _ in range(3))
    assert put(client, erp, level("TEE", "WH", 80, as_of=second))["changed"] == 1
    older = put(client, erp, level("TEE", "WH", 70, as_of=first))["results"][0]
    assert (older["outcome"], older["problems"][0]["code"]) == ("refused", "older")
    assert put(client, erp, level("TEE", "WH", 60, as_of=third))["changed"] == 1
    assert on_hand("TEE", "WH") == 60


def ledger_stands_since(**time):
    """Nothing moved for some time."""
    Stock.objects.update(moved_at=timezone.now() - timedelta(**time))


def test_a_level_that_is_the_same_makes_older_ones_stale_all_the_same(client, company, erp):
    ledger_stands_since(hours=3)
    assert put(client, erp, level("TEE", "WH", 100, as_of=ago(hours=1)))["same"] == 1
    assert put(client, erp, level("TEE", "WH", 70, as_of=ago(hours=2)))["refused"] == 1
    assert on_hand("TEE", "WH") == 100


def test_two_levels_of_one_moment_cannot_both_be_true(client, company, erp):
    ledger_stands_since(hours=3)
    taken = ago(hours=1)
    put(client, erp, level("TEE", "WH", 80, as_of=taken))
    other = put(client, erp, level("TEE", "WH", 70, as_of=taken))["results"][0]
    assert other["problems"][0]["code"] == "twin"
    assert put(client, erp, level("TEE", "WH", 80, as_of=taken))["same"] == 1


def test_a_count_is_newer_than_a_level_of_before(client, company, erp):
    ledger_stands_since(hours=3)
    Stock.objects.update(counted_at=timezone.now() - timedelta(minutes=5))
    said = put(client, erp, level("TEE", "WH", 80, as_of=ago(minutes=10)))["results"][0]
    assert said["problems"][0]["code"] == "counted"


def test_a_level_of_last_month_reads_no_ledger_and_is_refused(client, company, erp):
    said = put(client, erp, level("TEE", "WH", 80, as_of=ago(days=30)))["results"][0]
    assert said["problems"][0]["code"] == "moved"


@pytest.mark.parametrize(
    ("as_of", "words"),
    [("2999-01-01T00:00:00Z", "future"), ("2026-11-23T10:00:00", "zone"), ("noon", "format"),
     (7, "format"), ("0001-01-01T00:00:00+14:00", "")],
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(client, company, erp, as_of, words):
    said = put(client, erp, level("TEE", "WH", 80, as_of=as_of))["results"][0]
    assert said["outcome"] == "refused"
    assert said["problems"][0]["pointer"] in {"/as_of", "/quantity"}
    assert words in said["problems"][0]["detail"]


def test_units_that_cannot_be_sold_are_told_beside_the_level(client, company, erp):
    put(client, erp, level("TEE", "WH", 90, damaged=4, display=1))
    said = put(client, erp, level("TEE", "WH", 90, damaged=1), level("MUG", "WH", 2, damaged=3))
    assert [row["outcome"] for row in said["results"]] == ["changed", "refused"]
    stock = Stock.objects.get(product__sku="TEE", location__code="WH")
    assert (stock.on_hand, stock.damaged, stock.display, stock.free) == (90, 1, 1, 88)
    kinds = StockMovement.objects.exclude(unavailable=0).order_by("id")
    assert [(m.kind, m.bucket, m.unavailable) for m in kinds] == [
        ("block", "damaged", 4), ("block", "display", 1), ("unblock", "damaged", -3),
    ]  # fmt: skip


# --- changes -------------------------------------------------------------------------------------


def test_changes_are_added_and_those_of_one_pair_stand_or_fall_together(client, company, erp):
    said = adjust(
        client, erp, change("TEE", "WH", 5), change("TEE", "WH", -2, "lost", note="fell down"),
        change("MUG", "LYON", -4, "damaged"), change("MUG", "LYON", -4, "damaged"),
        change("SOLD", "RIGA", 3), change("SOLD", "WH", -1, "lost"), change("BAG", "LYON", 0),
    )  # fmt: skip
    assert [row["outcome"] for row in said["results"]] == [
        "changed", "changed", "refused", "refused", "changed", "refused", "refused",
    ]  # fmt: skip
    assert said["results"][2]["problems"][0]["detail"] == "only 5 are there"
    assert said["results"][5]["problems"][0]["code"] == "short"
    assert (on_hand("TEE", "WH"), on_hand("MUG", "LYON"), on_hand("SOLD", "RIGA")) == (103, 5, 3)
    lost = StockMovement.objects.get(reason="lost")
    assert (lost.kind, lost.on_hand, lost.on_hand_after, lost.note, lost.actor) == (
        "adjustment", -2, 103, "fell down", "ERP",
    )  # fmt: skip


def test_a_delivery_of_changes_counts_once(client, company, erp):
    StockSource.objects.create(code="wms", name="WMS", system="wms")
    query = "?source=wms&reference=N-17"
    rows = [change("TEE", "WH", 5)]
    adjust(client, erp, *rows, query=query)
    again = call(client, erp, "post", f"{URL}/adjustments{query}", {"rows": rows})
    said = problem(again, 409, "already_loaded")
    assert said["detail"].startswith("N-17 of WMS was already loaded on 20")
    assert on_hand("TEE", "WH") == 105
    feed = StockFeed.objects.get()
    assert (feed.mode, feed.rows, feed.changed, feed.refused) == ("delta", 1, 1, 0)
    assert feed.actor == "ERP"
    assert feed.finished_at
    assert StockMovement.objects.get(cause_type="feed", cause_id=feed.pk).on_hand == 5


def test_a_repeated_call_with_its_key_counts_once(client, company, erp):
    for _ in range(2):
        adjust(client, erp, change("TEE", "WH", 5), **{"Idempotency-Key": "k1"})
    assert on_hand("TEE", "WH") == 105


def test_a_change_that_a_later_level_holds_already_is_not_added_again(client, company, erp):
    ledger_stands_since(hours=3)
    put(client, erp, level("TEE", "WH", 80, as_of=ago(minutes=10)))
    said = adjust(client, erp, change("TEE", "WH", -1, "till_sale", as_of=ago(minutes=11)),
                  change("TEE", "WH", -1, "till_sale", as_of=ago(minutes=9)))  # fmt: skip
    assert [row["outcome"] for row in said["results"]] == ["refused", "changed"]
    assert said["results"][0]["problems"][0]["code"] == "included"
    assert on_hand("TEE", "WH") == 79


def test_what_a_till_sold_is_sold_even_when_the_books_had_less(client, company, erp):
    till()
    said = adjust(
        client, erp, change("CAP", "LYON", -1, "till_sale"), change("CAP", "LYON", -2, "till_sale"),
        change("SOLD", "PARIS", -1, "till_sale"), query="?source=tills&reference=day-1",
    )  # fmt: skip
    assert said["changed"] == 3
    assert [row["found"] for row in said["results"]] == [2, 2, 1]
    assert (on_hand("CAP", "LYON"), on_hand("SOLD", "PARIS")) == (0, 0)
    moves = StockMovement.objects.filter(product__sku="CAP", cause_type="feed").order_by("id")
    assert [(m.kind, m.reason, m.on_hand, m.on_hand_after) for m in moves] == [
        ("adjustment", "found", 2, 3), ("till_sale", "till_sale", -1, 2),
        ("till_sale", "till_sale", -2, 0),
    ]  # fmt: skip
    assert moves[0].note
    asked = Count.objects.filter(kind="selective", state="created")
    assert {count.location.code for count in asked} == {"LYON", "PARIS"}
    assert {line.product.sku for count in asked for line in count.lines.all()} == {"CAP", "SOLD"}


def test_a_till_sale_told_by_another_system_is_no_fact(client, company, erp):
    said = adjust(client, erp, change("CAP", "LYON", -2, "till_sale"))
    assert said["refused"] == 1
    assert on_hand("CAP", "LYON") == 1


def test_a_till_that_sold_a_promised_unit_sends_the_order_elsewhere(client, live_company):
    till()
    order = live_company.place(("CAP", 1))
    outbox.drain_all()
    slice_ = OrderLine.objects.get(order=order).allocations.get()
    here = slice_.location
    sold = change("CAP", here.code, -1, "till_sale")
    adjust(client, live_company.location_key(here.code), sold, query="?source=tills")
    outbox.drain_all()
    moved = OrderLine.objects.get(order=order).allocations.exclude(state="canceled").get()
    assert moved.location_id != here.pk
    gone = Stock.objects.get(product__sku="CAP", location=here)
    assert (gone.on_hand, gone.reserved) == (0, 0)


# --- who, and how much ---------------------------------------------------------------------------


def test_a_stock_points_key_sets_its_own_place_only(client, company):
    key = company.location_key("LYON")
    said = put(client, key, level("TEE", "LYON", 7), level("TEE", "WH", 7))
    assert [row["outcome"] for row in said["results"]] == ["changed", "refused"]
    assert said["results"][1]["problems"][0]["code"] == "not_yours"
    listed = call(client, key, "get", URL).json()["results"]
    assert {row["location"] for row in listed} == {"LYON"}
    problem(call(client, key, "get", f"{URL}/WH/TEE"), 404, "not_found")
    problem(call(client, key, "put", f"{URL}/WH/TEE", {"quantity": 1}, **{"If-Match": "*"}), 404)


def test_stock_points_number_their_deliveries_each_for_itself(client, company):
    till()
    query = "?source=tills&reference=day-1"
    for code in ("LYON", "PARIS"):
        row = change("TEE", code, -1, "till_sale")
        assert adjust(client, company.location_key(code), row, query=query)["changed"] == 1


def test_a_channels_key_sets_nothing(client, company):
    for method, url in (("get", URL), ("put", URL), ("post", f"{URL}/adjustments")):
        problem(call(client, company.web_key, method, url, {} if method != "get" else None), 403)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("?sorce=wms", "/sorce"), ("?source=nobody", "/source"), ("?reference=1", "/reference"),
     ("?source=wms&reference=", "/reference"), ("?source=w%00ms", "/source"),
     (f"?source=wms&reference={'x' * 61}", "/reference")],
)  # fmt: skip
def test_a_delivery_that_cannot_be_named_is_refused(client, company, erp, query, pointer):
    StockSource.objects.create(code="wms", name="WMS", system="wms")
    answer = call(client, erp, "put", URL + query, {"rows": [level("TEE", "WH", 1)]})
    problem(answer, 400, "invalid", pointer)
    assert on_hand("TEE", "WH") == 100


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"rows": 7}, [], {"rows": [], "x": 1}])
def test_a_call_without_rows_is_refused(client, company, erp, body):
    problem(call(client, erp, "put", URL, body), 400, "invalid", "/rows")


def test_a_thousand_rows_take_as_many_statements_as_ten(
    client, company, erp, django_assert_max_num_queries
):
    Product.objects.bulk_create(Product(sku=f"S-{i}", name="x") for i in range(1000))
    rows = [level(f"S-{i}", "WH", 5) for i in range(1001)]
    with django_assert_max_num_queries(24):
        assert put(client, erp, *rows[:1000])["changed"] == 1000
    problem(call(client, erp, "put", URL, {"rows": rows}), 400, "invalid", "/rows")


# --- one row -------------------------------------------------------------------------------------


def test_a_row_can_be_set_only_as_it_was_seen(client, company, erp):
    one = f"{URL}/WH/TEE"
    seen = call(client, erp, "get", one)
    assert (seen.json()["on_hand"], seen["ETag"]) == (100, seen.json()["etag"])
    company.place(("TEE", 1))  # a claim moves nothing
    set_ = call(client, erp, "put", one, {"quantity": 99}, **{"If-Match": seen["ETag"]})
    assert (set_.status_code, set_.json()["on_hand"]) == (200, 99)
    late = call(client, erp, "put", one, {"quantity": 90}, **{"If-Match": seen["ETag"]})
    assert problem(late, 412)["detail"] == "It moved since you looked: 99 are there now."
    both = f'"x", {set_["ETag"]}'
    assert call(client, erp, "put", one, {"quantity": 98}, **{"If-Match": both}).status_code == 200


def test_a_row_is_not_set_blindly(client, company, erp):
    one = f"{URL}/WH/TEE"
    problem(call(client, erp, "put", one, {"quantity": 90}), 428, "precondition_required")
    stale = call(client, erp, "put", one, {"quantity": 90, "as_of": ago(hours=1)})
    problem(stale, 409, "stale_moved")
    now = {"quantity": 90, "as_of": timezone.now().isoformat()}
    assert call(client, erp, "put", one, now).json()["on_hand"] == 90
    first = call(client, erp, "put", f"{URL}/WH/BAG", {"quantity": 1}, **{"If-Match": "*"})
    problem(first, 412)
    assert call(client, erp, "put", f"{URL}/WH/BAG", now).status_code == 200
    for gone in ("NOPE/TEE", "WH/NOPE", "WH/NO%00PE"):
        problem(call(client, erp, "put", f"{URL}/{gone}", now), 404, "not_found")
    problem(call(client, erp, "put", one, {**now, "x": 1}), 400, "invalid", "/x")


def test_of_two_who_saw_the_same_one_wins(client, live_company):
    from django.test import Client

    key = ApiKey.objects.create_key(name="ERP", scopes=COMPANY_SCOPES)[1]
    one = f"{URL}/WH/TEE"
    seen = call(client, key, "get", one)["ETag"]

    def set_to(units):
        body, headers = {"quantity": units}, {"If-Match": seen}
        return call(Client(), key, "put", one, body, **headers).status_code

    assert sorted(at_once(lambda: set_to(1), lambda: set_to(2))) == [200, 412]


def test_the_list_is_paged_and_can_be_narrowed(client, company, erp):
    page = call(client, erp, "get", f"{URL}?limit=3").json()
    assert len(page["results"]) == 3
    assert page["next"]
    rows = call(client, erp, "get", f"{URL}?sku=TEE&location=LYON").json()["results"]
    assert [(r["sku"], r["location"], r["on_hand"], r["free"]) for r in rows] == [
        ("TEE", "LYON", 10, 10)
    ]
    problem(call(client, erp, "get", f"{URL}?skew=TEE"), 400, "invalid", "/skew")


def test_two_senders_of_the_same_delivery_at_once_count_once(live_company):
    from django.test import Client

    key = ApiKey.objects.create_key(name="WMS", scopes=COMPANY_SCOPES)[1]
    StockSource.objects.create(code="wms", name="WMS", system="wms")
    url = f"{URL}/adjustments?source=wms&reference=1"

    def send():
        return call(Client(), key, "post", url, {"rows": [change("TEE", "WH", 5)]}).status_code

    assert sorted(at_once(send, send, send)) == [200, 409, 409]
    assert on_hand("TEE", "WH") == 105
