"""Telling a warehouse's own system, over real HTTP."""

from datetime import timedelta

import pytest
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory.models import Location
from orders import cancellation
from orders.models import OrderContact
from tests.fulfillment.stage import asked, drain, for_pickup


def now_due() -> None:
    OutboxRow.objects.filter(topic="wms").update(next_at=timezone.now() - timedelta(hours=1))


def test_the_warehouse_is_told_what_where_to_and_until_when(told, wms):
    outbox.drain("wms")

    (key, body), = wms.got  # fmt: skip
    row = OutboxRow.objects.get(topic="wms")
    assert key == str(row.pk)
    assert row.done_at
    assert body["event"] == "fulfillment.requested"
    assert body["fulfillment_order"] == told.pk
    assert body["order"] == told.order.number
    assert [(x["sku"], x["quantity"]) for x in body["lines"]] == [("TEE", 2), ("MUG", 1)]
    assert body["ship_to"]["city"] == "Lyon"
    assert body["ship_by"] == told.ship_by.isoformat()
    told.refresh_from_db()
    assert told.wms_reference == "W-77"
    assert told.requested_at


def test_no_personal_data_waits_in_the_outbox(told, wms):
    rows = str(list(OutboxRow.objects.values_list("payload", flat=True)))

    assert "Ana" not in rows
    assert "Lyon" not in rows
    assert "ana@" not in rows


def test_a_system_that_fails_first_is_told_again_under_the_same_key(told, wms, caplog):
    wms.answers = [(503, "closed for the night"), (500, "")]
    for _ in range(3):
        outbox.drain("wms")
        now_due()

    assert len(wms.got) == 3
    assert len({key for key, _ in wms.got}) == 1
    row = OutboxRow.objects.get(topic="wms")
    assert row.done_at
    outbox.drain("wms")
    assert len(wms.got) == 3


def test_why_a_message_was_not_taken_is_kept(told, wms, caplog):
    wms.answers = [(503, "closed for the night")]
    outbox.drain("wms")

    row = OutboxRow.objects.get(topic="wms")
    assert "503: closed for the night" in row.last_error
    assert row.next_at > timezone.now()
    told.refresh_from_db()
    assert told.requested_at is None


def test_a_redirect_is_not_followed(told, wms, caplog):
    wms.headers = {"Location": wms.url}
    wms.answers = [(302, "")]
    outbox.drain("wms")

    assert len(wms.got) == 1
    assert OutboxRow.objects.get(topic="wms").done_at is None


def test_a_system_that_is_away_is_tried_later(told, wms, caplog):
    Location.objects.filter(code="WH").update(wms_url="http://127.0.0.1:9/closed")
    outbox.drain("wms")

    assert OutboxRow.objects.get(topic="wms").last_error.startswith("ConnectionError")


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("", ""), ("thanks", ""), ("[1]", ""), ('{"reference": 5}', "5"), ('{"reference": null}', ""),
     ('{"reference": "a\\u0000b"}', "ab"), ('{"reference": "' + "9" * 500 + '"}', "9" * 100)],
)  # fmt: skip
def test_any_yes_is_a_yes_whatever_it_says(told, wms, answer, reference):
    wms.answers = [(200, answer)]
    outbox.drain("wms")

    told.refresh_from_db()
    assert told.requested_at
    assert told.wms_reference == reference


def test_what_is_taken_back_is_told_after_what_was_asked(told, wms):
    cancellation.cancel(order_id=told.order_id, reason="customer", actor="test")
    drain()
    outbox.drain("wms")

    assert [body["event"] for _, body in wms.got] == [
        "fulfillment.requested", "fulfillment.withdrawn",
    ]  # fmt: skip
    assert wms.got[1][1]["lines"] == []


def test_a_stock_point_without_a_system_is_not_told(company, wms):
    row = asked(company, ("BAG", 1))
    outbox.drain("wms")

    assert wms.got == []
    row.refresh_from_db()
    assert row.requested_at is None
    assert OutboxRow.objects.get(topic="wms").done_at


def test_of_a_pick_up_only_the_name_is_told(company, wms):
    Location.objects.filter(code="LYON").update(wms_url=wms.url)
    for_pickup(company, ("BAG", 1))
    outbox.drain("wms")

    assert wms.got[0][1]["ship_to"] == {"name": "Ana Živić"}


def test_erased_personal_data_are_not_told(told, wms):
    OrderContact.objects.filter(order=told.order).delete()
    outbox.drain("wms")

    assert wms.got[0][1]["ship_to"] is None
