"""What a store's answer means for others: orders of the same goods, and stores that may take it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fulfillment import work
from fulfillment.models import FulfillmentOrder
from inventory.models import PoolLocation
from routing.models import OpenOffer, Refusal, RefusalReason
from tests.cast import change_rules
from tests.fulfillment.stage import ACTOR, asked, drain, states, stock, until
from tests.routing import scenes


@pytest.fixture
def lea(company) -> Client:
    client = Client()
    client.force_login(company.user("lea", "LYON"))
    return client


def page(row) -> str:
    return reverse("store:order", args=[row.pk])


def press(client, row, button, /, **data):
    return client.post(reverse("store:press", args=[row.pk, button]), data, follow=True)


def words(answer) -> str:
    return " ".join(answer.content.decode().split())


def everywhere(company) -> None:
    """Stock points may serve the channel again that `asked` had left out."""
    for location in company.locations.values():
        PoolLocation.objects.get_or_create(pool=company.pool, location=location)


@pytest.fixture
def three(company) -> list[FulfillmentOrder]:
    """Three orders in Lyon want the bag; the third has it in hand."""
    rows = [asked(company, ("BAG", 1), ("TEE", 1)), asked(company, ("BAG", 2), ("MUG", 1))]
    rows.append(until(asked(company, ("BAG", 1)), "picked"))
    everywhere(company)
    return rows


def test_who_else_wants_it_is_shown_before_and_refused_with_it_if_one_says_so(company, lea, three):
    mine, other, in_hand = three
    shown = words(lea.get(page(mine)))
    assert "<strong>1 more order</strong> here wants Bag" in shown
    assert f"{other.order.number} (2)" in shown
    assert in_hand.order.number not in shown

    keep = {f"keep_{line.pk}": line.quantity for line in mine.lines.all()
            if line.allocation.line.sku == "TEE"}  # fmt: skip
    answer = press(lea, mine, "refuse", reason="not_found", too=str(other.pk), **keep)

    assert "1 more order was passed on with it" in words(answer)
    refused = Refusal.objects.order_by("pk").values_list("line__order", "line__sku", "quantity")
    assert list(refused) == [(mine.order_id, "BAG", 1), (other.order_id, "BAG", 2)]
    drain()
    places = {
        (row.order_id, row.location.code, line.allocation.line.sku)
        for row in FulfillmentOrder.objects.select_related("location")
        for line in row.lines.filter(open=True).select_related("allocation__line")
    }
    assert places == {
        (mine.order_id, "LYON", "TEE"), (mine.order_id, "PARIS", "BAG"),
        (other.order_id, "LYON", "MUG"), (other.order_id, "PARIS", "BAG"),
        (in_hand.order_id, "LYON", "BAG"),
    }  # fmt: skip


def test_others_are_kept_unless_one_says_so(company, lea, three):
    mine, other, _ = three
    press(lea, mine, "refuse", reason="not_found", too="")
    assert set(Refusal.objects.values_list("line__order", flat=True)) == {mine.order_id}
    other.refresh_from_db()
    assert other.state == "new"
    bad = press(lea, other, "refuse", reason="not_found", too="1;DROP")
    assert bad.status_code == 422


def test_none_left_at_all_takes_what_nobody_has_in_hand_from_all(company, lea, three):
    mine, other, in_hand = three
    press(lea, mine, "refuse", reason="all_gone")
    assert stock(company, "BAG", "LYON") == (5, 3)
    scenes.work("shortage", "route", "work")
    assert stock(company, "BAG", "LYON") == (5, 1)
    assert states(in_hand.order) == {"picked": 1}
    other.refresh_from_db()
    assert [line.allocation.line.sku for line in other.lines.filter(open=True)] == ["MUG"]
    elsewhere = FulfillmentOrder.objects.filter(order=other.order, location__code="PARIS")
    assert elsewhere.get().lines.get().quantity == 2


def test_an_unknown_reason_is_answered_with_those_that_are_open(company):
    row = asked(company, ("BAG", 1))
    RefusalReason.objects.filter(code="closed").update(active=False)
    RefusalReason.objects.create(code="display", name="on display", effect="none")
    client = Client(headers={"Authorization": f"Bearer {company.location_key('LYON')}"})
    url = f"/api/v1/fulfillment-orders/{row.pk}/refuse"
    for code in ("closed", "timeout", "nonsense"):
        answer = client.post(url, {"reason": code}, content_type="application/json")
        assert answer.status_code == 400
        told = str(answer.json())
        assert "not_found, all_gone, damaged, too_busy, other, display" in told
    assert (
        client.post(url, {"reason": "display"}, content_type="application/json").status_code == 200
    )
    assert Refusal.objects.get().reason == "display"


def test_the_board_begins_with_what_must_be_answered_first(company, lea):
    late, soon, free = [asked(company, ("BAG", 1)) for _ in range(3)]
    now = timezone.now()
    FulfillmentOrder.objects.filter(pk=late.pk).update(accept_by=now + timedelta(hours=2))
    FulfillmentOrder.objects.filter(pk=soon.pk).update(accept_by=now + timedelta(minutes=4))
    shown = words(lea.get("/store/"))
    assert shown.index(soon.number) < shown.index(late.number) < shown.index(free.number)
    assert shown.count("Accept by") == 2
    assert 'class="answer bad"' in shown
    work.accept(fulfillment_order_id=soon.pk, actor=ACTOR)
    assert "Accept by" not in words(lea.get(page(soon)))


def test_a_store_takes_what_is_open_to_several_and_begins_to_pick(company):
    change_rules(offer_to=4, accept_minutes=20)
    order = company.place(("TEE", 2))
    drain()
    first = FulfillmentOrder.objects.get(order=order)
    offer = OpenOffer.objects.get(location__code="PARIS")
    mia = Client()
    mia.force_login(company.user("mia", "PARIS"))
    shown = words(mia.get("/store/"))
    assert "Open to several stores" in shown
    assert f"/store/open/{offer.pk}/take/" in shown
    stranger = Client()
    stranger.force_login(company.user("lea", "LYON"))
    assert stranger.post(f"/store/open/{offer.pk}/take/").status_code == 404
    assert f"Open to {first.offered_to} stock points" in words(stranger.get(page(first)))

    answer = mia.post(f"/store/open/{offer.pk}/take/", follow=True)

    assert "It is yours" in words(answer)
    assert states(order) == {"accepted": 2}
    assert "Open to several stores" not in words(mia.get("/store/"))
    again = mia.post(f"/store/open/{offer.pk}/take/", follow=True)
    assert "another stock point was faster" not in words(again)
