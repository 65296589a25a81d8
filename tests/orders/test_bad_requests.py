"""Who may ask, for what, and in which words: everything else is refused and changes nothing."""

import json
from base64 import b64encode
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.request import Request

from config.api import MAX_BODY_BYTES, CursorPages
from config.bodies import with_length
from inventory.models import StockPool
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, SalesChannel
from tests.cast import payload
from tests.orders import door
from tests.orders.door import URL, problem, read, send

# --- keys ----------------------------------------------------------------------------------------


def keys(company) -> dict[str, str]:
    made = {}
    for name, changes in {
        "revoked": {"revoked": True},
        "expired": {"expiry_date": timezone.now() - timedelta(days=1)},
        "scopeless": {"scopes": ["availability"]},
    }.items():
        _, made[name] = ApiKey.objects.create_key(
            **{"name": name, "channel": company.web, "scopes": CHANNEL_SCOPES} | changes
        )
    return made


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401), ("", 401), ("Bearer", 401), ("Bearer ", 401), ("Bearer nonsense", 401),
        ("Bearer a.b", 401), ("Basic {web}", 401), ("{web}", 401), ("Bearer {web}x", 401),
        ("Bearer é", 401), ("Bearer {revoked}", 401), ("Bearer {expired}", 401),
        ("Bearer {scopeless}", 403), ("Bearer {store}", 403),
    ],
)  # fmt: skip
def test_a_key_that_is_not_good_opens_nothing(client, company, header, status):
    given = keys(company) | {"web": company.web_key, "store": company.location_key("LYON")}
    headers = {} if header is None else {"Authorization": header.format(**given)}
    for answer in (
        client.post(URL, payload(), content_type="application/json", headers=headers),
        client.get(URL, headers=headers),
    ):
        problem(answer, status)
        assert status != 401 or answer["WWW-Authenticate"] == "Bearer"


def test_a_channel_that_is_switched_off_may_not_order(client, company):
    SalesChannel.objects.update(active=False)
    problem(send(client, company, payload()), 401, "authentication_failed")


# --- orders of other channels --------------------------------------------------------------------


@pytest.fixture
def other(company):
    """Another channel's key."""
    pool = StockPool.objects.get()
    channel = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=pool)
    return ApiKey.objects.create_key(name="app", channel=channel, scopes=CHANNEL_SCOPES)[1]


@pytest.fixture
def order(company):
    """An order of the web channel."""
    return company.place(("TEE", 1), external_id="X-1")


@pytest.mark.parametrize("way", ["", "/timeline", "/decisions"])
def test_another_channels_order_is_answered_as_one_that_never_was(
    client, company, other, order, way
):
    for reference in ("X-1", order.number):
        theirs = problem(read(client, company, f"{URL}/{reference}{way}", other), 404)
        nobody = problem(read(client, company, f"{URL}/X-9{way}", other), 404)
        assert theirs["detail"] == nobody["detail"].replace("X-9", reference)
        assert theirs["code"] == nobody["code"] == "not_found"


def test_another_channels_order_cannot_be_canceled(client, company, other, order):
    before = door.rows()
    key = {"Authorization": f"Bearer {other}"}
    problem(send(client, company, {}, url=f"{URL}/X-1/cancel", **key), 404, "not_found")
    assert door.rows() == before


def test_another_channels_order_is_in_no_list(client, company, other, order):
    for query in ("", "?external_id=X-1", "?sku=TEE"):
        assert read(client, company, URL + query, other).json()["results"] == []
        assert len(read(client, company, URL + query).json()["results"]) == 1


def test_a_shops_own_count_is_not_taken_for_our_number(client, company, order):
    digits = order.number.removeprefix("M")
    mine = company.place(("MUG", 1), external_id=digits)
    assert read(client, company, f"{URL}/{digits}").json()["number"] == mine.number
    assert read(client, company, f"{URL}/{order.number}").json()["external_id"] == "X-1"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"why": "x"}, "/why"), ({"reason": ""}, "/reason"), ({"reason": "x" * 201}, "/reason"),
     ({"reason": None}, "/reason"), ([], "/")],
)  # fmt: skip
def test_a_cancellation_says_why_in_a_known_field(client, company, order, change, pointer):
    before = door.rows()
    url = f"{URL}/{order.number}/cancel"
    problem(send(client, company, change, url=url), 400, "invalid", pointer)
    assert door.rows() == before


# --- paths and parameters ------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["%00", "X%00", "%E2%80%AE", "M" + "9" * 30, "%ff", "'--"])
def test_a_strange_reference_is_an_order_that_is_not_there(client, company, reference):
    problem(read(client, company, f"{URL}/{reference}"), 404, "not_found")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("stat=open", "/stat"),
        ("ordering=customer", "/ordering"),
        ("page=2", "/page"),
        ("page_size=1000000", "/page_size"),
        ("state=asleep", "/state"),
        ("state=open&state=closed", "/state"),
        ("limit=0", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=", "/limit"),
        ("limit=1e3", "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("cursor=%C3%A9", "/cursor"),
        ("cursor=" + b64encode(b"p=drop").decode(), "/cursor"),
        ("cursor=" + b64encode(b"p=" + b"9" * 40).decode(), "/cursor"),
        ("cursor=" + b64encode(b"o=-1&r=x").decode(), "/cursor"),
        ("placed_since=yesterday", "/placed_since"),
        ("placed_since=2026-11-23", "/placed_since"),
        ("placed_since=2026-11-23T10:00:00", "/placed_since"),
        ("placed_until=2026-11-23T10:00:00+01:00", "/placed_until"),  # its + is a blank
        ("placed_until=2026-13-01T00:00:00Z", "/placed_until"),
        ("sku=a%00b", "/sku"),
        ("external_id=%00", "/external_id"),
    ],
)
def test_a_parameter_that_means_nothing_is_an_error(client, company, query, pointer):
    problem(read(client, company, f"{URL}?{query}"), 400, "invalid", pointer)


@pytest.mark.parametrize(
    "query",
    ["limit=1000000", "placed_since=0001-01-01T00:00:00%2B14:00",
     "placed_until=9999-12-31T23:59:59-14:00", "sku=" + "x" * 500, "external_id=%27%20OR%201=1"],
)  # fmt: skip
def test_a_parameter_at_its_end_is_only_unusual(client, company, query):
    assert read(client, company, f"{URL}?{query}").status_code == 200


def test_a_page_has_200_rows_at_most():
    asked = Request(RequestFactory().get(URL, {"limit": "100000"}))
    assert CursorPages().get_page_size(asked) == 200


def test_cursors_lead_through_all_pages_and_back(client, company):
    numbers = [company.place(("TEE", 1)).number for _ in range(5)][::-1]
    seen, url, back = [], f"{URL}?limit=2", None
    while url:
        body = read(client, company, url).json()
        seen += [row["number"] for row in body["results"]]
        url, back = body["next"], body["previous"]
    assert seen == numbers
    assert [r["number"] for r in read(client, company, back).json()["results"]] == numbers[2:4]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "name 1 to"),
        ("?sku=", "unknown"),
        ("?sku=NOPE,TEE", "'NOPE'"),
        ("?sku=a%00b", "NUL"),
        ("?skus=TEE", "unknown parameter"),
        ("?sku=" + ",".join(["TEE"] * 1001), "name 1 to"),
    ],
)
def test_availability_of_nothing_known_is_an_error(client, company, query, words):
    said = problem(read(client, company, f"/api/v1/availability{query}"), 400, "invalid")
    assert words in said["detail"]


def test_other_methods_are_refused(client, company):
    key = {"Authorization": f"Bearer {company.web_key}"}
    for method in ("put", "patch", "delete"):
        problem(getattr(client, method)(URL, headers=key), 405, "method_not_allowed")


def test_a_path_that_is_not_there_is_a_problem_and_no_page(client, company):
    for path in ("/api/v1/order", "/api/v2/orders", "/api/", "/api/v1/orders/"):
        problem(read(client, company, path), 404, "not_found")
        problem(send(client, company, {}, url=path), 404, "not_found")
    assert "text/html" in client.get("/nowhere")["Content-Type"]


def test_a_host_nobody_knows_is_a_problem_and_no_page(client):
    problem(client.get(URL, headers={"Host": "evil.example"}), 400, "bad_request")
    assert client.get("/livez", headers={"Host": "evil.example"}).status_code == 400


def test_a_fault_of_ours_is_a_problem_that_tells_no_secret(client, company, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("orders.capture.place", lambda **_: 1 / 0)
    said = problem(send(client, company, payload()), 500, "error")
    assert "division" not in str(said)


def test_a_database_that_cannot_answer_is_503_with_a_time_to_come_back(
    client, company, monkeypatch
):
    client.raise_request_exception = False

    def away(**_):
        raise OperationalError("the connection was lost")

    monkeypatch.setattr("orders.capture.place", away)
    answer = send(client, company, payload())
    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"


# --- bodies without a length ---------------------------------------------------------------------


def test_a_body_over_the_limit_is_413_without_its_length_too(live_company):
    body = json.dumps(payload() | {"note": "x" * 20 * MAX_BODY_BYTES}).encode()
    status, said, left = chunked(live_company, body)
    assert (status, said["code"]) == ("413 Request Entity Too Large", "too_large")
    assert left > 18 * MAX_BODY_BYTES  # the rest was never read


def test_a_body_without_its_length_is_read_as_any_other(live_company):
    status, said, _ = chunked(live_company, json.dumps(payload(("NOPE", 1))).encode())
    assert status == "400 Bad Request"
    assert [error["pointer"] for error in said["errors"]] == ["/line_items/0/sku"]


def chunked(company, body: bytes):
    """POST as a server hands on a body in chunks: no Content-Length, an input that ends."""
    stream, told = BytesIO(body), []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": URL, "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "HTTP_AUTHORIZATION": f"Bearer {company.web_key}",
        "CONTENT_TYPE": "application/json", "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": stream, "wsgi.input_terminated": True, "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
    }  # fmt: skip
    application = with_length(WSGIHandler(), limit=MAX_BODY_BYTES)
    answer = application(environ, lambda status, headers: told.append(status))
    return told[0], json.loads(b"".join(answer)), len(body) - stream.tell()
