"""The channels' door for availability: asked, explained, told, and posted to them."""

import csv
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from config import outbox, outgoing
from config.models import OutboxRow
from inventory import ledger
from inventory.models import Product, Supply
from orders import publishing, stock_webhook
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, ChannelStock, SalesChannel
from orders.webhooks import signing
from tests.moments import pause
from tests.orders.door import problem, read, send

URL = "/api/v1/availability"


def change(company, sku, code, on_hand):
    ledger.post(
        [ledger.Entry(company.products[sku].pk, company.locations[code].pk, "adjustment",
                      on_hand=on_hand)], actor="test",
    )  # fmt: skip
    publishing.publish_all()


@pytest.fixture
def told(client, company):
    """Asks for changes as the web channel does."""
    publishing.publish_all()

    def ask(since=0, **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        answer = read(client, company, f"{URL}/changes?since={since}&{query}".rstrip("&"))
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


def row(sku):
    return ChannelStock.objects.get(product__sku=sku)


# --- asking --------------------------------------------------------------------------------------


def test_each_sku_is_answered_by_place_and_for_pick_up(client, company):
    [found] = read(client, company, f"{URL}?sku=BAG").json()
    assert found == {
        "sku": "BAG", "available": 10,
        "locations": [{"location": "LYON", "available": 5, "pickup": 5},
                      {"location": "PARIS", "available": 5, "pickup": 5}],
    }  # fmt: skip
    [found] = read(client, company, f"{URL}?sku=TEE&location=WH").json()
    assert (found["available"], found["locations"][0]["pickup"]) == (100, 0)


def test_a_thousand_skus_are_asked_for_in_a_body(client, company, django_assert_max_num_queries):
    Product.objects.bulk_create(Product(sku=f"S{n}", name="x") for n in range(999))
    skus = [f"S{n}" for n in range(999)] + ["TEE"]
    with django_assert_max_num_queries(3):
        answer = send(client, company, {"skus": skus}, url=f"{URL}/query")
    assert answer.status_code == 200
    assert [r["sku"] for r in answer.json()] == skus
    assert answer.json()[-1]["available"] == 220


def test_by_date_what_is_due_counts(client, company):
    day = timezone.now().date() + timedelta(days=4)
    Supply.objects.create(reference="PO", location=company.locations["WH"], quantity=7, eta=day,
                          product=company.products["SOLD"])  # fmt: skip
    day += timedelta(days=1)  # it is put away then
    asked = {"skus": ["SOLD"], "on": day.isoformat()}
    assert send(client, company, asked, url=f"{URL}/query").json()[0]["available"] == 7
    before = (day - timedelta(days=1)).isoformat()
    assert read(client, company, f"{URL}?sku=SOLD&on={before}").json()[0]["available"] == 0
    there = read(client, company, f"{URL}?sku=SOLD&on={day}&location=LYON").json()[0]
    assert there == {"sku": "SOLD", "available": 0, "locations": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"skus": []}, "/skus"),
        ({"skus": ["TEE"] * 1001}, "/skus"),
        ({"skus": ["TEE", "NOPE"]}, "/skus"),
        ({"skus": [{"a": 1}]}, "/skus/0"),
        ({"skus": ["TEE"], "sku": "TEE"}, "/sku"),
        ({"skus": ["TEE"], "on": "tomorrow"}, "/on"),
        ({"skus": ["TEE"], "location": "NOWHERE"}, "/location"),
        ([], "/"),
    ],
)
def test_a_question_that_is_wrong_is_told_where(client, company, body, pointer):
    problem(send(client, company, body, url=f"{URL}/query"), 400, "invalid", pointer)


@pytest.mark.parametrize(
    "query",
    ["?sku=TEE&on=2026-13-01", "?sku=TEE&location=a%00b", "?sku=TEE&location=NOPE",
     "/changes?since=-1", "/changes?since=x", "/changes?since=99999999999999999999",
     "/changes?limit=0", "/changes?cursor=1",
     "/snapshot?cursor=x", "/snapshot?limit=-3", "/TEE/explained?at=yesterday",
     "/TEE/explained?at=2026-11-23T10:00:00", "/TEE/explained?at=2999-01-01T00:00:00Z",
     "/TEE/explained?at=0001-01-01T00:00:00%2B14:00"],
)  # fmt: skip
def test_parameters_that_are_wrong_are_named(client, company, query):
    problem(read(client, company, URL + query), 400, "invalid")


def test_a_stock_points_key_is_refused_everywhere(client, company):
    for path in ("?sku=TEE", "/changes", "/snapshot", "/TEE/explained"):
        answer = read(client, company, URL + path, key=company.location_key("WH"))
        problem(answer, 403, "permission_denied")


# --- explained -----------------------------------------------------------------------------------


def test_the_waterfall_is_told_step_by_step(client, company, told):
    told()
    found = read(client, company, f"{URL}/TEE/explained").json()
    assert (found["available"], found["told"], found["acknowledged"]) == (220, 220, None)
    steps = found["steps"]
    assert [s["left"] - s["change"] for s in steps[1:]] == [s["left"] for s in steps[:-1]]
    assert steps[0]["locations"][0] == {"location": "LYON", "units": 10}
    problem(read(client, company, f"{URL}/NOPE/explained"), 404, "not_found")


def test_it_is_told_as_of_a_moment(client, company):
    then = pause()
    company.place(("TEE", 20))
    at = then.isoformat().replace("+", "%2B")
    assert read(client, company, f"{URL}/TEE/explained?at={at}").json()["available"] == 220
    assert read(client, company, f"{URL}/TEE/explained").json()["available"] == 200


def test_a_sku_may_hold_a_slash(client, company):
    Product.objects.create(sku="A/B 1", name="x")
    assert read(client, company, f"{URL}/A/B%201/explained").json()["sku"] == "A/B 1"


# --- the feed ------------------------------------------------------------------------------------


def test_the_feed_tells_everything_once_and_then_what_changed(company, told):
    first = told()
    assert {c["sku"]: c["available"] for c in first["changes"]} == {
        "TEE": 220, "MUG": 110, "BAG": 10, "CAP": 2,
    }  # fmt: skip
    assert told(first["next"])["changes"] == []
    change(company, "TEE", "WH", -1)
    [later] = told(first["next"])["changes"]
    assert (later["sku"], later["available"], later["in_stock"], later["crossed"]) == (
        "TEE", 219, True, None,
    )  # fmt: skip


def test_pages_follow_each_other_without_a_gap(told):
    seen, since = [], 0
    while True:
        page = told(since, limit=1)
        seen += [c["sku"] for c in page["changes"]]
        since = page["next"]
        if not page["more"]:
            break
    assert sorted(seen) == ["BAG", "CAP", "MUG", "TEE"]


def test_what_is_returned_is_told_and_the_next_question_confirms_it(company, told):
    page = told()
    assert (row("TEE").sent, row("TEE").acknowledged) == (220, None)
    change(company, "TEE", "WH", -20)
    assert row("TEE").sent == 220
    told(page["next"])
    assert (row("TEE").sent, row("TEE").acknowledged) == (200, 220)


def test_a_crossing_is_told_until_it_is_confirmed_and_not_after(company, told):
    start = told()["next"]
    told(start)
    company.place(("CAP", 2))
    publishing.publish_all()
    for _ in range(2):  # the first answer may have got lost
        gone = told(start)
        assert [(c["sku"], c["crossed"]) for c in gone["changes"]] == [("CAP", "out_of_stock")]
    told(gone["next"])
    change(company, "CAP", "WH", 3)
    back = told(gone["next"])
    assert [c["crossed"] for c in back["changes"]] == ["back_in_stock"]
    change(company, "CAP", "WH", 1)
    assert [c["crossed"] for c in told(back["next"])["changes"]] == [None]


def test_each_channel_has_its_own_feed(client, company, told):
    told()
    other = SalesChannel.objects.create(code="m", name="M", kind="marketplace", pool=company.pool)
    _, key = ApiKey.objects.create_key(name="m", channel=other, scopes=CHANNEL_SCOPES)
    publishing.publish_all()
    page = read(client, company, f"{URL}/changes", key=key).json()
    assert len(page["changes"]) == 4
    assert told(10**6)["changes"] == []
    assert not ChannelStock.objects.filter(channel=other).exclude(acknowledged=None).exists()


def test_the_snapshot_is_paged_and_goes_on_with_the_feed(client, company, told):
    seen, cursor, since = [], 0, None
    while cursor is not None:
        page = read(client, company, f"{URL}/snapshot?limit=3&cursor={cursor}").json()
        since = page["since"] if since is None else since
        seen += [r["sku"] for r in page["rows"]]
        cursor = page["next"]
        if len(seen) == 3:
            change(company, "TEE", "WH", -2)
    assert seen == ["TEE", "MUG", "BAG", "CAP"]
    assert [c["sku"] for c in told(since)["changes"]] == ["TEE"]


@pytest.mark.parametrize("how", ["format=csv", "accept"])
def test_the_snapshot_is_a_file_when_asked_for(client, company, told, how):
    Product.objects.filter(sku="MUG").update(sku="=MUG")
    headers = {"Authorization": f"Bearer {company.web_key}"}
    if how == "accept":
        answer = client.get(f"{URL}/snapshot", headers=headers | {"Accept": "text/csv"})
    else:
        answer = client.get(f"{URL}/snapshot?{how}", headers=headers)
    assert answer["Content-Type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    found = list(csv.reader(io.StringIO(text)))
    assert found == [
        ["sku", "available", "in_stock"], ["TEE", "220", "yes"], ["'=MUG", "110", "yes"],
        ["BAG", "10", "yes"], ["CAP", "2", "yes"],
    ]  # fmt: skip
    assert row("TEE").sent == 220


def test_a_file_that_cannot_be_is_a_problem_in_json(client, company):
    problem(read(client, company, f"{URL}/snapshot?format=csv&pages=1"), 400, "invalid")
    assert read(client, company, f"{URL}/snapshot?format=xml").status_code == 404


# --- the webhook ---------------------------------------------------------------------------------


class Shop:
    """A channel's own server: keeps what it is sent, answers what it is told to."""

    def __init__(self):
        self.answers, self.got = [], []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.got.append((self.path, dict(self.headers), body))
                self.send_response(shop.answers.pop(0) if shop.answers else 204)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/stock?shop=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def changes(self, n=-1):
        return {c["sku"]: c["available"] for c in json.loads(self.got[n][2])["data"]["changes"]}


@pytest.fixture
def shop(company, settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    shop = Shop()
    company.web.stock_url, company.web.stock_secret = (
        shop.url,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    company.web.save()
    publishing.publish_all()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()


def deliver():
    OutboxRow.objects.filter(topic="stock_delta").update(
        next_at=timezone.now() - timedelta(minutes=1)
    )
    return outbox.drain("stock_delta")


def test_changes_are_posted_and_count_as_told_and_confirmed(company, shop):
    assert deliver() == 1
    assert shop.got[0][0] == "/stock?shop=1"
    assert shop.changes() == {"TEE": 220, "MUG": 110, "BAG": 10, "CAP": 2}
    assert (row("TEE").sent, row("TEE").acknowledged) == (220, 220)
    publishing.publish()
    assert deliver() == 0
    company.place(("CAP", 2))
    publishing.publish_all()
    deliver()
    assert json.loads(shop.got[1][2])["data"]["changes"][0]["crossed"] == "out_of_stock"
    assert shop.changes() == {"CAP": 0}


def test_the_signature_is_the_standards(shop):
    deliver()
    _, headers, body = shop.got[0]
    assert Webhook(SalesChannel.objects.get().stock_secret).verify(body, dict(headers))
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)
    again = stock_webhook.signed(SalesChannel.objects.get(), body, at=at)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert headers[name] == again[name]


def test_the_signature_is_that_of_the_published_example():
    """The test vector of the Standard Webhooks libraries."""
    made = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        at=datetime.fromtimestamp(1614265330, tz=UTC),
    )  # fmt: skip
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [302, 400, 500])
def test_anything_but_yes_is_tried_again_with_the_same_id(shop, status):
    shop.answers = [status]
    assert deliver() == 0
    assert row("TEE").sent is None
    assert f"answered {status}" in OutboxRow.objects.get(topic="stock_delta").last_error
    assert deliver() == 1
    assert shop.got[0][1]["webhook-id"] == shop.got[1][1]["webhook-id"]
    assert row("TEE").acknowledged == 220


def test_a_repeat_with_news_in_it_has_an_id_of_its_own(company, shop):
    shop.answers = [500]
    deliver()
    change(company, "TEE", "WH", -1)
    deliver()
    assert shop.got[0][1]["webhook-id"] != shop.got[1][1]["webhook-id"]
    assert shop.changes()["TEE"] == 219


def test_one_row_of_work_is_open_per_channel(company, shop):
    for _ in range(3):
        change(company, "TEE", "WH", -1)
    assert OutboxRow.objects.filter(topic="stock_delta", done_at=None).count() == 1


def test_many_changes_go_in_messages_of_a_bounded_size(company, shop, monkeypatch):
    monkeypatch.setattr(stock_webhook, "ROWS", 3)
    deliver()
    publishing.publish()
    deliver()
    assert [len(shop.changes(n)) for n in (0, 1)] == [3, 1]
    assert not ChannelStock.objects.filter(acknowledged=None).exists()


def test_what_changes_while_it_is_posted_is_not_taken_for_told(company, shop):
    figures = publishing.unsent(company.web, limit=10)
    change(company, "TEE", "WH", -5)
    publishing.sent(figures)
    assert (row("TEE").sent, row("TEE").quantity) == (220, 215)
    assert [f.sku for f in publishing.unsent(company.web, limit=10)] == ["TEE"]


def test_without_a_secret_nothing_is_posted(company, shop):
    SalesChannel.objects.update(stock_secret="")
    assert deliver() == 0
    assert "stock secret" in OutboxRow.objects.get(topic="stock_delta").last_error
    assert shop.got == []


def test_a_channel_that_is_switched_off_is_told_zero(company, shop):
    deliver()
    company.web.active = False
    company.web.save()
    publishing.publish_all()
    deliver()
    assert set(shop.changes().values()) == {0}


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0177.0.0.1/", "http://[::1]/",
     "http://[::ffff:169.254.169.254]/", "http://[2002:a9fe:a9fe::]/", "http://[64:ff9b::a9fe:a9fe]/",
     "http://localhost/", "http://10.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd",
     "gopher://example.org/", "http://user@example.org/", "http://93.184.216.34:22/", "http://０177.0.0.1/",
     "http://[fe80::1]/", "http://0.0.0.0/", "http://100.64.0.1/", "http://224.0.0.1/", "http://x:99999/"],
)  # fmt: skip
def test_addresses_inside_are_never_called(url, monkeypatch):
    monkeypatch.setattr(outgoing, "_pool", lambda *_: pytest.fail("a connection"))
    with pytest.raises(outgoing.NotAllowed):
        outgoing.post(url, b"", headers={})


def test_a_name_that_leads_inside_is_not_called(monkeypatch):
    monkeypatch.setattr(outgoing, "_pool", lambda *_: pytest.fail("a connection"))
    answers = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.1.2.3", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(outgoing.NotAllowed, match=r"10\.1\.2\.3"):
        outgoing.post("http://rebinds.example/", b"", headers={})


def test_a_server_that_is_away_is_words_and_no_crash(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    with pytest.raises(outgoing.NotTaken, match="could not be reached"):
        outgoing.post("http://127.0.0.1:9999/", b"", headers={})
