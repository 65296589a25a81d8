"""One message per cause, through a real mail server, whatever breaks in between."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from fulfillment import work
from orders import cancellation, links
from orders.models import CustomerLink, Notification, OrderContact, OrderEvent
from orders.notifications import handle
from tests.orders.journeys import asked, packed, send_all, ship

ANA = "ana@example.org"


def finish(row: OutboxRow) -> None:
    """Handle one row and mark it, as a worker does."""
    mark = handle(row)
    if mark is not None:
        with transaction.atomic():
            mark()


def told(order, kind):
    return list(order.events.filter(kind=kind).values_list("data", flat=True))


# --- once ----------------------------------------------------------------------------------------


def test_an_order_is_confirmed_by_one_mail_through_a_real_server(company, post):
    order = company.place(("TEE", 2))
    assert send_all() == 1
    [mail] = post.mails
    assert mail["To"] == ANA
    assert mail["From"] == "Maestro Demo Company <orders@maestro.example>"
    assert post.senders == ["orders@maestro.example"]
    sent = Notification.objects.get()
    assert (sent.state, sent.recipient, sent.trigger) == ("sent", ANA, "order.received")
    assert sent.subject == mail["Subject"]
    assert sent.message_id == mail["Message-ID"]
    assert mail["X-Maestro-Notification"] == str(sent.pk)
    assert sent.sent_at is not None
    assert told(order, "message.sent") == [{"notification": sent.pk, "template": "confirmation"}]


def test_work_that_is_handled_twice_sends_once(company, post):
    row = asked(company.place(("TEE", 1)), "order.received")
    finish(row)
    finish(row)
    assert len(post.mails) == 1
    assert OrderEvent.objects.filter(kind="message.sent").count() == 1


def test_ready_pressed_twice_tells_the_customer_once(company, post):  # case 119
    order = company.place(("TEE", 1), delivery=pickup_at("LYON"))
    [task] = packed(order)
    work.ready(fulfillment_order_id=task.pk, actor="lea")
    work.ready(fulfillment_order_id=task.pk, actor="lea")
    row = asked(order, "pickup.ready")
    again = OutboxRow(topic="notify", subject=order.pk, cause="again", payload=row.payload)
    again.save()
    finish(row)
    finish(again)
    [subject] = post.subjects()
    assert "is ready at Lyon store" in subject


def test_a_worker_killed_between_sending_and_marking_repeats_with_the_same_message_id(
    company, post
):
    order = company.place(("TEE", 1))
    row = asked(order, "order.received")
    assert handle(row) is not None  # sent; killed before the mark
    assert Notification.objects.get().state == "pending"
    finish(row)
    finish(row)
    assert len(post.mails) == 2
    assert len({mail["Message-ID"] for mail in post.mails}) == 1
    assert len(told(order, "message.sent")) == 1


def test_a_worker_whose_lease_was_taken_over_sends_nothing(company, post):
    company.place(("TEE", 1))
    [mine] = outbox.claim("notify", limit=1)
    OutboxRow.objects.update(next_at=timezone.now() - timedelta(minutes=1))
    [theirs] = outbox.claim("notify", limit=1)
    assert outbox.work(mine) is False
    assert post.mails == []
    assert outbox.work(theirs) is True
    assert len(post.mails) == 1


def test_an_order_that_was_rolled_back_sends_nothing(live_company, post):  # case 173
    with transaction.atomic():
        live_company.place(("TEE", 1))
        transaction.set_rollback(True)
    assert send_all() == 0
    assert post.mails == []
    assert not Notification.objects.exists()


# --- the mail server misbehaves ------------------------------------------------------------------


def test_a_server_that_is_down_delays_the_mail_and_leaves_no_links_behind(live_company, post):
    order = live_company.place(("TEE", 1))
    post.close()
    assert send_all() == 0
    row = asked(order, "order.received")
    assert row.attempts == 1
    assert row.next_at > timezone.now()
    assert "ConnectionRefusedError" in row.last_error
    assert Notification.objects.get().state == "pending"
    assert not CustomerLink.objects.exists()
    post.open()
    outbox.retry([row.pk])
    assert send_all() == 1
    assert len(post.mails) == 1


def test_a_recipient_refused_for_good_is_written_down_in_the_servers_words(company, post):
    post.answers[ANA] = f"550 5.1.1 No mailbox <{ANA}> here"
    order = company.place(("TEE", 1))
    assert send_all() == 1  # the work is done: no attempt will help
    message = Notification.objects.get()
    assert message.state == "suppressed"
    assert message.reason == (
        "refused by the mail server: 550 5.1.1 No mailbox <(the address)> here"
    )
    assert told(order, "message.suppressed") == [
        {"notification": message.pk, "template": "confirmation", "reason": "refused"}
    ]


@pytest.mark.parametrize(
    "answer", [f"450 {ANA} try later", "554 5.7.1 Relay access denied", "530 5.7.0 Log in first"]
)
def test_a_refusal_that_can_pass_is_tried_again(live_company, post, answer):
    post.answers[ANA] = answer
    order = live_company.place(("TEE", 1))
    assert send_all() == 0
    row = asked(order, "order.received")
    assert answer[:3] in row.last_error
    assert ANA not in row.last_error
    assert Notification.objects.get().state == "pending"
    post.answers.clear()
    outbox.retry([row.pk])
    assert send_all() == 1
    assert len(post.mails) == 1


# --- what is not sent, and why -------------------------------------------------------------------


def test_a_test_order_sends_nothing(company, post):
    order = company.place(("TEE", 1), test=True)
    assert send_all() == 1
    assert post.mails == []
    assert Notification.objects.get().reason == "test order"
    assert told(order, "message.suppressed")[0]["reason"] == "test_order"


def test_an_order_without_an_address_sends_nothing(company, post):
    order = company.place(("TEE", 1))
    OrderContact.objects.update(email="")
    assert send_all() == 1
    assert post.mails == []
    assert Notification.objects.get().reason == "no usable e-mail address"
    assert told(order, "message.suppressed")[0]["reason"] == "no_address"


def test_after_a_backlog_an_order_that_has_left_is_not_confirmed(company, post):  # case 179
    order = company.place(("CAP", 2))
    for task in packed(order):
        ship(task)
    assert send_all() == 3
    assert len(post.mails) == 2
    assert all("on its way" in subject for subject in post.subjects())
    confirmation = Notification.objects.get(template="confirmation")
    assert confirmation.reason == "outdated: every unit has left, is ready or was canceled"


def test_after_a_backlog_a_parcel_that_has_arrived_is_only_reported_delivered(company, post):
    order = company.place(("TEE", 1))
    [task] = packed(order)
    parcel = ship(task)
    work.track(parcel_id=parcel, status="delivered", at=timezone.now(), actor="carrier")
    send_all()
    assert post.subjects() == [f"Your Maestro Demo Company order {order.number} was delivered"]


def test_after_a_backlog_a_canceled_order_is_not_confirmed(company, post):
    order = company.place(("TEE", 1))
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    send_all()
    templates = Notification.objects.filter(state="sent").values_list("template", flat=True)
    assert sorted(templates) == ["canceled", "refund"]
    assert len(post.mails) == 2


def test_after_a_backlog_what_was_collected_is_not_announced(company, post):
    order = company.place(("TEE", 1), delivery=pickup_at("LYON"))
    [task] = packed(order)
    work.ready(fulfillment_order_id=task.pk, actor="lea")
    work.collect(fulfillment_order_id=task.pk, name="Ana", actor="lea")
    send_all()
    assert post.mails == []
    assert set(Notification.objects.values_list("state", flat=True)) == {"suppressed"}


def test_an_order_partly_on_its_way_is_still_confirmed(company, post):
    order = company.place(("CAP", 2))
    ship(packed(order)[0])
    send_all()
    assert len(post.mails) == 2


# --- what stays in the database ------------------------------------------------------------------


def test_the_link_of_a_mail_opens_the_order_and_its_token_is_nowhere_in_the_database(company, post):
    order = company.place(("TEE", 1))
    send_all()
    token = post.text().partition("/track/")[2].partition("/")[0]
    assert links.find(token) == order
    assert "/track/(link)/" in Notification.objects.get().body
    for model in apps.get_models():
        assert token not in str(list(model._base_manager.values())), model


def test_work_and_timeline_hold_nothing_personal(company, post):
    company.place(("TEE", 1))
    post.answers[ANA] = f"450 <{ANA}> is busy"
    send_all()
    post.answers.clear()
    OutboxRow.objects.update(next_at=timezone.now() - timedelta(days=1))
    send_all()
    assert len(post.mails) == 1
    kept = str([*OutboxRow.objects.values(), *OrderEvent.objects.values()])
    for word in (ANA, "Ana", "Živić", "république", "Tee"):
        assert word not in kept


# --- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["order.received", "parcel.shipped", "order.canceled"])
def test_statements_do_not_grow_with_lines(company, post, event):
    counts = []
    for lines in (1, 30):
        order = company.place(*[("TEE", 1)] * lines)
        if event == "parcel.shipped":
            ship(packed(order)[0])
        if event == "order.canceled":
            cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
        row = asked(order, event)
        with CaptureQueriesContext(connection) as captured:
            finish(row)
        counts.append(len([q for q in captured if "SAVEPOINT" not in q["sql"]]))
        assert post.text().count("x Tee") == lines
    assert counts[0] == counts[1] <= 10


def pickup_at(code: str) -> dict:
    return {"method": "pickup", "location": code, "service": "standard"}
