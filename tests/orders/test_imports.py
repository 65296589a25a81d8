"""Shopify's order export through the console: shown first, placed when accepted, once."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from config import jobs
from config.models import Job, JobRow
from config.tasks import prune
from inventory import ledger
from inventory.models import Location, Product, Stock
from orders import capture
from orders.models import Order, OrderContact, SalesChannel
from orders.order_files import checking
from tests.orders import door
from tests.orders.connectors import samples
from tests.uploads import decide, open_rows, outcomes, page, post, upload, work, xlsx

EXPORT = samples.file()
BAD = samples.file("orders_export_one_bad_row.csv")
PICKUP = "#1110"


@pytest.fixture
def shop(company):
    """The company, selling what the samples hold, from two stores."""
    skus = {row["Lineitem sku"] for row in rows_of(EXPORT) + rows_of(BAD)} - {""}
    products = [Product(sku=sku, name=sku) for sku in sorted(skus)]
    Product.objects.bulk_create(products)
    entries = [
        ledger.Entry(product.pk, company.locations[code].pk, "opening", on_hand=50)
        for product in products
        for code in ("LYON", "PARIS")
    ]
    ledger.post(entries, actor="test")
    Location.objects.filter(code="LYON").update(name="Milano Duomo")  # where #1104 is picked up
    return company


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def imported(console, content: bytes = EXPORT, channel: str = "web") -> Job:
    return upload(console, "orders", content, "orders_export.csv", channel=channel)


def by_name(job: Job) -> dict[str, JobRow]:
    return {row.reference: row for row in job.rows.all()}


# --- the road of a file --------------------------------------------------------------------------


def test_nothing_is_written_before_a_person_has_seen_every_order(console, shop):
    before = door.rows()
    job = imported(console)
    assert (job.state, job.total) == ("preview", 12)
    assert door.rows() == before | {"Job": 1, "OutboxRow": before["OutboxRow"] + 1}
    assert "3 lines, 234.83 EUR" in page(console, job)


def test_an_accepted_file_becomes_orders_like_any_other(console, shop):
    job = imported(console)
    assert {row.outcome for row in job.rows.all()} == {"ready"}

    job = decide(console, job)

    assert (job.state, job.done, job.failed) == ("done", 12, 0)
    orders = Order.objects.filter(source="shopify-csv", channel=shop.web)
    assert orders.count() == 12
    assert orders.get(delivery="pickup").pickup_location == shop.locations["LYON"]
    order = orders.get(external_id="7410991465102")
    assert str(order.total) == "234.8300"
    assert order.allocations.filter(reservation=None).count() == 0
    assert order.events.get().actor == f"job {job.pk}"
    assert by_name(job)["#1102"].message == order.number


def test_one_bad_row_is_shown_with_row_column_and_reason_and_the_rest_is_placed(console, shop):
    before = door.rows()
    job = imported(console, BAD)
    [bad] = job.rows.filter(outcome="failed")
    shown = page(console, job)
    assert (bad.number, bad.reference, bad.column) == (4, "#1102", "Lineitem sku")
    for words in (">4</", ">#1102</", ">Lineitem sku</", "row 4, Lineitem sku: is empty",
                  "row 4, Lineitem quantity (1.5): is not a whole number"):  # fmt: skip
        assert words in shown
    assert door.rows()["Order"] == before["Order"]

    job = decide(console, job)

    assert (job.failed, job.done) == (1, job.total - 1)
    assert Order.objects.count() == job.total - 1


def test_the_same_file_again_places_nothing(console, shop):
    first = decide(console, imported(console))
    before = door.rows()

    job = imported(console)

    placed = set(first.rows.filter(outcome="created").values_list("reference", flat=True))
    known = {name: row for name, row in by_name(job).items() if name in placed}
    assert {row.outcome for row in known.values()} == {"same"}
    assert all(row.message.endswith(", placed before") for row in known.values())
    job = decide(console, job)
    assert door.rows() == before | {"Job": 2, "OutboxRow": before["OutboxRow"] + 2}


def test_the_same_file_accepted_twice_at_once_places_nothing_twice(console, shop):
    one, other = imported(console), imported(console)
    decide(console, one)
    count = Order.objects.count()
    other = decide(console, other)
    assert Order.objects.count() == count
    assert {row.outcome for row in other.rows.all()} <= {"same", "failed"}
    assert other.done == one.done


def test_an_order_that_differs_from_what_was_placed_is_refused_with_the_reason(console, shop):
    decide(console, imported(console))

    def change(rows):
        next(row for row in rows if row["Name"] == "#1101")["Notes"] = "leave it at the door"

    job = imported(console, samples.table(change))

    row = by_name(job)["#1101"]
    assert row.outcome == "failed"
    assert row.message.endswith("was placed before with other content")
    assert by_name(job)["#1102"].outcome == "same"


def test_an_order_that_came_by_webhook_is_recognized(console, shop):
    shop.place(("TEE", 1), external_id=samples.mapped(EXPORT)["#1101"]["external_id"])
    job = imported(console)
    assert by_name(job)["#1101"].outcome == "same"
    assert decide(console, job).failed == 0


def test_two_channels_may_have_the_same_export(console, shop):
    SalesChannel.objects.create(code="app", name="App", pool=shop.pool, on_shortage="queue")
    decide(console, imported(console))
    count = Order.objects.count()
    decide(console, imported(console, channel="app"))
    assert Order.objects.count() == 2 * count


# --- what cannot be placed -----------------------------------------------------------------------


def test_a_product_nobody_has_is_named(console, shop):
    Product.objects.filter(sku="SCF-0006-RED").update(active=False)
    row = by_name(imported(console))["#1102"]
    assert (row.outcome, row.column) == ("failed", "Lineitem sku")
    assert row.message == "no active product has SKU SCF-0006-RED"


def test_a_store_nobody_has_is_named(console, shop):
    Location.objects.filter(code="LYON").update(can_pickup=False)
    row = by_name(imported(console))["#1104"]
    assert (row.outcome, row.column) == ("failed", "Shipping Method")
    assert row.message == "no stock point for pick-up is called Milano Duomo"


def test_stock_that_went_between_preview_and_apply_refuses_that_order_only(console, shop):
    job = imported(console)
    short = Stock.objects.filter(product__sku="SCF-0006-RED")
    entries = [
        ledger.Entry(s.product_id, s.location_id, "adjustment", on_hand=-s.on_hand) for s in short
    ]
    ledger.post(entries, actor="test")

    job = decide(console, job)

    refused = by_name(job)["#1102"]
    assert refused.outcome == "failed"
    assert "SCF-0006-RED can be promised" in refused.message
    assert by_name(job)["#1101"].outcome == "created"
    assert not Order.objects.filter(external_id="7410991465102").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (xlsx(("x", "y", 1)), "is an Excel workbook; save it as CSV UTF-8"),
        (b"sku,location,quantity\nTEE,WH,1\n", "this column is missing"),
        ("Name,Email\n".encode("utf-16"), "UTF-16"),
        (b"Name\n" + b"\x00" * 100, "this column is missing"),
    ],
)
def test_a_file_that_is_no_export_is_refused_whole(console, shop, content, words):
    job = imported(console, content)
    assert (job.state, job.rows.count()) == ("failed", 0)
    assert words in job.message
    assert not Order.objects.exists()


def test_a_file_of_too_many_orders_is_refused_whole(console, shop, monkeypatch):
    monkeypatch.setattr(checking, "MAX_ORDERS", 11)
    job = imported(console)
    assert (job.state, job.rows.count()) == ("failed", 0)
    assert job.message == "The file has more than 11 orders; export it in parts."


def test_broken_rows_and_wrong_bytes_spoil_their_own_order_only(console, shop):
    lines = EXPORT.split(b"\n")
    lines[1] = lines[1].replace(b"@", b"\xff@", 1).replace(b"#1101", b"#1101\x00")
    job = imported(console, b"\n".join(lines))
    failed = list(job.rows.filter(outcome="failed", number=2))
    assert len(failed) == 1
    assert job.rows.filter(outcome="ready").count() >= 9


def test_an_upload_names_a_channel_that_is_there(console, shop):
    for channel in ("", "nobody"):
        answer = post(console, "orders", EXPORT, channel=channel)
        assert answer.status_code == 200
    assert not Job.objects.exists()


# --- personal data -------------------------------------------------------------------------------


def test_a_job_keeps_personal_data_only_until_the_order_has_it(console, shop):
    job = imported(console)
    assert open_rows() == job.rows.filter(outcome="ready").count()
    decide(console, job)
    assert open_rows() == 0
    emails = list(OrderContact.objects.exclude(email="").values_list("email", flat=True))
    assert emails
    said = json.dumps([list(row) for row in outcomes(job).items()])
    assert not any(email in said for email in emails)


def test_a_discarded_file_is_forgotten_at_once(console, shop):
    job = imported(console)
    kept = Path(job.file.path)
    decide(console, job, "discard")
    assert (open_rows(), kept.exists()) == (0, False)
    job.refresh_from_db()
    assert (job.state, job.file.name) == ("discarded", "")


def test_pruning_forgets_files_and_what_nobody_decided_about(console, shop):
    done, waiting = decide(console, imported(console)), imported(console, BAD)
    files = [Path(done.file.path), Path(waiting.file.path)]
    old = timezone.now() - timedelta(days=6)
    Job.objects.update(created_at=old, finished_at=old)
    assert jobs.prune(old) == {"files": 0, "job_rows": 0}
    assert all(path.exists() for path in files)

    assert jobs.prune(old + timedelta(days=8)) == {"files": 1, "job_rows": 0}
    assert [path.exists() for path in files] == [False, True]

    jobs.prune(old + timedelta(days=15))
    waiting.refresh_from_db()
    assert (waiting.state, open_rows()) == ("discarded", 0)
    assert not any(path.exists() for path in files)

    assert JobRow.objects.exists()
    jobs.prune(timezone.now() + timedelta(days=91))
    assert not JobRow.objects.exists()


def test_the_hourly_pruning_prunes_jobs_too(console, shop):
    job = imported(console)
    Job.objects.update(created_at=timezone.now() - timedelta(days=20))
    prune()
    job.refresh_from_db()
    assert job.state == "discarded"


# --- dying workers -------------------------------------------------------------------------------


def test_a_worker_that_dies_leaves_whole_orders_and_the_next_one_goes_on(
    console, shop, monkeypatch
):
    job = imported(console)
    ready = job.rows.filter(outcome="ready").count()
    jobs.accept(job)
    real, calls = capture.place_many, []

    def dies(**order):
        placed = real(**order)
        calls.append(placed)
        if len(calls) == 4:
            raise SystemExit("killed")
        return placed

    monkeypatch.setattr(capture, "place_many", dies)
    with pytest.raises(SystemExit):
        work()
    job.refresh_from_db()
    assert (job.state, job.done, Order.objects.count()) == ("running", 3, 3)
    assert open_rows() == ready - 3

    work()

    job.refresh_from_db()
    assert (job.state, job.done, Order.objects.count()) == ("done", ready, ready)
    assert len(calls) == ready + 1
    assert open_rows() == 0
