"""Deliveries of stock: levels and changes of any source, each taken once, whatever stops them."""

import csv as csv_module
import io
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from config import jobs
from config.models import Job, OutboxRow
from inventory import feeds, ledger
from inventory.admin.feeds import condition
from inventory.models import Product, Stock, StockFeed, StockMovement, StockSource
from reports.invariants import violations
from tests.races.crowd import at_once
from tests.uploads import csv, decide, outcomes, page, post, upload, work, xlsx

CHANGES = "sku,location,change,reason,note"


def on_hand(sku, code):
    stock = Stock.objects.filter(product__sku=sku, location__code=code).first()
    return stock.on_hand if stock else None


def post_entry(company, sku, code, units, kind="sale"):
    pair = company.products[sku].pk, company.locations[code].pk
    ledger.post([ledger.Entry(*pair, kind, on_hand=units)], actor="test")


def source(code="wms", system="wms", **more):
    return StockSource.objects.create(code=code, name=code.upper(), system=system, **more)


# --- files of people -----------------------------------------------------------------------------


def test_a_file_of_changes_is_shown_and_then_added(console, company):
    content = csv(
        ("TEE", "WH", 5, "found", ""), ("TEE", "WH", -2, "lost", "behind the rack"),
        ("MUG", "LYON", "+1", "", ""), ("BAG", "WH", -1, "", ""), ("TEE", "WH", "1.5", "", ""),
        ("TEE", "WH", 0, "", ""), ("TEE", "WH", 1, "magic", ""), header=CHANGES,
    )  # fmt: skip
    job = upload(console, "stock", content, mode="delta")
    assert outcomes(job) == {
        2: ("ready", "", "100 → 103 at WH"),
        3: ("ready", "", "100 → 103 at WH"),
        4: ("ready", "", "5 → 6 at LYON"),
        5: ("failed", "change", "only 0 are there"),
        6: ("failed", "change", "'1.5' is not a whole number of units, like -2 or 5"),
        7: ("failed", "change", "0 changes nothing"),
        8: ("failed", "reason", outcomes(job)[8][2]),
    }
    assert outcomes(job)[8][2].startswith("'magic' is none of correction, count, damaged")
    assert on_hand("TEE", "WH") == 100

    job = decide(console, job)

    assert (job.state, job.done, job.failed) == ("done", 3, 4)
    assert (on_hand("TEE", "WH"), on_hand("MUG", "LYON"), on_hand("BAG", "WH")) == (103, 6, None)
    lost = StockMovement.objects.get(reason="lost")
    assert (lost.kind, lost.note, lost.on_hand_after) == ("adjustment", "behind the rack", 103)
    feed = job.stockfeed_set.get()
    assert (feed.source.code, feed.mode) == ("file", "delta")
    assert (feed.rows, feed.changed, feed.same, feed.refused) == (7, 3, 0, 4)
    assert feed.finished_at


def test_the_same_changes_twice_count_once_and_the_second_says_when(console, company):
    content = csv(("TEE", "WH", 5), header="sku,location,change")
    decide(console, upload(console, "stock", content, mode="delta"))
    second = upload(console, "stock", content, mode="delta")
    assert second.state == "failed"
    assert "of Files was already loaded on 20" in page(console, second)
    named = upload(console, "stock", content, mode="delta", reference="another day")
    decide(console, named)
    assert on_hand("TEE", "WH") == 110


def test_two_previews_of_the_same_changes_are_applied_once(console, company):
    content = csv(("TEE", "WH", 5), header="sku,location,change")
    one, two = (upload(console, "stock", content, mode="delta") for _ in range(2))
    decide(console, one)
    two = decide(console, two)
    assert (two.state, two.failed) == ("done", 1)
    assert "already loaded on" in outcomes(two)[2][2]
    assert on_hand("TEE", "WH") == 105
    assert StockFeed.objects.count() == 1


@pytest.mark.parametrize("mode", ["absolute", "delta"])
def test_a_file_of_the_other_kind_is_refused_whole(console, company, mode):
    header = {"absolute": "sku,location,change", "delta": "sku,location,quantity"}[mode]
    job = upload(console, "stock", csv(("TEE", "WH", 5), header=header), mode=mode)
    assert (job.state, "missing:" in job.message) == ("failed", True)


def test_rows_may_have_times_and_unavailable_units_of_their_own(console, company):
    before, soon = datetime(2020, 1, 1, tzinfo=UTC), timezone.now() + timedelta(hours=1)
    header = "sku,location,quantity,as_of,damaged,quarantine"
    job = upload(console, "stock", csv(
        ("TEE", "WH", 90, "", 4, 1), ("MUG", "WH", 40, before.isoformat(), "", ""),
        ("CAP", "LYON", 1, "yesterday", "", ""), ("TEE", "LYON", 3, "2026-01-01T10:00", "", ""),
        ("BAG", "LYON", 3, soon.isoformat(), "", ""), ("BAG", "PARIS", 3, "", 2, 2),
        ("MUG", "LYON", 5, "", 1, ""), header=header,
    ))  # fmt: skip
    found = outcomes(job)
    assert {n: row[:2] for n, row in found.items()} == {
        2: ("ready", ""), 3: ("failed", "quantity"), 4: ("failed", "as_of"),
        5: ("failed", "as_of"), 6: ("failed", "as_of"), 7: ("failed", "damaged"),
        8: ("ready", ""),
    }  # fmt: skip
    assert "not a time with its zone" in found[4][2]
    assert found[6][2].endswith("is in the future")
    decide(console, job)
    stock = Stock.objects.get(product__sku="TEE", location__code="WH")
    assert (stock.on_hand, stock.damaged, stock.quarantine, stock.free) == (90, 4, 1, 85)
    assert Stock.objects.get(product__sku="MUG", location__code="LYON").damaged == 1


def test_a_workbook_of_changes_will_do(console, company):
    content = xlsx(("TEE", "WH", -3.0), header=("sku", "location", "change"))
    job = decide(console, upload(console, "stock", content, "changes.xlsx", mode="delta"))
    assert (job.done, on_hand("TEE", "WH")) == (1, 97)


def test_units_shipped_between_upload_and_apply_are_not_brought_back(console, company):
    job = upload(console, "stock", csv(("TEE", "WH", 90), ("MUG", "WH", 50)))
    post_entry(company, "TEE", "WH", -2)
    post_entry(company, "MUG", "WH", 3, "return")
    job = decide(console, job)
    assert outcomes(job)[2] == ("changed", "", "98 → 88 at WH: 90, less 2 that left since")
    assert outcomes(job)[3][:2] == ("failed", "quantity")  # it was the same in the preview
    assert (job.done, job.failed) == (1, 1)
    assert (on_hand("TEE", "WH"), on_hand("MUG", "WH")) == (88, 53)


def test_a_day_of_a_till_is_loaded_with_what_the_books_did_not_have(console, company):
    source("tills", "till")
    content = csv(("CAP", "LYON", -2, "till_sale", ""), ("SOLD", "WH", -1, "till_sale", ""),
                  header=CHANGES)  # fmt: skip
    job = upload(console, "stock", content, mode="delta", source="tills")
    assert {row[0] for row in outcomes(job).values()} == {"ready"}
    decide(console, job)
    assert (on_hand("CAP", "LYON"), on_hand("SOLD", "WH")) == (0, 0)
    kinds = StockMovement.objects.filter(cause_type="feed").values_list("kind", flat=True)
    assert sorted(kinds) == ["adjustment", "adjustment", "till_sale", "till_sale"]
    assert not any(violations().values())


def test_the_page_of_a_running_job_tells_how_far_it_is(console, company, monkeypatch):
    Product.objects.bulk_create(Product(sku=f"S{i}", name="x") for i in range(700))
    job = upload(console, "stock", csv(*((f"S{i}", "WH", 5) for i in range(700))))
    jobs.accept(job)
    assert jobs._batch(job, after=0) == 501
    shown = page(console, job)
    assert '<progress max="700" value="500"' in shown
    assert "500 done, 0 refused, 200 to do" in shown


def test_a_form_knows_its_sources_and_refuses_others(console, company):
    source()
    source("old", active=False)
    shown = console.get("/admin/config/job/upload-stock/").content.decode()
    assert 'value="wms"' in shown
    assert 'value="old"' not in shown
    answer = post(console, "stock", csv(("TEE", "WH", 1)), source="old")
    assert "Select a valid choice" in answer.content.decode()
    assert not Job.objects.exists()


# --- files of systems ----------------------------------------------------------------------------


def load(content, from_, reference="1", mode="absolute", **more):
    return feeds.load(io.BytesIO(content), from_, mode=mode, reference=reference, actor="test",
                      **more)  # fmt: skip


def test_a_systems_file_is_taken_at_once_and_tells_what_it_refused(company):
    report = load(csv(("TEE", "WH", 90), ("NOPE", "WH", 1), ("MUG", "WH", "x"), ("MUG", "LYON", 5)),
                  source())  # fmt: skip
    feed = report.feed
    assert (feed.rows, feed.changed, feed.same, feed.refused) == (4, 1, 1, 2)
    assert [(bad.number, bad.column) for bad in report.refused] == [(3, "sku"), (4, "quantity")]
    assert on_hand("TEE", "WH") == 90
    with pytest.raises(feeds.AlreadyLoaded, match="1 of WMS was already loaded on 20"):
        load(csv(("TEE", "WH", 70)), feed.source)
    assert on_hand("TEE", "WH") == 90


def test_a_load_that_died_goes_on_behind_its_last_batch(company, monkeypatch):
    monkeypatch.setattr("inventory.feeds.deliveries.BATCH", 2)
    content = csv(*(("TEE", code, 1) for code in sorted(company.locations)),
                  ("MUG", "WH", -1), ("MUG", "WH", "x"), header="sku,location,change")  # fmt: skip
    real, calls = ledger.take_changes, []

    def dies(rows, **options):
        calls.append(len(rows))
        if len(calls) == 2:
            raise RuntimeError("the lamp fell over")
        return real(rows, **options)

    monkeypatch.setattr(ledger, "take_changes", dies)
    wms = source()
    with pytest.raises(RuntimeError):
        load(content, wms, mode="delta")
    feed = StockFeed.objects.get()
    assert (feed.rows, feed.changed, feed.finished_at) == (2, 2, None)

    report = load(content, wms, mode="delta")

    assert (report.feed.rows, report.feed.changed, report.feed.refused) == (6, 5, 1)
    assert calls == [2, 2, 2, 1]
    assert [on_hand("TEE", code) for code in sorted(company.locations)] == [11, 11, 101, 101]


def test_two_workers_with_the_same_file_add_it_once(live_company):
    wms = source()
    content = csv(*(("TEE", code, 1) for code in live_company.locations),
                  header="sku,location,change")  # fmt: skip

    def go():
        return load(content, wms, mode="delta").feed.changed

    ends = at_once(go, go, go)
    assert [end for end in ends if isinstance(end, int)] == [4]
    assert on_hand("TEE", "WH") == 101
    assert not any(violations().values())


def test_levels_and_buyers_at_once_lose_no_unit(live_company):
    wms = source()
    contents = [csv(("CAP", "LYON", n), ("CAP", "PARIS", n)) for n in (3, 4)]

    def buy(sku):
        return lambda: live_company.place((sku, 1))

    ends = at_once(*(lambda n=n: load(contents[n], wms, str(n)) for n in (0, 1)), *[buy("CAP")] * 6)
    assert not [end for end in ends if isinstance(end, Exception) and "deadlock" in str(end)]
    assert not any(violations().values())


def test_units_that_leave_while_a_level_waits_for_their_row_are_taken_off_it(live_company):
    """The level sees what was committed while it waited, not only what was there before."""
    wms, taken, shipping = source(), timezone.now(), threading.Event()

    def ship():
        with transaction.atomic():
            post_entry(live_company, "TEE", "WH", -2)
            shipping.set()
            until_somebody_waits()

    def level():
        shipping.wait(10)
        return load(csv(("TEE", "WH", 95)), wms, as_of=taken).feed.changed

    assert at_once(ship, level) == [None, 1]
    assert on_hand("TEE", "WH") == 93


def until_somebody_waits() -> None:
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits for the row")


def test_a_file_is_loaded_from_the_command_line_with_its_refused_rows_printed(
    company, tmp_path, capsys
):
    source("erp", "erp")
    path = tmp_path / "levels.csv"
    path.write_bytes(csv(("TEE", "WH", 90), ("=1+1", "WH", 1)))
    call_command("load_stock", path, source="erp")
    out, err = capsys.readouterr()
    rows = list(csv_module.reader(io.StringIO(out)))
    assert rows[1][:3] == ["3", "'=1+1", "sku"]
    assert "2 rows: 1 changed, 0 the same, 1 refused" in err
    with pytest.raises(CommandError, match="already loaded"):
        call_command("load_stock", path, source="erp")
    for wrong in ({"source": "nobody"}, {"source": "erp", "as_of": "noon"},
                  {"source": "erp", "as_of": "2999-01-01T00:00:00Z"},
                  {"source": "erp", "changes": True}):  # fmt: skip
        with pytest.raises(CommandError):
            call_command("load_stock", path, **wrong)
    with pytest.raises(CommandError):
        call_command("load_stock", tmp_path / "none.csv", source="erp")


# --- feed health ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "minutes", "level"),
    [(None, None, "info"), (60, None, "warning"), (None, 9999, "success"), (60, 59, "success"),
     (60, 90, "warning"), (60, 300, "danger")],
)  # fmt: skip
def test_a_source_that_should_have_sent_shows_it(every, minutes, level):
    now = timezone.now()
    last = None if minutes is None else now - timedelta(minutes=minutes)
    assert condition(StockSource(every_minutes=every), last=last, now=now)[0] == level


def test_feed_health_tells_who_is_late_and_what_was_refused(console, company):
    wms = source(every_minutes=60)
    load(csv(("TEE", "WH", 90), ("NOPE", "WH", 1)), wms)
    StockFeed.objects.update(received_at=timezone.now() - timedelta(hours=5))
    source("silent", every_minutes=30)
    shown = console.get("/admin/inventory/stocksource/").content.decode()
    assert "late: 5 h ago" in shown
    assert "nothing yet" in shown
    assert "2, 1 changed" in shown
    feeds_url = f"/admin/inventory/stockfeed/?source__id__exact={wms.pk}"
    assert feeds_url in shown
    assert "taken" in console.get(feeds_url).content.decode()
    one = console.get(f"/admin/inventory/stockfeed/{wms.feeds.get().pk}/change/").content.decode()
    moves = f"/admin/inventory/stockmovement/?cause_type=feed&amp;cause_id={wms.feeds.get().pk}"
    assert moves in one
    assert "TEE" in console.get(moves.replace("&amp;", "&")).content.decode()
    assert console.get("/admin/inventory/stockfeed/?rows=refused").status_code == 200


def test_lists_without_rows_say_what_to_do(console, company):
    assert "Add the systems" in console.get("/admin/inventory/stocksource/").content.decode()
    assert "Nobody has delivered" in console.get("/admin/inventory/stockfeed/").content.decode()


def test_a_source_is_added_by_hand_and_keeps_its_code(console, company):
    data = {"code": "wms", "name": "WMS", "system": "wms", "every_minutes": "15", "active": "on"}
    assert console.post("/admin/inventory/stocksource/add/", data).status_code == 302
    wms = StockSource.objects.get()
    console.post(f"/admin/inventory/stocksource/{wms.pk}/change/", data | {"code": "other"})
    wms.refresh_from_db()
    assert (wms.code, wms.every_minutes) == ("wms", 15)
    assert console.post(f"/admin/inventory/stocksource/{wms.pk}/delete/").status_code == 403


def test_a_job_killed_before_its_end_counts_each_row_once(console, company, monkeypatch):
    job = upload(console, "stock", csv(("TEE", "WH", 90), ("MUG", "WH", 50), ("NOPE", "WH", 1)))
    jobs.accept(job)
    jobs._batch(job, after=0)  # the worker dies here: its work is done again
    work()
    job.refresh_from_db()
    feed = job.stockfeed_set.get()
    assert (job.state, job.done, job.failed) == ("done", 2, 1)
    assert (feed.rows, feed.changed, feed.same, feed.refused) == (3, 1, 1, 1)
    assert OutboxRow.objects.filter(topic="import", done_at=None).count() == 0
