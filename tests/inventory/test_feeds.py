"""Stock files through the console: shown first, applied when accepted, and never by halves."""

import csv as csv_module
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import jobs
from config.models import Job, JobRow, OutboxRow
from inventory import ledger
from inventory.models import Product, Stock, StockMovement
from tests.uploads import (
    JOBS,
    SAMPLES,
    csv,
    decide,
    open_rows,
    outcomes,
    page,
    post,
    upload,
    work,
    xlsx,
)

STOCK = SAMPLES / "stock"
SAME_LEVELS = sorted(path.name for path in STOCK.iterdir() if "bad" not in path.name
                     and "became" not in path.name)  # fmt: skip


@pytest.fixture
def shop(company):
    """The company, with two products whose codes look like numbers."""
    for sku in ("0017", "17", "12345", "12345-AB"):
        Product.objects.create(sku=sku, name="Thing")
    return company


def levels() -> dict[tuple[str, str], int]:
    rows = Stock.objects.values_list("product__sku", "location__code", "on_hand")
    return {(sku, code): units for sku, code, units in rows}


def level(sku: str, code: str) -> int:
    return levels().get((sku, code), 0)


def set_level(company, sku: str, code: str, units: int) -> None:
    change = units - level(sku, code)
    pair = (company.products[sku].pk, company.locations[code].pk)
    ledger.post([ledger.Entry(*pair, "adjustment", on_hand=change)], actor="test")


# --- the road of a file --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAME_LEVELS)
def test_every_sample_says_the_same_levels_in_its_own_way(console, shop, name):
    before, moved = levels(), StockMovement.objects.count()
    job = upload(console, "stock", (STOCK / name).read_bytes(), name)
    assert (job.state, job.total, job.failed, job.done) == ("preview", 7, 0, 1), job.message
    assert levels() == before

    job = decide(console, job)

    assert (job.state, job.done, job.failed) == ("done", 7, 0)
    assert levels() == before | {
        ("TEE", "WH"): 120, ("TEE", "LYON"): 8, ("MUG", "PARIS"): 0, ("BAG", "RIGA"): 25,
        ("0017", "WH"): 7, ("12345-AB", "LYON"): 3,
    }  # fmt: skip
    assert StockMovement.objects.count() == moved + 6
    assert set(
        StockMovement.objects.filter(kind="feed").values_list("cause_type", "cause_id", "actor")
    ) == {("feed", job.stockfeed_set.get().pk, f"job {job.pk}")}


def test_the_preview_shows_row_column_and_reason_and_nothing_is_written(console, shop):
    before, moved = levels(), StockMovement.objects.count()
    job = upload(console, "stock", (STOCK / "levels_with_bad_rows.csv").read_bytes())
    shown = page(console, job)
    expected = {
        3: ("quantity", "'-1' is not a whole number of units from 0"),
        4: ("quantity", "'1.5' is not a whole number of units from 0"),
        5: ("location", "no stock point has the code 'NOWHERE'"),
        6: ("sku", "no product has SKU 'NOPE'"),
        7: ("sku", "'8.00123E+12' was turned into a number; format the column as text"),
        8: ("sku", "is empty"),
        9: ("quantity", "'' is not a whole number of units from 0"),
        11: ("", "has 4 cells under 3 columns"),
        12: ("quantity", "'1000001' is more than 1,000,000"),
    }
    refused = {n: row[1:] for n, row in outcomes(job).items() if row[0] == "failed"}
    assert refused == expected
    for number, (column, words) in expected.items():
        assert f">{number}</" in shown
        assert f">{column}</td>" in shown
        assert words.replace("'", "&#x27;") in shown
    assert "10 → 12 at LYON" in shown
    assert "2 would change something, 0 are present already, 9 are refused" in shown
    assert (levels(), StockMovement.objects.count()) == (before, moved)

    job = decide(console, job)

    assert (job.done, job.failed) == (2, 9)
    assert levels() == before | {("TEE", "LYON"): 12, ("CAP", "PARIS"): 2}


def test_a_discarded_file_changes_nothing_and_leaves_nothing(console, shop):
    before = levels()
    job = upload(console, "stock", csv(("TEE", "WH", 1)))
    kept = Path(job.file.path)
    assert kept.exists()
    job = decide(console, job, "discard")
    assert (job.state, levels(), open_rows()) == ("discarded", before, 0)
    assert not kept.exists()


def test_a_decision_is_taken_once(console, shop):
    job = upload(console, "stock", csv(("TEE", "WH", 1)))
    assert {"apply", "discard"} <= shown_actions(console, job)
    decide(console, job)
    assert shown_actions(console, job) == set()
    for verb in ("apply", "discard"):
        answer = console.post(f"{JOBS}{job.pk}/{verb}/")
        assert "it cannot become" in answer.content.decode()
    assert OutboxRow.objects.filter(topic="import").count() == 2


def shown_actions(client, job: Job) -> set[str]:
    shown = page(client, job)
    return {verb for verb in ("apply", "discard", "refused") if f"{job.pk}/{verb}" in shown}


def test_the_same_file_twice_changes_nothing_and_says_when_it_was_applied(console, shop):
    content = (STOCK / "levels.csv").read_bytes()
    decide(console, upload(console, "stock", content))
    before, moved = levels(), StockMovement.objects.count()

    job = upload(console, "stock", content)

    assert "The same file was applied on 20" in page(console, job)
    assert (job.total, job.done) == (7, 7)
    assert set(JobRow.objects.filter(job=job).values_list("outcome", flat=True)) == {"same"}
    decide(console, job)
    assert (levels(), StockMovement.objects.count()) == (before, moved)


def test_only_the_rows_of_the_file_are_replaced(console, shop):
    decide(console, upload(console, "stock", csv(("TEE", "WH", 8))))
    assert (level("TEE", "WH"), level("TEE", "LYON")) == (8, 10)


def test_a_row_whose_level_moved_since_the_preview_is_refused(console, shop):
    job = upload(console, "stock", csv(("TEE", "WH", 90), ("MUG", "WH", 40), ("BAG", "WH", 3)))
    set_level(shop, "TEE", "WH", 99)  # one was sold
    set_level(shop, "MUG", "WH", 40)  # somebody counted the same

    now = f"{StockMovement.objects.latest('pk').created_at:%Y-%m-%d %H:%M} UTC"

    job = decide(console, job)

    assert outcomes(job) == {
        2: ("failed", "quantity", f"moved at {now}, after the level's time"),
        3: ("same", "", "40 already"),
        4: ("changed", "", "0 → 3 at WH"),
    }
    assert (level("TEE", "WH"), level("BAG", "WH")) == (99, 3)


def test_a_product_deleted_since_the_preview_is_refused(console, shop):
    job = upload(console, "stock", csv(("17", "WH", 1), ("TEE", "WH", 1)))
    Product.objects.get(sku="17").delete()
    job = decide(console, job)
    assert outcomes(job)[2] == ("failed", "sku", "no product has SKU '17'")
    assert outcomes(job)[3][0] == "changed"


def test_a_file_older_than_the_last_movement_does_not_overwrite_it(console, shop):
    rows = [("TEE", "WH", 90), ("MUG", "WH", 50), ("SOLD", "WH", 4)]
    job = upload(console, "stock", csv(*rows), as_of="2020-01-01T00:00")
    found = outcomes(job)
    assert [row[0] for row in found.values()] == ["failed", "same", "ready"]
    assert found[2][2].startswith("moved at 20")
    assert found[2][2].endswith("after the level's time")

    shop.place(("TEE", 1))  # a claim moves no units
    now = StockMovement.objects.exclude(on_hand=0).latest("pk").created_at
    later = upload(console, "stock", csv(*rows), as_of=f"{now:%Y-%m-%dT%H:%M:%S.%f}")
    assert outcomes(later)[2][0] == "ready"


def test_a_file_cannot_be_of_tomorrow(console, shop):
    answer = post(console, "stock", csv(("TEE", "WH", 1)), as_of="2999-01-01T00:00")
    assert "This is in the future." in answer.content.decode()
    assert not Job.objects.exists()


def test_units_that_orders_wait_for_may_go_and_their_loss_is_work(console, shop):
    shop.place(("CAP", 1))
    held = Stock.objects.get(product__sku="CAP", reserved=1)
    decide(console, upload(console, "stock", csv(("CAP", held.location.code, 0))))
    held.refresh_from_db()
    assert (held.on_hand, held.reserved) == (0, 1)
    assert OutboxRow.objects.filter(topic="shortage", subject=held.pk).exists()


# --- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        (("TEE", "WH", "+5"), "quantity", "not a whole number"),
        (("TEE", "WH", "٣"), "quantity", "not a whole number"),
        (("TEE", "WH", "5 pcs"), "quantity", "not a whole number"),
        (("TEE", "WH", "1e3"), "quantity", "not a whole number"),
        (("TEE", "WH", "9" * 5000), "quantity", "is more than"),
        (("TEE", "WH", "=1+1"), "quantity", "not a whole number"),
        (("1.00E+5", "WH", "1"), "sku", "turned into a number"),
        (('"1,00E+05"', "WH", "1"), "sku", "turned into a number"),
        (("TEE\u202e", "WH", "1"), "sku", "characters that no code has"),
        (("tee", "WH", "1"), "sku", "no product"),
        (("TEE", "wh", "1"), "location", "no stock point"),
        (("TEE", " ", "1"), "location", "is empty"),
        (("TEE", "WH"), "quantity", "'' is not"),
        (("x" * 5000, "WH", "1"), "sku", "no product has SKU 'xxx"),
    ],
    ids=lambda v: str(v)[:24],
)
def test_a_bad_cell_of_a_csv_is_named(console, shop, cells, column, words):
    job = upload(console, "stock", csv(cells, ("MUG", "WH", 1)))
    outcome, at, said = outcomes(job)[2]
    assert (outcome, at) == ("failed", column)
    assert words in said
    assert len(said) < 300
    assert outcomes(job)[3][0] == "ready"


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ((17, "WH", 1), "sku", "'17' is not text, so leading zeros may be lost"),
        ((8001234567890, "WH", 1), "sku", "is not text"),
        ((12345.0, "WH", 1), "sku", "is not text"),
        ((True, "WH", 1), "sku", "is not text"),
        (("TEE", 7, 1), "location", "is not text"),
        (("TEE", "WH", True), "quantity", "not a whole number"),
        (("TEE", "WH", 1.5), "quantity", "not a whole number"),
        (("TEE", "WH", 1e300), "quantity", "not a whole number|is more than"),
        (("TEE", "WH", "=1+1"), "quantity", "'' is not a whole number"),
    ],
    ids=lambda v: str(v)[:24],
)
def test_a_bad_cell_of_a_workbook_is_named(console, shop, cells, column, words):
    job = upload(console, "stock", xlsx(cells, ("MUG", "WH", 1.0)), "levels.xlsx")
    outcome, at, said = outcomes(job)[2]
    assert (outcome, at) == ("failed", column)
    assert any(part in said for part in words.split("|")), said
    assert outcomes(job)[3][2] == "50 → 1 at WH"


def test_codes_that_look_like_numbers_touch_only_themselves(console, shop):
    rows = [("0017", "WH", 1), ("12345", "WH", 2), ("12345-AB", "WH", 3)]
    for job in (upload(console, "stock", csv(*rows)), upload(console, "stock", xlsx(*rows))):
        assert {row[0] for row in outcomes(job).values()} == {"ready"}
    decide(console, job)
    assert [level(sku, "WH") for sku in ("0017", "17", "12345", "12345-AB")] == [1, 0, 2, 3]


def test_a_workbook_whose_codes_became_numbers_names_them_all(console, shop):
    content = (STOCK / "levels_codes_became_numbers.xlsx").read_bytes()
    job = upload(console, "stock", content, "levels.xlsx")
    assert [row[0] for row in outcomes(job).values()] == ["failed"] * 3 + ["ready", "same"]


def test_a_pair_that_stands_twice_is_used_once(console, shop):
    job = upload(console, "stock", csv(("TEE", "WH", 5), ("TEE", "LYON", 5), ("TEE", "WH", 5)))
    assert outcomes(job)[4] == ("failed", "sku", "TEE at WH stands in row 2 already")
    assert decide(console, job).done == 2


def test_a_pair_with_two_levels_spoils_the_file(console, shop):
    before = levels()
    job = upload(console, "stock", csv(("TEE", "WH", 5), ("MUG", "WH", 5), ("TEE", "WH", 6)))
    assert (job.state, job.rows.count()) == ("failed", 0)
    assert "Row 2 says 5 of TEE at WH, row 4 says 6" in page(console, job)
    assert console.post(f"{JOBS}{job.pk}/apply/").status_code == 200  # words, no change
    assert levels() == before


# --- who, and how much ---------------------------------------------------------------------------


def test_only_people_with_the_right_may_upload_or_apply(client, console, shop):
    job = upload(console, "stock", csv(("TEE", "WH", 1)))
    clerk = shop.user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(clerk)
    assert shown_actions(client, job) == set()
    for path in ("upload-stock/", "upload-orders/", f"{job.pk}/apply/", f"{job.pk}/discard/"):
        assert client.post(JOBS + path).status_code == 403
    assert client.get(f"{JOBS}{job.pk}/refused/").status_code == 200
    client.force_login(shop.user("lea", "LYON"))
    assert client.get(f"{JOBS}{job.pk}/refused/").status_code == 302  # to the login


def test_a_file_over_the_limit_is_refused_in_the_form(console, shop, settings):
    settings.UPLOAD_MAX_BYTES = 1024
    answer = post(console, "stock", b"x" * 1025)
    assert "larger than" in answer.content.decode()
    assert not Job.objects.exists()


def test_an_upload_far_over_the_limit_is_not_even_stored(console, shop, settings):
    assert settings.UPLOAD_MAX_BYTES == 20 * 1024 * 1024
    stored = "config.bodies.UploadLimit"
    assert settings.FILE_UPLOAD_HANDLERS[0] == stored
    settings.UPLOAD_MAX_BYTES = 1024
    console.raise_request_exception = False
    answer = post(console, "stock", b"x" * 200_000)
    assert answer.status_code == 413
    assert "larger than the limit" in answer.content.decode()


@pytest.mark.parametrize("content", [b"", b"sku,location,quantity\n\n\n"])
def test_an_empty_file_says_so(console, shop, content):
    if not content:
        assert "empty" in post(console, "stock", content).content.decode()
    else:
        assert "The file has no rows." in page(console, upload(console, "stock", content))


def test_what_was_refused_can_be_downloaded_without_becoming_a_formula(console, shop):
    bad = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "＝1", "a;=1"]
    job = upload(console, "stock", csv(*((f'"{sku}"', "WH", 1) for sku in bad)))
    answer = console.get(f"{JOBS}{job.pk}/refused/")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == f'attachment; filename="refused-{job.pk}.csv"'
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv_module.reader(io.StringIO(text)))
    assert rows[0] == ["row", "reference", "column", "reason"]
    assert [row[0] for row in rows[1:]] == ["2", "3", "4", "5", "6", "7"]
    assert [row[1] for row in rows[1:]] == ["'" + sku for sku in bad[:5]] + ["a;'=1"]


# --- many rows, dying workers --------------------------------------------------------------------


def many(company, count: int) -> bytes:
    """A file with a level of `count` pairs, over all four stock points."""
    places = sorted(company.locations)
    skus = [f"SKU-{i:05}" for i in range(count // len(places))]
    Product.objects.bulk_create((Product(sku=sku, name=sku) for sku in skus), 2000)
    return csv(*((sku, place, 5) for sku in skus for place in places))


def statements(console, content: bytes) -> tuple[int, int]:
    """SQL of checking, and of applying, a file."""
    post(console, "stock", content)
    with CaptureQueriesContext(connection) as checking:
        work()
    job = Job.objects.latest("pk")
    assert (job.state, job.failed) == ("preview", 0)
    jobs.accept(job)
    with CaptureQueriesContext(connection) as applying:
        work()
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", job.total)
    return len(checking), len(applying)


def test_thousands_of_rows_take_no_statement_of_their_own(console, company):
    checking, applying = statements(console, many(company, 6_000))
    reads = 6_000 // jobs.READ_AHEAD
    batches = 6_000 // jobs.kinds()["stock"].batch
    assert checking <= 20 + 5 * reads
    assert applying <= 20 + 20 * batches  # the rows of the first load are made, too
    assert Stock.objects.filter(product__sku__startswith="SKU-", on_hand=5).count() == 6_000


def test_a_batch_that_fails_leaves_nothing_and_the_rest_goes_on(console, company, monkeypatch):
    job = upload(console, "stock", many(company, 1200))
    jobs.accept(job)
    real, calls = ledger.take_levels, []

    def dies_once(rows, **options):
        calls.append(len(rows))
        taken = real(rows, **options)
        if len(calls) == 2:
            raise RuntimeError("the lamp fell over")
        return taken

    monkeypatch.setattr(ledger, "take_levels", dies_once)
    work()
    job.refresh_from_db()
    assert (job.state, job.done) == ("running", 500)
    assert "stopped at a fault and is tried again: RuntimeError" in page(console, job)
    assert (
        sum(Stock.objects.filter(product__sku__startswith="SKU").values_list("on_hand", flat=True))
        == 2500
    )

    work()

    job.refresh_from_db()
    assert (job.state, job.done, job.message) == ("done", 1200, "")
    assert calls == [500, 500, 500, 200]
    assert StockMovement.objects.filter(kind="feed").count() == 1200


def test_a_job_that_takes_long_gives_way_and_goes_on(console, company, monkeypatch):
    monkeypatch.setattr(jobs, "TURN_SECONDS", 0.0)
    job = upload(console, "stock", many(company, 1200))
    jobs.accept(job)
    job = decide_until_done(job)
    assert (job.done, job.state) == (1200, "done")
    causes = OutboxRow.objects.filter(topic="import", subject=job.pk).values_list(
        "cause", flat=True
    )
    assert sorted(causes) == [
        "apply",
        "apply after 1001",
        "apply after 1201",
        "apply after 501",
        "check",
    ]


def decide_until_done(job: Job) -> Job:
    while work():
        job.refresh_from_db()
    return job


def test_a_worker_killed_in_the_middle_leaves_whole_batches_and_the_next_one_goes_on(
    console, live_company, tmp_path
):
    post(console, "stock", many(live_company, 10_000))
    work()
    job = Job.objects.latest("pk")
    jobs.accept(job)
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c",
         "from config import outbox; outbox.drain('import', seconds=60)"],
        env=os.environ | {"DATABASE_URL": url_of_the_test_database()},
    )  # fmt: skip
    try:
        until(lambda: Job.objects.get(pk=job.pk).done > 0)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    until(lambda: others() == 0)
    job.refresh_from_db()
    moved = StockMovement.objects.filter(kind="feed").count()
    assert 0 < job.done < 10_000
    assert moved == job.done
    assert job.done % jobs.kinds()["stock"].batch == 0
    assert job.rows.exclude(outcome="ready").count() == moved

    work()

    job.refresh_from_db()
    assert (job.state, job.done, job.failed) == ("done", 10_000, 0)
    assert StockMovement.objects.filter(kind="feed").count() == 10_000
    assert Stock.objects.filter(product__sku__startswith="SKU-").exclude(on_hand=5).count() == 0


def url_of_the_test_database() -> str:
    its = connection.settings_dict
    return f"postgres://{its['USER']}:{its['PASSWORD']}@{its['HOST']}:{its['PORT']}/{its['NAME']}"


def others() -> int:
    """Sessions of other processes in this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
