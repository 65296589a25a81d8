"""Events reach who asked for them: signed, in order, again and again for days, and never twice as
something else."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from config import flows, outbox
from config.models import OutboxRow
from orders import events, timeline
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, OrderEvent, SalesChannel, WebhookDelivery, WebhookEndpoint
from orders.webhooks import endpoints, replaying, sending
from orders.webhooks.kinds import KINDS
from tests.orders.door import problem, read, send
from tests.orders.receiver import Receiver

URL = "/api/v1/webhooks"


@pytest.fixture
def receiver(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def endpoint(company, receiver):
    return listen(company, receiver)


def listen(company, receiver, **given):
    return endpoints.create(**{"channel": company.web, "url": receiver.url, **given})


def work(*, hours=0, rounds=1):
    """Let everything that waits be due `hours` from now, and do it."""
    with time_machine.travel(timezone.now() + timedelta(hours=hours), tick=True):
        for _ in range(rounds):
            OutboxRow.objects.filter(topic="webhook", done_at=None).update(
                next_at=timezone.now() - timedelta(days=9)
            )
            outbox.drain("webhook", seconds=30)


def deliver():
    """Do what is due now, and nothing that was put off."""
    OutboxRow.objects.filter(topic="webhook", done_at=None, next_at__lte=timezone.now()).update(
        next_at=timezone.now() - timedelta(days=9)
    )
    return outbox.drain("webhook", seconds=30)


def tell(order, *kinds):
    for kind in kinds:
        events.record(order.pk, kind, actor="test", units=1)


def log(endpoint):
    return list(endpoint.deliveries.order_by("id"))


# --- what is told ---------------------------------------------------------------------------------


def test_an_order_is_told_signed_and_without_personal_data(company, endpoint, receiver):
    order = company.place(("TEE", 2), external_id="X-7")
    work()
    first = receiver.messages(endpoint.secret)[0]
    received = order.events.get(kind="order.received")
    assert first["type"] == "order.received"
    assert first["timestamp"] == received.at.isoformat()
    assert first["data"] == {
        "order": order.number, "external_id": "X-7", "channel": "web", "test": False,
        "version": 1, "sequence": received.pk, "event": received.data,
    }  # fmt: skip
    said = b"".join(body for _, body in receiver.got)
    for secret in ("ana@example.org", "Ana", "69001", "+33"):
        assert secret.encode() not in said
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another secret").verify(receiver.got[0][1], receiver.got[0][0])


def test_only_who_asked_is_told(company, receiver):
    other = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    everything = listen(company, receiver, channel=None)
    mine = listen(company, receiver, kinds=["hold.opened", "order.received"])
    theirs = listen(company, receiver, channel=other)
    off = listen(company, receiver)
    endpoints.change(off, active=False)
    tell(company.place(), "hold.opened", "order.closed")
    told = {e: [d.event.kind for d in log(e)] for e in (everything, mine, theirs, off)}
    assert told[everything][-2:] == ["hold.opened", "order.closed"]
    assert told[mine] == ["order.received", "hold.opened"]
    assert told[theirs] == told[off] == []


def test_events_deliveries_and_work_are_one_statement(company, receiver):
    order = company.place()
    for endpoint_count in (0, 3):
        for _ in range(endpoint_count):
            listen(company, receiver)
        with CaptureQueriesContext(connection) as seen:
            events.record_many([(order.pk, "hold.opened", {})] * 5, actor="test")
        assert len(seen) == 1
        assert WebhookDelivery.objects.filter(event__kind="hold.opened").count() == (
            5 * endpoint_count
        )
        assert OutboxRow.objects.filter(topic="webhook").count() == 5 * endpoint_count


def test_a_rolled_back_change_is_never_told(company, endpoint, receiver):
    order = company.place()
    work(rounds=2)
    before = len(receiver.got)
    with transaction.atomic():
        tell(order, "hold.opened")
        transaction.set_rollback(True)
    work()
    assert len(receiver.got) == before


def test_every_event_there_is_can_be_asked_for_and_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    assert set(timeline.WORDS) | set(flows.RINGS) <= set(KINDS)
    assert re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE) == list(KINDS)


# --- what happens when it is not taken ------------------------------------------------------------


def one(company, endpoint):
    """One event to tell, and nothing else."""
    order = company.place()
    WebhookDelivery.objects.all().delete()
    OutboxRow.objects.filter(topic="webhook").delete()
    tell(order, "hold.opened")
    return WebhookDelivery.objects.get()


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_anything_but_2xx_is_tried_again_with_the_same_id_and_body(
    company, endpoint, receiver, status
):
    delivery = one(company, endpoint)
    receiver.refuse(status, Location="http://127.0.0.1:9/")
    deliver()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.attempts) == ("pending", status, 1)
    assert deliver() == 0  # not before its time
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.attempts) == ("sent", 204, 2)
    assert receiver.ids() == [f"msg_{delivery.pk}"] * 2
    assert receiver.got[0][1] == receiver.got[1][1]
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since) == (0, None)


def test_waits_grow_over_three_days_and_then_it_is_given_up(company, endpoint, receiver):
    delivery = one(company, endpoint)
    hours, waits = 0.0, []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        while delivery.state == "pending":
            receiver.refuse(500)
            now = timezone.now()
            OutboxRow.objects.filter(topic="webhook", done_at=None).update(
                next_at=now - timedelta(days=30)
            )
            WebhookEndpoint.objects.update(paused_until=None)
            outbox.drain("webhook")
            delivery.refresh_from_db()
            row = OutboxRow.objects.get(topic="webhook")
            if row.done_at is None:
                waits.append((row.next_at - now).total_seconds())
                clock.shift(waits[-1])
                hours += waits[-1] / 3600
    assert delivery.state == "failed"
    assert delivery.attempts == len(sending.WAITS) + 1
    assert waits == sorted(waits)
    assert 68 < hours < 84


def test_deliveries_of_an_order_keep_their_order_and_others_pass(company, endpoint, receiver):
    first, second = company.place(), company.place()
    WebhookDelivery.objects.all().delete()
    OutboxRow.objects.filter(topic="webhook").delete()
    tell(first, "hold.opened")
    tell(first, "hold.resolved")
    tell(second, "order.closed")
    receiver.refuse(500)
    deliver()
    assert receiver.kinds() == ["hold.opened", "order.closed"]
    work(rounds=2)
    assert receiver.kinds() == ["hold.opened", "order.closed", "hold.opened", "hold.resolved"]


def test_retry_after_is_honored_for_the_whole_endpoint(company, endpoint, receiver):
    one(company, endpoint)
    receiver.refuse(429, Retry_After="7200")
    deliver()
    endpoint.refresh_from_db()
    left = (endpoint.paused_until - timezone.now()).total_seconds()
    assert 7000 < left <= 7200
    tell(company.place(), "hold.opened")  # news wait, too
    assert deliver() == 0
    assert len(receiver.got) == 1
    work(hours=3, rounds=2)
    assert not WebhookDelivery.objects.exclude(state="sent").exists()


def test_410_switches_the_endpoint_off(company, endpoint, receiver):
    one(company, endpoint)
    tell(company.place(), "hold.opened")
    receiver.refuse(410)
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_reason) == (False, "it answered 410 Gone")
    assert {d.state for d in log(endpoint)} == {"failed"}
    assert not OutboxRow.objects.filter(topic="webhook", done_at=None).exists()
    tell(company.place(), "hold.opened")
    assert len(receiver.got) == 1


def test_a_dead_endpoint_costs_one_request_while_its_breaker_is_open(company, endpoint, receiver):
    for _ in range(12):
        company.place()
    receiver.refuse(*[500] * 100)
    deliver()
    endpoint.refresh_from_db()
    assert endpoint.failures == endpoints.TRIPS
    assert endpoint.paused_until > timezone.now()
    tried = len(receiver.got)
    company.place()
    assert deliver() == 0  # neither old work nor new
    assert len(receiver.got) == tried
    work(hours=1)  # everything is due, and one asks
    assert len(receiver.got) == tried + 1
    endpoint.refresh_from_db()
    assert endpoint.failures == endpoints.TRIPS + 1
    receiver.answers.clear()
    work(hours=3)
    work(hours=3, rounds=3)
    assert {d.state for d in log(endpoint)} == {"sent"}
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.paused_until) == (0, None)


def test_an_endpoint_that_failed_for_days_is_given_up_and_staff_see_it(
    company, endpoint, receiver, console
):
    one(company, endpoint)
    WebhookEndpoint.objects.update(
        failures=40, failing_since=timezone.now() - timedelta(days=5), paused_until=None
    )
    receiver.refuse(500)
    deliver()
    endpoint.refresh_from_db()
    assert not endpoint.active
    assert "no success since" in endpoint.disabled_reason
    assert "webhooks that fail or were given up" in console.get("/admin/").content.decode()


def test_nothing_is_posted_into_our_own_network(company, endpoint, receiver, settings):
    delivery = one(company, endpoint)
    settings.OUTGOING_PRIVATE_ALLOWED = False
    work()
    delivery.refresh_from_db()
    assert receiver.got == []
    assert "not on the open internet" in delivery.answer


def test_a_secret_is_rotated_with_a_day_in_which_both_sign(company, endpoint, receiver):
    old = endpoint.secret
    new = endpoints.rotate(endpoint).secret
    one(company, endpoint)
    work()
    for secret in (old, new):
        assert receiver.messages(secret)[0]["type"] == "hold.opened"
    WebhookEndpoint.objects.update(old_secret_until=timezone.now() - timedelta(days=1))
    tell(company.place(), "hold.opened")
    receiver.got.clear()
    work()
    assert receiver.messages(new)
    with pytest.raises(WebhookVerificationError):
        receiver.messages(old)


def test_what_is_sent_is_forgotten_after_a_month(company, endpoint, receiver):
    one(company, endpoint)
    work()
    later = timezone.now() + timedelta(days=31)
    tell(company.place(), "hold.opened")  # still to be sent
    assert replaying.forget(timezone.now())["webhooks"] == 0
    assert replaying.forget(later)["webhooks"] == 1
    assert {d.state for d in log(endpoint)} == {"pending"}


def test_a_delivery_that_lost_its_work_is_given_up(company, endpoint):
    delivery = one(company, endpoint)
    OutboxRow.objects.filter(topic="webhook").update(dead_at=timezone.now())
    replaying.forget(timezone.now() + timedelta(days=2))
    delivery.refresh_from_db()
    assert delivery.state == "failed"


# --- REST -----------------------------------------------------------------------------------------


def test_a_channel_makes_reads_changes_and_deletes_its_webhooks(client, company, receiver):
    body = {"url": receiver.url, "kinds": ["order.received"], "description": "shop"}
    made = send(client, company, body, url=URL)
    assert made.status_code == 201, made.content
    secret, pk = made.json()["secret"], made.json()["id"]
    assert secret.startswith("whsec_")
    one_url = f"{URL}/{pk}"
    shown = read(client, company, one_url).json()
    assert "secret" not in shown
    assert (shown["health"], shown["kinds"]) == ("healthy", ["order.received"])
    assert [row["id"] for row in read(client, company, URL).json()["results"]] == [pk]
    changed = client.patch(
        one_url, json.dumps({"active": False, "kinds": []}), content_type="application/json",
        headers={"Authorization": f"Bearer {company.web_key}"},
    ).json()  # fmt: skip
    assert (changed["active"], changed["health"], changed["kinds"]) == (False, "off", [])
    rotated = send(client, company, {}, url=f"{one_url}/rotate").json()
    assert rotated["secret"] != secret
    gone = client.delete(one_url, headers={"Authorization": f"Bearer {company.web_key}"})
    assert gone.status_code == 204
    assert read(client, company, one_url).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x", "http://127.1/", "http://0x7f000001/", "http://2130706433/",
        "http://[::1]/", "http://[::ffff:169.254.169.254]/", "http://[2002:a9fe:a9fe::]/",
        "http://[64:ff9b::a9fe:a9fe]/", "https://user@example.org/", "https://example.org:22/",
        "ftp://example.org/", "nonsense", "", 7, None,
    ],
)  # fmt: skip
def test_an_address_we_may_not_speak_to_is_refused_at_once(client, company, url):
    problem(send(client, company, {"url": url}, url=URL), 400, "invalid", "/url")


def test_an_event_that_does_not_exist_is_refused(client, company):
    body = {"url": "https://example.org/h", "kinds": ["order.recieved"]}
    problem(send(client, company, body, url=URL), 400, "invalid", "/kinds")


def test_a_channel_has_at_most_twenty(client, company, receiver):
    for _ in range(endpoints.MOST):
        listen(company, receiver)
    problem(send(client, company, {"url": receiver.url}, url=URL), 409, "too_many_webhooks")


def test_the_log_says_what_came_back_and_is_replayed(client, company, endpoint, receiver):
    delivery = one(company, endpoint)
    receiver.refuse(503)
    deliver()
    row = read(client, company, f"{URL}/{endpoint.pk}/deliveries").json()["results"][0]
    assert row == row | {
        "message": f"msg_{delivery.pk}", "kind": "hold.opened", "state": "pending", "status": 503,
        "attempts": 1, "order": delivery.event.order.number,
    }  # fmt: skip
    again = f"{URL}/{endpoint.pk}/deliveries/{delivery.pk}/replay"
    assert send(client, company, {}, url=again).json() == {"replayed": 0, "next": None}
    work()
    answer = send(client, company, {}, url=again)
    assert (answer.status_code, answer.json()["replayed"]) == (202, 1)
    work()
    assert receiver.ids() == [f"msg_{delivery.pk}"] * 3
    sent = read(client, company, f"{URL}/{endpoint.pk}/deliveries?state=failed").json()
    assert sent["results"] == []


def test_what_failed_since_a_moment_is_sent_again_in_its_order(client, company, endpoint, receiver):
    for _ in range(3):
        company.place()
    receiver.refuse(410)
    work()
    since = (timezone.now() - timedelta(hours=2)).isoformat()
    replay = f"{URL}/{endpoint.pk}/replay"
    problem(send(client, company, {"since": since}, url=replay), 409, "switched_off")
    endpoints.change(endpoint, active=True)
    failed = [d.pk for d in log(endpoint)]
    assert send(client, company, {"since": since}, url=replay).json() == {
        "replayed": len(failed), "next": None,
    }  # fmt: skip
    receiver.got.clear()
    work(rounds=3)
    assert sorted(int(i.removeprefix("msg_")) for i in receiver.ids()) == failed
    problem(send(client, company, {}, url=replay), 400, "invalid", "/since")


def test_a_test_message_is_about_no_order(client, company, endpoint, receiver):
    answer = send(client, company, {}, url=f"{URL}/{endpoint.pk}/test")
    assert (answer.status_code, answer.json()["kind"]) == (202, "webhook.test")
    work()
    assert receiver.messages(endpoint.secret)[0]["type"] == "webhook.test"


def test_others_webhooks_and_logs_are_not_there(client, company, endpoint, receiver):
    delivery = one(company, endpoint)
    other = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    _, key = ApiKey.objects.create_key(name="app", channel=other, scopes=CHANNEL_SCOPES)
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get(URL, headers=headers).json()["results"] == []
    place = f"{URL}/{endpoint.pk}"
    for url in (place, f"{place}/deliveries", f"{URL}/{2**70}"):
        assert client.get(url, headers=headers).status_code == 404
    for url in ("rotate", "test", "replay", f"deliveries/{delivery.pk}/replay"):
        assert client.post(f"{place}/{url}", headers=headers).status_code == 404
    assert client.delete(place, headers=headers).status_code == 404
    theirs = endpoints.create(channel=other, url=receiver.url)
    cross = f"{URL}/{theirs.pk}/deliveries/{delivery.pk}/replay"
    assert client.post(cross, headers=headers).status_code == 404
    _, narrow = ApiKey.objects.create_key(name="n", channel=company.web, scopes=["orders"])
    assert client.get(URL, headers={"Authorization": f"Bearer {narrow}"}).status_code == 403


# --- console --------------------------------------------------------------------------------------


def test_staff_make_test_pause_and_replay_in_the_console(console, company, receiver):
    new = reverse("admin:orders_webhookendpoint_new_endpoint")
    refused = console.post(new, {"url": receiver.url, "kinds": "order.recieved", "channel": ""})
    assert "no event is called" in refused.content.decode()
    given = {"url": receiver.url, "kinds": "order.received\nhold.opened", "channel": ""}
    page = console.post(new, given, follow=True).content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in page
    assert endpoint.secret not in console.get(
        reverse("admin:orders_webhookendpoint_change", args=[endpoint.pk])
    ).content.decode()  # fmt: skip

    def act(name, data=None):
        url = reverse(f"admin:orders_webhookendpoint_{name}", args=[endpoint.pk])
        return console.post(url, data or {}, follow=True).content.decode()

    assert "on its way" in act("send_test")
    company.place()
    receiver.refuse(200, 500)
    work()
    listed = console.get(reverse("admin:orders_webhookdelivery_changelist")).content.decode()
    assert "webhook.test" in listed
    assert "order.received" in listed
    assert "500" in listed
    assert "Nothing is posted any more" in act("switch")
    assert "switched off" in act("send_test")
    assert "posted from now on" in act("switch")
    since = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "1 deliveries are sent again" in act("replay_failed", {"since": since})
    work()
    assert endpoint.deliveries.exclude(state="sent").count() == 0
    page = console.post(
        reverse("admin:orders_webhookdelivery_changelist"),
        {"action": "send_again", "_selected_action": [d.pk for d in log(endpoint)]}, follow=True,
    ).content.decode()  # fmt: skip
    assert "2 deliveries are sent again" in page
    detail = reverse("admin:orders_webhookdelivery_change", args=[log(endpoint)[1].pk])
    assert "order.received" in console.get(detail).content.decode()
    assert "deleted" in act("remove")
    assert not WebhookEndpoint.objects.exists()
    assert OrderEvent.objects.exists()
