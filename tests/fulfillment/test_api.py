"""REST of stock points: the whole life, other stock points' work, errors that name themselves."""

import pytest
from rest_framework.test import APIClient

from fulfillment.models import FulfillmentOrder
from orders import cancellation, holds
from tests.fulfillment.stage import asked, for_pickup, statements, states, stock, until

WORK = "/api/v1/fulfillment-orders"


@pytest.fixture
def lyon(company) -> APIClient:
    return client(company, "LYON")


def client(company, code) -> APIClient:
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key(code)}")
    return caller


def post(caller, row, button, body=None, **headers):
    return caller.post(f"{WORK}/{row.pk}/{button}", body or {}, format="json", headers=headers)


def test_a_warehouse_does_the_whole_work_over_rest(company, lyon):
    row = asked(company, ("BAG", 2))

    listed = lyon.get(WORK, {"state": "new"}).json()["results"]
    assert [x["id"] for x in listed] == [row.pk]
    assert listed[0]["ship_to"]["city"] == "Lyon"
    assert post(lyon, row, "accept").json()["state"] == "accepted"
    assert post(lyon, row, "pick", {"code": "BAG"}).json()["lines"][0]["picked"] == 1
    assert post(lyon, row, "pick").json()["state"] == "picked"
    assert post(lyon, row, "pack").json()["state"] == "packed"
    ship = {"carrier": "ups", "tracking_number": "1Z-1"}
    done = post(lyon, row, "ship", ship).json()
    assert done["state"] == "done"
    assert done["parcels"][0]["tracking_number"] == "1Z-1"
    assert done["ship_to"] is None
    event = {"status": "delivered", "at": done["parcels"][0]["shipped_at"]}
    answer = lyon.post("/api/v1/parcels/ups/1Z-1/events", event, format="json")
    assert answer.json()["tracking_status"] == "delivered"
    assert states(row.order) == {"delivered": 2}
    assert stock(company, "BAG", "LYON") == (3, 0)


def test_a_pick_up_over_rest(company, lyon):
    row = until(for_pickup(company, ("BAG", 1)), "packed")

    assert post(lyon, row, "ready").json()["state"] == "ready"
    assert post(lyon, row, "collect", {"name": "Ana"}).json()["state"] == "done"


def test_shipping_twice_answers_the_same_with_and_without_a_key(company, lyon):
    row = until(asked(company, ("BAG", 1)), "packed")
    ship = {"carrier": "ups", "tracking_number": "1Z-1"}

    first = post(lyon, row, "ship", ship, **{"Idempotency-Key": "k"})
    again = post(lyon, row, "ship", ship, **{"Idempotency-Key": "k"})
    other = post(lyon, row, "ship", ship)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json() == again.json() == other.json()
    assert stock(company, "BAG", "LYON") == (4, 0)


def test_refusing_a_part_says_what_can_be_given(company, lyon):
    row = asked(company, ("BAG", 3))
    lines = [{"id": row.lines.get().pk, "available": 1}]

    body = post(lyon, row, "refuse", {"reason": "not_found", "lines": lines}).json()

    assert body["state"] == "new"
    assert sorted((x["quantity"], x["open"]) for x in body["lines"]) == [(1, True), (2, False)]


def test_refusing_without_lines_refuses_everything(company, lyon):
    row = asked(company, ("BAG", 3))

    assert post(lyon, row, "refuse", {"reason": "too_busy"}).json()["state"] == "refused"


@pytest.mark.parametrize(
    "button", ["", "/accept", "/refuse", "/pick", "/pack", "/ship", "/ready", "/collect"]
)
def test_other_stock_points_work_does_not_exist(company, button):
    row = asked(company, ("BAG", 1))
    paris = client(company, "PARIS")
    bodies = {"/refuse": {"reason": "closed"}, "/ship": {"carrier": "a", "tracking_number": "b"}}

    call = paris.post if button else paris.get
    answer = call(f"{WORK}/{row.pk}{button}", bodies.get(button, {}), format="json")

    assert answer.status_code == 404
    assert paris.get(WORK).json()["results"] == []
    row.refresh_from_db()
    assert row.state == "new"


def test_other_stock_points_parcels_do_not_exist(company, lyon):
    row = until(asked(company, ("BAG", 1)), "packed")
    post(lyon, row, "ship", {"carrier": "ups", "tracking_number": "1Z-1"})
    event = {"status": "delivered", "at": "2020-01-01T00:00:00Z"}

    paris = client(company, "PARIS")
    for path in ("ups/1Z-1", "ups/1Z-2", "ups/%00"):
        answer = paris.post(f"/api/v1/parcels/{path}/events", event, format="json")
        assert answer.status_code == 404


def test_a_channels_key_has_no_work(company):
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {company.web_key}")

    assert caller.get(WORK).status_code == 403
    assert APIClient().get(WORK).status_code == 401


def problem(answer, status, code):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code, body
    return body


def test_conflicts_name_themselves(company, lyon):
    row = asked(company, ("BAG", 1), ("MUG", 1))
    body = problem(post(lyon, row, "pack"), 409, "illegal_move")
    assert "accepted, canceled, refused" in body["detail"]
    post(lyon, row, "accept")
    problem(post(lyon, row, "pick", {"code": "CAP"}), 409, "not_in_order")
    post(lyon, row, "pick", {"code": "BAG"})
    problem(post(lyon, row, "pick", {"code": "BAG"}), 409, "too_many")
    post(lyon, row, "pick")
    post(lyon, row, "pack")
    problem(post(lyon, row, "ready"), 409, "wrong_way_out")
    holds.place(order_id=row.order_id, type="fraud", handle="x", reason="card", blocks=["ship"],
                   actor="test")  # fmt: skip
    ship = {"carrier": "ups", "tracking_number": "1Z-1"}
    assert "card" in problem(post(lyon, row, "ship", ship), 409, "on_hold")["detail"]


def test_work_that_was_taken_away_says_so(company, lyon):
    row = asked(company, ("BAG", 1))
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")

    problem(post(lyon, row, "accept"), 409, "taken_away")


@pytest.mark.parametrize(
    ("button", "body", "pointer"),
    [
        ("ship", {"carrier": "ups"}, "/tracking_number"),
        ("ship", {"carrier": " ", "tracking_number": "x"}, "/carrier"),
        ("refuse", {}, "/reason"),
        ("refuse", {"reason": "bored"}, "/reason"),
        ("refuse", {"reason": "other", "lines": [{"id": 1, "available": -1}]},
         "/lines/0/available"),
        ("refuse", {"reason": "closed", "lines": [{"id": 10**30, "available": 1}]}, "/lines/0/id"),
        ("refuse", {"reason": "closed", "lines": [{"id": 1, "available": 0}]}, "/lines"),
        ("pick", {"code": "x" * 100}, "/code"),
        ("pick", {"code": 'a\x00b'}, "/code"),
    ],
)  # fmt: skip
def test_a_bad_body_names_its_field(company, lyon, button, body, pointer):
    row = asked(company, ("BAG", 1))

    answer = post(lyon, row, button, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    row.refresh_from_db()
    assert row.state == "new"


def test_a_carriers_fact_needs_a_status_and_its_time(company, lyon):
    row = until(asked(company, ("BAG", 1)), "packed")
    post(lyon, row, "ship", {"carrier": "ups", "tracking_number": "1Z-1"})
    path = "/api/v1/parcels/ups/1Z-1/events"

    for body, pointer in (
        ({"status": "delivered"}, "/at"),
        ({"status": "collected", "at": "2025-01-01T00:00:00Z"}, "/status"),
        ({"status": "delivered", "at": "2999-01-01T00:00:00Z"}, "/at"),
    ):
        answer = lyon.post(path, body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


def test_an_unknown_state_in_the_filter_is_named(lyon):
    assert lyon.get(WORK, {"state": "asleep"}).status_code == 400


def test_statements_of_the_list_do_not_grow_with_the_work(company, lyon):
    counts = []
    for _ in range(2):
        asked(company, ("BAG", 1), ("MUG", 1))
        with statements() as found:
            assert lyon.get(WORK).status_code == 200
        counts.append(len(found))
    assert counts[0] == counts[1] <= 6
    assert FulfillmentOrder.objects.count() == 2


def test_the_document_of_the_api_has_no_warnings(capsys):
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator

    from fulfillment import api_urls

    GENERATOR_STATS.reset()
    document = SchemaGenerator(patterns=api_urls.urlpatterns).get_schema(public=True)

    assert "/parcels/{carrier}/{tracking}/events" in str(list(document["paths"]))
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
