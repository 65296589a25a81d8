"""Channels list, filter and read their orders: by everything staff look for, and fast."""

import json
from datetime import timedelta
from itertools import combinations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.request import Request

from orders import events, queries
from orders.api.finding import STATUSES, OrderFilter
from orders.api.orders import OrdersView
from orders.api.rows import FIELDS
from orders.api.shapes import INCLUDES
from orders.keys import CHANNEL_SCOPES
from orders.models import Allocation, ApiKey, Hold, Order, OrderEvent, SalesChannel
from tests.cast import payload
from tests.orders.door import URL, problem, put, read, send

PERSONAL = ("ana@example.org", "Živić", "69001", "République")


def listed(client, company, query=""):
    answer = read(client, company, f"{URL}?{query}")
    assert answer.status_code == 200, answer.content
    return [row["external_id"] for row in answer.json()["results"]]


def patch(client, company, reference, body, query=""):
    return client.patch(
        f"{URL}/{reference}{query}", json.dumps(body), content_type="application/json",
        headers={"Authorization": f"Bearer {company.web_key}"},
    )  # fmt: skip


@pytest.fixture
def three(company):
    """OLD is a month old and shipped far, MID is held and tagged, NEW is picked up in Lyon."""
    old = company.place(("TEE", 1), external_id="OLD")
    month = timezone.now() - timedelta(days=30)
    Order.objects.filter(pk=old.pk).update(placed_at=month, received_at=month, promised_at=month)
    OrderEvent.objects.filter(order=old).update(at=month)
    mid = company.place(
        ("MUG", 2), external_id="MID", tags=["vip", "wholesale"],
        customer={"email": "Bo@Example.org", "name": "Bo", "phone": "+33 6 11 22 33 44"},
    )  # fmt: skip
    Hold.objects.create(order=mid, type="fraud", handle="f", reason="r", placed_by="t")
    Order.objects.filter(pk=mid.pk).update(source="till")
    pickup = put(payload(("BAG", 3), external_id="NEW"), "/delivery",
                 {"method": "pickup", "location": "LYON", "service": "standard"})  # fmt: skip
    new = company.place(("BAG", 3), **{k: pickup[k] for k in ("external_id", "delivery")})
    Order.objects.filter(pk=new.pk).update(test=True)
    return {"OLD": old, "MID": mid, "NEW": new}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "NEW MID OLD"),
        ("sku=MUG", "MID"),
        ("tag=vip", "MID"),
        ("tag=vi", ""),
        ("hold=any", "MID"),
        ("hold=fraud", "MID"),
        ("hold=address", ""),
        ("source=till", "MID"),
        ("test=true", "NEW"),
        ("test=false", "MID OLD"),
        ("delivery=pickup", "NEW"),
        ("email=bo@example.ORG", "MID"),
        ("phone=0611223344", "MID"),
        ("phone=%2B33%20611-22-33-44", "MID"),
        ("location=LYON&sku=BAG", "NEW"),
        ("location=RIGA", ""),
        ("queue=routing", "NEW MID OLD"),
        ("queue=unfillable", ""),
        ("fulfillment_status=unrouted", "NEW MID OLD"),
        ("fulfillment_status=delivered", ""),
        ("state=open&total_min=23.90&total_max=23.90", "MID"),
        ("total_min=200", "NEW"),
        ("placed_since=DAY", "NEW MID"),
        ("placed_until=DAY", "OLD"),
        ("received_until=DAY", "OLD"),
        ("received_since=DAY", "NEW MID"),
        ("promised_until=DAY", "OLD"),
        ("promised_since=DAY", "NEW MID"),
        ("updated_since=DAY", "NEW MID"),
        ("external_id=OLD", "OLD"),
        ("limit=1", "NEW"),
        ("sku=MUG&tag=vip&hold=any", "MID"),
    ],
)
def test_a_list_is_narrowed_by_what_staff_filter_by(client, company, three, query, found):
    if query.startswith("location=LYON"):
        Allocation.objects.filter(order=three["NEW"]).update(location=company.locations["LYON"])
    if "location=RIGA" in query or "queue=" in query or "status=unrouted" in query:
        assert set(Allocation.objects.values_list("queue", flat=True)) == {"routing"}
    day = (timezone.now() - timedelta(days=1)).isoformat().replace("+", "%2B")
    assert listed(client, company, query.replace("DAY", day)) == found.split()


def test_an_order_is_found_by_its_number(client, company, three):
    assert listed(client, company, f"number={three['MID'].number}") == ["MID"]
    assert listed(client, company, "number=M999999999999999999") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/colour"), ("state=opened", "/state"), ("hold=bad", "/hold"),
        ("test=yes", "/test"), ("phone=12", "/phone"), ("number=abc", "/number"),
        ("total_min=abc", "/total_min"), ("total_min=1e30", "/total_min"),
        ("total_max=-1", "/total_max"), ("updated_since=yesterday", "/updated_since"),
        ("fulfillment_status=gone", "/fulfillment_status"), ("fields=colour", "/fields"),
        ("include=customer", "/include"), ("sku=A&sku=B", "/sku"), ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
    ],
)  # fmt: skip
def test_what_nobody_understands_is_an_error(client, company, query, pointer):
    problem(read(client, company, f"{URL}?{query}"), 400, "invalid", pointer)


def test_an_order_knows_when_it_last_changed(client, company):
    order = company.place(external_id="A")
    before = read(client, company, f"{URL}?fields=updated_at").json()["results"][0]["updated_at"]
    later = timezone.now() + timedelta(hours=2)
    events.record(order.pk, "hold.opened", actor="test")
    OrderEvent.objects.filter(kind="hold.opened").update(at=later)
    after = read(client, company, f"{URL}/A").json()["updated_at"]
    assert before < after
    asked = (later - timedelta(minutes=1)).isoformat().replace("+", "%2B")
    assert listed(client, company, f"updated_since={asked}") == ["A"]


STATES = [s for s in Allocation.State if s != Allocation.State.READY]


def test_statuses_filter_as_they_are_shown(client, company):
    """Every combination of up to three states: the filter says what the row says."""
    sets = [c for n in (1, 2, 3) for c in combinations(STATES, n)]
    with connection.cursor() as cursor:  # no stock is needed to have a status
        cursor.execute(
            "ALTER TABLE orders_allocation DROP CONSTRAINT allocation_at_work_holds_stock"
        )
    template = company.place(("TEE", 3))
    rows = []
    for states in sets:
        template.pk, template.external_id = None, "-".join(states)
        template.save(force_insert=True)
        rows.append((template.pk, states))
    line = Allocation.objects.first().line
    Allocation.objects.bulk_create(
        Allocation(order_id=pk, line=line, quantity=1, state=state,
                   queue="routing" if state == "queued" else "")
        for pk, states in rows for state in states
    )  # fmt: skip
    expected: dict[str, list[str]] = {}
    for _, states in rows:
        expected.setdefault(queries.fulfillment_status(states), []).append("-".join(states))
    for status in STATUSES:
        found = Order.objects.filter(STATUSES[status](), external_id__contains="e")
        names = sorted(o.external_id for o in found if not o.external_id.startswith("X-"))
        assert names == sorted(expected.pop(status, [])), status
    assert not expected


# --- shape ----------------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_answered(client, company, three):
    row = read(client, company, f"{URL}?fields=number,total&limit=1").json()["results"][0]
    assert row == {"number": three["NEW"].number, "total": "244.90"}
    row = read(client, company, f"{URL}/MID?fields=total&include=holds").json()
    assert set(row) == {"total", "holds"}
    assert row["holds"][0]["type"] == "fraud"
    whole = read(client, company, f"{URL}?limit=1").json()["results"][0]
    assert set(whole) == set(FIELDS)


def test_an_order_is_read_with_its_lines_and_where_they_are(client, company, three):
    row = read(client, company, f"{URL}/MID").json()
    assert set(row) == {*FIELDS, "lines", "bundles", "groups", "promise"}
    assert row["lines"][0]["slices"][0]["quantity"] == 2
    assert (row["payment_status"], row["fulfillment_status"]) == ("paid", "unrouted")
    assert (row["version"], row["tags"], row["commission"]) == (1, ["vip", "wholesale"], "0.00")
    row = read(client, company, f"{URL}/MID?include=lines").json()
    assert "slices" not in row["lines"][0]


def test_personal_data_is_answered_only_when_it_is_asked_for(client, company):
    company.place(external_id="A")
    rest = ",".join(name for name in INCLUDES if name != "contact")
    for url in (
        f"{URL}?include={rest}",
        f"{URL}/A",
        f"{URL}/A?include={rest}",
        f"{URL}/A/timeline",
    ):
        said = read(client, company, url).content.decode()
        assert not [word for word in PERSONAL if word in said], url
    contact = read(client, company, f"{URL}?include=contact").json()["results"][0]["contact"]
    assert (contact["email"], contact["postcode"]) == ("ana@example.org", "69001")


@pytest.mark.parametrize("include", ["", *INCLUDES, ",".join(INCLUDES)])
def test_a_page_takes_as_many_statements_for_one_order_as_for_many(client, company, include):
    def statements():
        with CaptureQueriesContext(connection) as seen:
            answer = read(client, company, f"{URL}?include={include}")
        assert answer.status_code == 200, answer.content
        return len(seen)

    company.place(("TEE", 1), ("MUG", 1))
    statements()
    one = statements()
    for _ in range(4):
        order = company.place(("TEE", 1), ("MUG", 1), ("BAG", 1))
        events.record(order.pk, "hold.opened", actor="t")
    assert statements() == one


# --- changes --------------------------------------------------------------------------------------


def test_tags_and_metadata_are_replaced_and_told(client, company):
    order = company.place(external_id="A", tags=["a", "b"], metadata={"x": 1, "y": 2})
    answer = patch(client, company, "A", {"tags": ["b", "c"], "metadata": {"x": 1, "z": 3}},
                   query="?fields=tags,metadata")  # fmt: skip
    assert answer.status_code == 200, answer.content
    assert answer.json()["tags"] == ["b", "c"]
    assert answer.json()["metadata"] == {"x": 1, "z": 3}
    told = list(
        order.events.filter(kind="tags.changed").order_by("id").values_list("data", flat=True)
    )
    assert told == [{"added": ["c"], "removed": ["a"]}, {"metadata": ["y", "z"]}]
    patch(client, company, "A", {"tags": ["b", "c"]})
    patch(client, company, "A", {})
    assert order.events.filter(kind="tags.changed").count() == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"state": "closed"}, "/state"), ({"tags": "a"}, "/tags"),
        ({"tags": ["x" * 61]}, "/tags/0"), ({"tags": [None]}, "/tags/0"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": {str(n): n for n in range(101)}}, "/metadata"), ([], "/"),
    ],
)  # fmt: skip
def test_nothing_else_of_an_order_is_changed_that_way(client, company, body, pointer):
    company.place(external_id="A")
    problem(patch(client, company, "A", body), 400, "invalid", pointer)


def test_notes_are_written_once_and_read(client, company):
    company.place(external_id="A")
    url = f"{URL}/A/notes"
    for _ in range(2):
        answer = send(client, company, {"text": "call first"}, url=url, **{"Idempotency-Key": "n"})
        assert answer.status_code == 201, answer.content
    notes = read(client, company, url).json()
    assert [(note["text"], note["author"]) for note in notes] == [("call first", "web")]
    assert OrderEvent.objects.filter(kind="note.added").count() == 1
    problem(send(client, company, {"text": ""}, url=url), 400, "invalid", "/text")


def test_orders_of_another_channel_are_not_there(client, company):
    company.place(external_id="A")
    other = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    _, key = ApiKey.objects.create_key(name="app", channel=other, scopes=CHANNEL_SCOPES)
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get(f"{URL}?include=contact", headers=headers).json()["results"] == []
    assert client.get(f"{URL}/A/notes", headers=headers).status_code == 404
    answer = client.patch(f"{URL}/A", b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 404


# --- many orders ----------------------------------------------------------------------------------

MANY = """
INSERT INTO orders_order (channel_id, external_id, state, currency, tax_included, subtotal,
    discount_total, shipping_total, shipping_tax, tax_total, total, delivery, service, placed_at,
    received_at, promised_at, source, payload_hash, test, tags, metadata)
SELECT %(channel)s, 'S-' || n, 'closed', 'EUR', true, n, 0, 0, 0, 0, n,
       CASE n %% 1000 WHEN 0 THEN 'pickup' ELSE 'ship' END, 'standard',
       now() - n * interval '1 minute', now() - (30000 - n) * interval '1 minute',
       now() - (29000 - n) * interval '1 minute', CASE n %% 1000 WHEN 0 THEN 'till' ELSE 'api' END,
       '', n %% 1000 = 0, CASE n %% 1000 WHEN 0 THEN '{vip}'::varchar[] ELSE '{}' END, '{}'
  FROM generate_series(1, 30000) n;
INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city, region, postcode,
    country, billing, note)
SELECT id, 'm' || id || '@example.org', '+336' || lpad(id::text, 8, '0'), '', '', '', '', '', '',
       '', '{}', '' FROM orders_order WHERE external_id LIKE 'S-%%';
INSERT INTO orders_orderline (order_id, position, external_id, product_id, sku, name, quantity,
    unit_price, discount, tax, total)
SELECT id, 1, '', %(product)s, 'P' || id / 10, '', 1, 1, 0, 0, 1
  FROM orders_order WHERE external_id LIKE 'S-%%';
INSERT INTO orders_allocation (line_id, order_id, quantity, state, queue, queue_reason, location_id,
    attempt, since)
SELECT id, order_id, 1, 'delivered', '', '',
       CASE id %% 1000 WHEN 0 THEN %(rare)s::bigint ELSE %(location)s END, 0, now()
  FROM orders_orderline WHERE sku LIKE 'P%%';
INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
SELECT id, 'order.received', received_at, 'x', jsonb_build_object('words', repeat('x', 400))
  FROM orders_order WHERE external_id LIKE 'S-%%';
ANALYZE orders_order, orders_ordercontact, orders_orderline, orders_allocation, orders_orderevent,
    orders_hold;
"""


LOOKS = {
    "": ("order_list", "orders_order_pkey"),
    "external_id=S-77": ("order_once", "external_id"),
    "number=M100077": ("orders_order_pkey", "order_list"),
    "email=m900@example.org": ("contact_email",),
    "phone=0600012345": ("contact_phone",),
    "sku=P99": ("line_sku",),
    "tag=vip": ("order_tags",),
    "hold=any": ("hold",),
    "hold=fraud": ("hold",),
    "source=till": ("order_source",),
    "source=none": ("order_source",),
    "test=true": ("order_test",),
    "delivery=pickup": ("order_not_shipped",),
    "delivery=ship_to_store": ("order_not_shipped",),
    "state=open": ("order_open", "order_list"),
    "placed_since=HOUR": ("placed_at",),
    "received_since=HOUR": ("order_received", "order_list"),
    "promised_since=PAST&promised_until=LATER": ("order_promised",),
    "updated_since=HOUR": ("event_at",),
    "total_min=29990": ("order_total",),
    "total_max=5": ("order_total",),
    "queue=unfillable": ("allocation_queued", "allocation_open"),
    "location=RIGA": ("allocation",),
    "fulfillment_status=unrouted": ("allocation",),
    "fulfillment_status=in_progress": ("allocation",),
    "fulfillment_status=shipped": ("allocation",),
    "fulfillment_status=delivered": ("order_list", "orders_order_pkey"),
}


def plan_of(rf, channel, query):
    """How the database reads the first page of a list."""
    day = timezone.now()
    moments = {"HOUR": day - timedelta(hours=1), "PAST": day - timedelta(days=5),
               "LATER": day - timedelta(days=5) + timedelta(minutes=9)}  # fmt: skip
    for name, moment in moments.items():
        query = query.replace(name, moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    view = OrdersView()
    view.request = Request(rf.get(f"{URL}?{query}"))
    view.request.auth = ApiKey(channel=channel)
    filters = OrderFilter(view.request.query_params, queryset=view.get_queryset())
    assert filters.is_valid(), filters.errors
    return filters.qs.order_by("-id")[:51].explain()


def test_no_way_of_looking_reads_all_orders(rf, company):
    """A walk through an index that stops at the end of the page is fine, reading tables is not."""
    company.place()
    facts = {"channel": company.web.pk, "product": company.products["TEE"].pk,
             "location": company.locations["WH"].pk,
             "rare": company.locations["RIGA"].pk}  # fmt: skip
    with connection.cursor() as cursor:
        for statement in MANY.strip().split(";\n"):
            named = {name: value for name, value in facts.items() if f"%({name})s" in statement}
            cursor.execute(statement.removesuffix(";"), named)
    big = [f"orders_{name}" for name in
           ("order", "orderline", "ordercontact", "orderevent", "allocation")]  # fmt: skip
    wrong = []
    for query, indexes in LOOKS.items():
        plan = plan_of(rf, company.web, query)
        walks = [table for table in big if f"Seq Scan on {table} " in plan]
        if walks or not any(index in plan for index in indexes):
            wrong.append(f"{query}: {plan}")
    assert not wrong, "\n".join(wrong)
    small = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    assert "order_list" in plan_of(rf, small, "")
