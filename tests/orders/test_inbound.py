"""Orders that could not be taken: kept with their reason, settled by a person, once."""

import copy
import threading

import pytest
from django.db import connection

from inventory.models import Product
from orders import inbound
from orders.models import InboundOrder, Order
from orders.payload import validated
from orders.problems import Problem
from tests import cast
from tests.fulfillment import stage
from tests.orders import door

PAGE = "/admin/orders/inboundorder/"


def conflict(client, company, **changes) -> InboundOrder:
    """An order of one TEE, and the same external id once more with other content."""
    sent = cast.payload(("TEE", 1), external_id="X-1")
    door.send(client, company, sent)
    other = cast.payload(("TEE", 2), external_id="X-1") | {"placed_at": sent["placed_at"]} | changes
    door.problem(door.send(client, company, other), 409, "order_differs")
    return InboundOrder.objects.get()


def refused(company, *items, external_id="R-1") -> InboundOrder:
    """Kept because a product was not known."""
    payload = cast.payload(*items, external_id=external_id)
    return inbound.keep(
        channel=company.web, source="test", external_id=external_id, kind="refused",
        document=payload, problems=[Problem("/line_items/1/sku", "unknown_sku", "no SKU 'NEW'")],
    )  # fmt: skip


# --- keeping -------------------------------------------------------------------------------------


def test_the_same_document_counts_attempts_and_another_one_waits_beside_it(client, company):
    first = conflict(client, company)
    assert (first.kind, first.source, first.attempts) == ("differs", "api", 1)
    assert first.order == Order.objects.get()

    other = copy.deepcopy(first.document)
    door.send(client, company, cast.payload(("TEE", 3), external_id="X-1"))
    assert InboundOrder.objects.count() == 2
    again = inbound.keep(
        channel=company.web, source="api", external_id="X-1", kind="differs", document=other,
        problems=[], order=first.order_id,
    )  # fmt: skip
    assert (again.pk, again.attempts) == (first.pk, 2)


def test_what_was_decided_stays_decided_when_it_comes_again(company):
    row = refused(company, ("TEE", 1))
    assert inbound.dismiss(row.pk, actor="lea").document == {}
    again = inbound.keep(
        channel=company.web, source="test", external_id="R-1", kind="refused",
        document=row.document, problems=[],
    )  # fmt: skip
    assert (again.pk, again.state, again.attempts, again.document) == (row.pk, "dismissed", 2, {})


def test_any_document_can_be_kept(company):
    document = {"nul": "a\x00b", "half": "\ud800", "nan": float("nan"), "odd": object, "x": [{}]}
    row = inbound.keep(
        channel=company.web, source="test", external_id="N\x00" * 80, kind="unreadable",
        document=document, problems=[Problem("/nul\x00", "bad", "x" * 5000)] * 90,
    )  # fmt: skip
    assert len(row.external_id) == 100
    assert len(row.problems) == 50


# --- deciding ------------------------------------------------------------------------------------


def test_what_was_refused_is_taken_when_it_is_tried_again_after_the_cause_is_gone(company):
    row = refused(company, ("TEE", 1))
    row = inbound.retry(row.pk, actor="lea")
    order = Order.objects.get()
    assert (row.state, row.order, row.resolved_by) == ("placed", order, "lea")
    assert (row.document, row.problems) == ({}, [])
    with pytest.raises(inbound.AlreadySettled):
        inbound.retry(row.pk, actor="lea")


def test_what_still_cannot_be_taken_stays_with_its_new_reason(company):
    row = refused(company, ("TEE", 1))
    Product.objects.filter(sku="TEE").update(active=False)
    row = inbound.retry(row.pk, actor="lea")
    assert (row.state, row.attempts) == ("open", 2)
    assert row.problems[0]["code"] == "unknown_sku"
    assert Order.objects.count() == 0


def test_what_came_in_meanwhile_is_recognized_and_other_content_becomes_a_conflict(company):
    same, other = refused(company, ("TEE", 1)), refused(company, ("TEE", 2))
    cast_order = company.place(("MUG", 1), external_id="R-1")
    row = inbound.retry(other.pk, actor="lea")
    assert (row.state, row.kind, row.order) == ("open", "differs", cast_order)
    assert same.state == "open"


def test_keep_ours_changes_nothing_and_take_theirs_edits_the_order(client, company):
    row = conflict(client, company)
    order = row.order
    assert inbound.pick(row.pk, choice="ours", actor="lea").state == "kept"
    assert order.lines.get().quantity == 1
    assert order.events.filter(kind="order.changed").count() == 0

    door.send(client, company, cast.payload(("TEE", 3), external_id="X-1"))
    row = InboundOrder.objects.get(state="open")
    row = inbound.pick(row.pk, choice="theirs", actor="lea")
    order.refresh_from_db()
    assert (row.state, order.version) == ("replaced", 2)
    assert sum(order.lines.values_list("quantity", flat=True)) == 3
    assert order.events.filter(kind="order.changed").get().actor == "lea"


def test_theirs_that_cannot_be_made_is_refused_in_words_and_stays_open(client, company):
    stage.only(company, "LYON")
    row = conflict(client, company, currency="USD")
    with pytest.raises(inbound.CannotPick, match="USD"):
        inbound.pick(row.pk, choice="theirs", actor="lea")
    row.refresh_from_db()
    assert row.state == "open"


@pytest.mark.django_db(transaction=True)
def test_two_people_who_try_at_once_take_it_once(live_company):
    row = refused(live_company, ("TEE", 1))
    start, told = threading.Barrier(2), []

    def person(name: str) -> None:
        start.wait()
        try:
            told.append(inbound.retry(row.pk, actor=name).state)
        except inbound.AlreadySettled:
            told.append("settled")
        finally:
            connection.close()

    people = [threading.Thread(target=person, args=(name,)) for name in ("lea", "max")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(told) == ["placed", "settled"]
    assert Order.objects.count() == 1


# --- the page ------------------------------------------------------------------------------------


def test_the_queue_says_why_in_words(console, company):
    refused(company, ("TEE", 1))
    html = console.get(f"{PAGE}?state__exact=open").content.decode()
    assert "line 2, SKU: no SKU &#x27;NEW&#x27;" in html
    assert "R-1" in html
    home = console.get("/admin/").content.decode()
    assert "orders that were not taken" in home.lower()


def test_a_conflict_shows_ours_and_theirs_and_is_decided_on_its_page(client, console, company):
    row = conflict(client, company)
    html = console.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert "1 at " in html
    assert "2 at " in html
    assert 'class="oms-differs"' in html
    html = console.get(f"{PAGE}{row.pk}/theirs/").content.decode()
    assert "Its total becomes" in html
    answer = console.post(f"{PAGE}{row.pk}/theirs/", follow=True)
    assert "theirs was taken" in answer.content.decode()
    assert Order.objects.get().version == 2
    html = console.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert "What it said is forgotten" in html
    assert "Take theirs" not in html


def test_a_document_that_cannot_be_read_is_shown_as_it_came(console, company):
    row = inbound.keep(
        channel=company.web, source="test", external_id="", kind="unreadable",
        document={"who": {"name": "<b>Ada</b>"}, "items": [{"sku": ""}, 7]},
        problems=[Problem("/items/0/sku", "cannot_map", "is empty")],
    )  # fmt: skip
    html = console.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert "&lt;b&gt;Ada&lt;/b&gt;" in html
    assert "items 1, SKU: is empty" in html


def test_many_are_tried_again_together(console, company):
    good, bad = refused(company, ("TEE", 1)), refused(company, ("CAP", 9), external_id="R-2")
    answer = console.post(
        PAGE, {"action": "retry", "_selected_action": [good.pk, bad.pk]}, follow=True
    )
    html = answer.content.decode()
    assert "1 orders are taken" in html
    assert "R-2 still cannot be taken" in html


def test_who_may_only_look_decides_nothing(client, company, django_user_model):
    row = refused(company, ("TEE", 1))
    lea = company.user("lea", is_staff=True)
    client.force_login(lea)
    assert client.get(PAGE).status_code == 403
    for verb in ("retry", "theirs", "ours", "dismiss"):
        assert client.post(f"{PAGE}{row.pk}/{verb}/").status_code in (302, 403)
    row.refresh_from_db()
    assert row.state == "open"


def test_a_document_of_ours_reads_as_it_was_sent(client, company):
    row = conflict(client, company)
    assert inbound.payload_for(row) == validated(row.document)
