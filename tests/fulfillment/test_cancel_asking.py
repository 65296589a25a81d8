"""What a warehouse's own system has is asked for: it lets go, refuses, or ships it meanwhile."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from rest_framework.test import APIClient

from config import outbox
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from inventory import ledger
from inventory.models import Location, PoolLocation
from orders import cancellation, stages
from orders.models import Allocation
from tests.fulfillment import stage
from tests.fulfillment.stage import asked, drain, kinds, states, stock
from tests.races.crowd import at_once
from tests.routing import scenes

URL = "/api/v1/fulfillment-orders"


@pytest.fixture
def taken(told) -> FulfillmentOrder:
    """Two TEEs and a MUG of the warehouse, whose system has taken the work."""
    outbox.drain("wms")
    told.refresh_from_db()
    return told


def cancel(row, **changes):
    values = {"reason": "customer", "actor": "lea"}
    return cancellation.cancel(order_id=row.order_id, **(values | changes))


def cancel_tees(row, units=1):
    return cancel(row, lines={row.order.lines.get(sku="TEE").pk: units})


def answer(company, row, word, body=None):
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key('WH')}")
    return caller.post(f"{URL}/{row.pk}/cancel-{word}", body or {}, format="json")


def to_cancel(row) -> dict[str, int]:
    rows = Allocation.objects.filter(order=row.order, cancel_quantity__gt=0)
    return dict(rows.values_list("line__sku", "cancel_quantity"))


def test_who_has_the_work_is_asked_and_nothing_ends_before_it_answers(company, taken, wms):
    done = cancel(taken)
    assert (done.units, done.requested) == (0, 3)
    assert states(taken.order) == {"allocated": 3}
    drain("ask", "wms")
    body = wms.got[-1][1]
    assert body["event"] == "fulfillment.cancel_requested"
    assert [(x["sku"], x["quantity"], x["to_cancel"]) for x in body["lines"]] == [
        ("TEE", 2, 2), ("MUG", 1, 1),
    ]  # fmt: skip

    row = answer(company, taken, "accepted").json()
    assert row["state"] == "canceled"
    assert states(taken.order) == {"canceled": 3}
    assert stock(company, "TEE", "WH") == (100, 0)
    taken.order.refresh_from_db()
    assert taken.order.state == "canceled"
    event = taken.order.events.get(kind="order.canceled")
    assert (event.actor, event.data["reason"]) == ("WH", "customer")
    assert answer(company, taken, "accepted").status_code == 200  # told twice
    assert kinds(taken.order).count("order.canceled") == 1
    scenes.check()


def test_before_its_system_has_the_work_nobody_is_asked(told):
    assert cancel(told).units == 3
    assert states(told.order) == {"canceled": 3}


def test_a_refusal_is_kept_with_its_words_and_the_units_are_sent(company, taken):
    cancel(taken)
    row = answer(company, taken, "refused", {"note": "packed already"}).json()
    assert [x["to_cancel"] for x in row["lines"]] == [0, 0]
    assert to_cancel(taken) == {}
    event = taken.order.events.get(kind="cancel.refused").data
    assert (event["reason"], event["units"]) == ("packed already", 3)
    stage.shipped(taken)
    assert states(taken.order) == {"shipped": 3}
    assert cancel_again_says(taken) == "they are shipped"


def cancel_again_says(row) -> str:
    with pytest.raises(cancellation.NothingToCancel) as caught:
        cancel(row)
    return str(caught.value).partition(": ")[2]


def test_some_units_are_asked_for_and_the_others_leave(company, taken, wms):
    assert cancel_tees(taken).requested == 1
    drain("ask", "wms")
    assert [x["to_cancel"] for x in wms.got[-1][1]["lines"]] == [1, 0]
    assert answer(company, taken, "accepted").json()["state"] == "new"
    assert states(taken.order) == {"allocated": 2, "canceled": 1}
    parcel = stage.shipped(taken)
    assert sum(parcel.lines.values_list("quantity", flat=True)) == 2
    assert stock(company, "TEE", "WH") == (99, 0)
    scenes.check()


def test_an_answer_names_the_units_it_is_about(company, taken):
    cancel(taken)
    tee, mug = taken.lines.order_by("id")
    part = {"lines": [{"id": tee.pk, "quantity": 1}]}
    assert answer(company, taken, "accepted", part).status_code == 200
    assert to_cancel(taken) == {"TEE": 1, "MUG": 1}
    rest = {"lines": [{"id": mug.pk, "quantity": 9}], "note": "gone"}
    assert answer(company, taken, "refused", rest).status_code == 200
    assert to_cancel(taken) == {"TEE": 1}
    assert states(taken.order) == {"allocated": 2, "canceled": 1}
    strange = answer(company, taken, "accepted", {"lines": [{"id": 999999, "quantity": 1}]})
    assert (strange.status_code, strange.json()["errors"][0]["pointer"]) == (400, "/lines")


def test_what_was_asked_for_is_not_asked_for_again(taken):
    cancel_tees(taken, 2)
    with pytest.raises(cancellation.CannotCancel, match="the warehouse was asked for already"):
        cancel_tees(taken)
    assert cancel(taken).requested == 1  # the MUG
    assert cancel_again_says(taken) == "a warehouse was asked for them"


def test_what_leaves_before_the_answer_was_not_canceled(company, taken):
    cancel(taken)
    stage.shipped(taken)
    assert states(taken.order) == {"shipped": 3}
    assert to_cancel(taken) == {}
    assert taken.order.events.get(kind="cancel.refused").data["reason"] == "it left"
    late = answer(company, taken, "accepted")
    assert (late.status_code, late.json()["code"]) == (409, "not_asked")
    drain("ask", "wms")  # nothing is asked for any more
    scenes.check()


def test_what_left_before_it_was_told_is_not_asked_for(taken, wms):
    cancel(taken)
    stage.shipped(taken)
    drain("ask", "wms")
    assert "fulfillment.cancel_requested" not in [body["event"] for _, body in wms.got]


def test_work_that_nobody_asks_to_cancel_has_nothing_to_answer(company, taken):
    for word in ("accepted", "refused"):
        reply = answer(company, taken, word)
        assert (reply.status_code, reply.json()["code"]) == (409, "not_asked")
    assert states(taken.order) == {"allocated": 3}


def test_units_that_the_warehouse_refuses_are_canceled_not_sent_elsewhere(company, taken):
    PoolLocation.objects.create(pool=company.pool, location=company.locations["LYON"])
    cancel_tees(taken)
    tee = taken.lines.get(allocation__line__sku="TEE")
    work.refuse(fulfillment_order_id=taken.pk, reason="too_busy", actor="WH", keep={tee.pk: 0})
    assert scenes.places(taken.order) == {
        ("allocated", "WH"): 1, ("allocated", "LYON"): 1, ("canceled", "WH"): 1,
    }  # fmt: skip
    assert not Allocation.objects.filter(location__code="LYON", handed_over=True).exists()
    drain()
    scenes.check()


def test_units_that_the_warehouse_loses_before_it_answers_are_canceled(company, taken):
    cancel_tees(taken, 2)
    row = scenes.stock(company, "TEE", "WH")
    ledger.post(
        [ledger.Entry(row.product_id, row.location_id, "adjustment", on_hand=-row.on_hand)],
        actor="test",
    )
    scenes.work("shortage", "work")
    assert to_cancel(taken) == {}
    assert states(taken.order) == {"allocated": 1, "canceled": 2}


def test_a_request_and_a_parcel_leaving_end_one_way_only(live_company, wms):
    live_company.locations["WH"].wms_url = wms.url
    live_company.locations["WH"].save()
    for n in range(3):
        row = stage.asked(live_company, ("TEE", 1), at="WH")
        outbox.drain("wms")
        stage.until(row, "packed")
        cancel(row)
        results = at_once(
            lambda row=row: work.answer_cancel(
                fulfillment_order_id=row.pk, accepted=True, actor="WH"
            ),
            lambda row=row, n=n: work.ship(
                fulfillment_order_id=row.pk, carrier="ups", tracking_number=f"1Z-{n}", actor="WH"
            ),
        )
        left = states(row.order) == {"shipped": 1}
        assert states(row.order) == ({"shipped": 1} if left else {"canceled": 1})
        assert type(results[0 if left else 1]) is (work.NotAsked if left else work.TakenAway)
    scenes.check()


# --- staff ---------------------------------------------------------------------------------------


def test_staff_see_who_has_not_answered_and_may_cancel_anyway(taken, console, django_user_model):
    cancel(taken)
    assert stages.counts()["cancel_asked"] == 1
    url = reverse("admin:orders_allocation_changelist")
    page = console.get(f"{url}?cancel_requested_at__isnull=False").content.decode()
    assert "2 of them, 0" in page.replace("\xa0", " ")
    ids = list(Allocation.objects.filter(order=taken.order).values_list("pk", flat=True))
    form = {"action": "cancel_anyway", "_selected_action": ids}
    assert console.post(url, form).status_code == 302
    assert states(taken.order) == {"canceled": 3}
    assert taken.order.events.filter(kind="order.canceled").first().actor == "boss"


def test_who_may_not_cancel_anyway_is_not_offered_it(taken, client, company):
    person = company.user("pat", is_staff=True)
    codes = ["view_allocation", "change_order", "view_order"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(person)
    cancel(taken)
    url = reverse("admin:orders_allocation_changelist")
    assert "Cancel without the warehouse" not in client.get(url).content.decode()
    piece = Allocation.objects.filter(order=taken.order).first()
    client.post(url, {"action": "cancel_anyway", "_selected_action": [piece.pk]})
    assert states(taken.order) == {"allocated": 3}


def test_refusing_exactly_what_it_was_asked_to_cancel_ends_that_and_keeps_the_rest(company, wms):
    Location.objects.filter(code="WH").update(wms_url=wms.url)
    row = asked(company, ("TEE", 2), ("MUG", 1), at="WH", ship_together=True)
    outbox.drain("wms")
    cancel_tees(row, units=2)
    assert to_cancel(row) == {"TEE": 2}
    tees = row.lines.get(allocation__line__sku="TEE")
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="WH", keep={tees.pk: 0})
    assert states(row.order) == {"canceled": 2, "allocated": 1}
    assert not to_cancel(row)
    row.refresh_from_db()
    assert row.state == "new"
