"""Order files through the console: their columns are said once, then they are shown and placed."""

from datetime import date

import pytest

from config import jobs
from config.models import Job
from config.tasks import prune
from inventory import ledger
from inventory.models import Location, Product
from orders.models import ChannelSku, ColumnMapping, Order, SalesChannel
from orders.order_files import mapping
from orders.order_files.fields import CHOICES, FIELDS
from tests.uploads import decide, outcomes, page, post, upload, work, xlsx

HEADER = (
    "Order number;Order date;Email;Recipient;Street;City;Zip;Country;SKU;Qty;Price;Shipping;Total"
)
ADDRESS = "ada@example.com;Ada Lovelace;1 Rue de Rivoli;Paris;75001;FR"
USUAL = {choice.name: choice.values[0][0] for choice in CHOICES}


def row(number: str, sku: str, quantity: int = 1, *, price="20.00", shipping="", total="") -> str:
    return f"{number};2026-11-20 10:00;{ADDRESS};{sku};{quantity};{price};{shipping};{total}"


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows]).encode()


@pytest.fixture
def columns(company) -> ColumnMapping:
    """Columns that are said already."""
    names = [name.lower() for name in HEADER.split(";")]
    return ColumnMapping.objects.create(
        channel=company.web, name="ours", columns=mapping.guess(names), defaults=USUAL
    )


def loaded(console, columns: ColumnMapping, content: bytes, name: str = "orders.csv") -> Job:
    return upload(console, "order-file", content, name, channel="web", mapping=str(columns.pk))


def placed(console, columns: ColumnMapping, content: bytes) -> Job:
    job = decide(console, loaded(console, columns, content))
    assert job.state == "done", (job.state, job.message)
    return job


# --- saying the columns --------------------------------------------------------------------------


def asked(console, content: bytes, name: str = "orders.csv") -> tuple[Job, str]:
    """Upload with new columns; returns the job and the page that asks."""
    answer = post(console, "order-file", content, name, channel="web", mapping="")
    job = Job.objects.latest("pk")
    assert answer.url == f"/admin/config/job/{job.pk}/columns/"
    return job, answer.url


def test_new_columns_are_guessed_said_and_kept_for_the_next_file(console, company):
    job, url = asked(console, table(row("A-1", "TEE", total="20.00")))
    assert job.state == "asking"
    html = console.get(url).content.decode()
    assert "Ada Lovelace" in html
    assert '<option value="zip" selected>zip</option>' in html

    said = mapping.guess([name.lower() for name in HEADER.split(";")])
    answer = console.post(url, {"name": "market", **said, **USUAL})
    assert answer.status_code == 302, answer.content.decode()
    work()
    job.refresh_from_db()
    assert job.state == "preview"
    assert outcomes(job) == {2: ("ready", "", "1 lines, 20.00 EUR")}
    decide(console, job)
    order = Order.objects.get(external_id="A-1")
    assert (order.source, order.contact.city, order.contact.email) == (
        "file", "Paris", "ada@example.com")  # fmt: skip

    kept = ColumnMapping.objects.get()
    assert (kept.name, kept.created_by, kept.columns["ship_postcode"]) == ("market", "boss", "zip")
    html = console.get("/admin/config/job/upload-order-file/").content.decode()
    assert "market (" in html


def test_what_is_needed_is_named_and_a_name_is_given_once(console, company, columns):
    job, url = asked(console, table(row("A-1", "TEE")))
    html = console.post(url, {"name": "x", **USUAL, "sku": "sku"}).content.decode()
    assert html.count("A column is needed.") == 3  # order number, quantity, price
    assert "or a store where orders are picked up" in html
    said = dict(columns.columns)
    html = console.post(url, {"name": "ours", **said, **USUAL}).content.decode()
    assert "have this name already" in html
    job.refresh_from_db()
    assert job.state == "asking"


def test_a_file_nobody_says_the_columns_of_is_forgotten(console, company, settings):
    job, _ = asked(console, table(row("A-1", "TEE")))
    Job.objects.update(created_at=job.created_at - jobs.KEEP_UNDECIDED * 2)
    prune()
    job.refresh_from_db()
    assert (job.state, bool(job.file)) == ("discarded", False)


def test_a_file_that_is_no_table_is_discarded_with_the_reason(console, company):
    _, url = asked(console, b"\xff\xfenonsense")
    html = console.get(url, follow=True).content.decode()
    assert "UTF-16" in html


def test_columns_of_another_channel_are_refused(console, company, columns):
    SalesChannel.objects.create(code="app", name="App", pool=company.pool)
    answer = post(
        console, "order-file", table(row("A", "TEE")), "a.csv",
        channel="app", mapping=str(columns.pk),
    )  # fmt: skip
    assert "These are columns of Web shop" in answer.content.decode()


def test_every_field_has_a_name_of_its_own():
    names = [name for field in FIELDS.values() for name in field.names]
    assert len(names) == len(set(names))


# --- orders --------------------------------------------------------------------------------------


def test_rows_of_the_same_number_are_one_order(console, company, columns):
    job = placed(
        console, columns,
        table(
            row("A-1", "TEE", 2, shipping="5.00", total="54.50"),
            row("A-1", "MUG", 1, price="9.50", shipping="5.00"),
            row("A-2", "TEE", total="20.00"),
        ),
    )  # fmt: skip
    assert (job.total, job.done, job.failed) == (2, 2, 0)
    order = Order.objects.get(external_id="A-1")
    assert (str(order.total), str(order.shipping_total)) == ("54.5000", "5.0000")
    assert list(order.lines.order_by("position").values_list("sku", "quantity")) == [
        ("TEE", 2), ("MUG", 1)]  # fmt: skip
    assert order.payments.get().state == "captured"


def test_500_orders_loaded_again_are_500_already_present(console, company, columns):
    ledger.post(
        [ledger.Entry(company.products["TEE"].pk, company.locations["WH"].pk, "opening",
                      on_hand=1000)],
        actor="test",
    )  # fmt: skip
    rows = [row(f"A-{n:03}", "TEE", total="20.00") for n in range(500)]
    first = placed(console, columns, table(*rows))
    assert (first.done, first.failed) == (500, 0)

    rows[7] = row("A-007", "TEE", 2, total="40.00")
    again = loaded(console, columns, table(*rows))
    assert (again.total, again.done, again.failed) == (500, 499, 1)
    found = outcomes(again)
    assert found[9][0] == "failed"
    assert found[9][2].endswith("was placed before with other content")
    assert {outcome for outcome, *_ in found.values()} == {"same", "failed"}
    decide(console, again)
    assert Order.objects.count() == 500


def test_codes_stay_what_they_are_in_both_kinds_of_file(console, company, columns):
    codes = ["0017", "12345", "12345-AB"]
    for sku in [*codes, "17"]:
        product = Product.objects.create(sku=sku, name=sku)
        ledger.post(
            [ledger.Entry(product.pk, company.locations["WH"].pk, "opening", on_hand=50)],
            actor="test",
        )
    rows = [row(f"C-{sku}", sku) for sku in codes]
    placed(console, columns, table(*rows))
    cells = [[*line.split(";")] for line in (row(f"X-{sku}", sku) for sku in codes)]
    job = loaded(console, columns, xlsx(*cells, header=HEADER.split(";")), "orders.xlsx")
    decide(console, job)
    for kind in ("C", "X"):
        for sku in codes:
            assert Order.objects.get(external_id=f"{kind}-{sku}").lines.get().sku == sku

    bad = [row("B-1", "8.00123E+12")]
    job = loaded(console, columns, table(*bad))
    outcome, column, words = outcomes(job)[2]
    assert (outcome, column) == ("failed", "sku")
    assert "format the column as text" in words
    cells = row("B-2", "x").split(";")
    cells[8] = 17
    job = loaded(console, columns, xlsx(cells, header=HEADER.split(";")), "orders.xlsx")
    assert "leading zeros may be lost" in outcomes(job)[2][2]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([row("A", "TEE", 0)], (2, "qty", "whole number of units from 1")),
        ([row("A", "TEE").replace(";1;", ";1.5;")], (2, "qty", "whole number")),
        ([row("A", "TEE", price="dear")], (2, "price", "not an amount")),
        ([row("A", "")], (2, "sku", "is empty")),
        ([row("A", "NOBODY")], (2, "sku", "no active product has SKU NOBODY")),
        ([row("A", "TEE", total="19.00")], (2, "total", "add up to 20.00")),
        ([row("A", "TEE").replace(";FR;", ";Narnia;")], (2, "country", "not a country")),
        ([row("A", "TEE").replace("2026-11-20", "soon")], (2, "order date", "not a time")),
        ([row("A", "TEE"), row("A", "MUG").replace("Paris", "Lyon")], (3, "city", "otherwise")),
        ([row("A", "TEE"), row("B", "TEE"), row("A", "TEE")], (4, "order number", "together")),
        ([row("A", "TEE") + ";more"], (2, "", "cells under 13 columns")),
        ([row("A", "TEE", shipping="-1")], (2, "shipping_total", "greater than or equal to 0")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_row_and_column(console, company, columns, lines, told):
    number, column, words = told
    job = loaded(console, columns, table(*lines, row("GOOD", "TEE")))
    outcome, where, said = outcomes(job)[number]
    assert (outcome, where) == ("failed", column)
    assert words in said
    assert words.split("'")[0] in page(console, job).replace("&#x27;", "'")
    decide(console, job)
    assert Order.objects.filter(external_id="GOOD").exists()


def test_a_file_without_its_columns_is_refused_whole(console, company, columns):
    job = loaded(console, columns, b"order number;sku\nA;TEE")
    assert job.state == "failed"
    assert "missing" in job.message


def test_marketplaces_write_parts_per_row_commas_and_days_of_their_own(console, company):
    header = ("Order;Date;Recipient;Street;City;Zip;SKU;Qty;Price;Shipping;Commission;Tax;"
              "Ship by;Gift")  # fmt: skip
    columns = ColumnMapping.objects.create(
        channel=company.web, name="market", columns=mapping.guess(header.lower().split(";")),
        defaults={"paid": "none", "tax_included": "no", "decimal": ",", "dates": "dmy",
                  "per_row": "yes", "country": "FR", "currency": "EUR"},
    )  # fmt: skip
    common = "M-1;20.11.2026;Ada;1 Rue de Rivoli;Paris;75001"
    job = placed(console, columns, table(
        f"{common};TEE;1;1.020,00;2,50;100,05;10,00;24.11.2026 18:00;yes",
        f"{common};MUG;1;9,50;2,50;1,00;10,00;24.11.2026 18:00;yes",
        header=header,
    ))  # fmt: skip
    assert job.failed == 0, outcomes(job)
    order = Order.objects.get()
    assert str(order.shipping_total) == "5.0000"
    assert str(order.commission) == "101.0500"
    assert str(order.tax_total) == "10.0000"
    assert str(order.total) == "1044.5000"
    assert order.gift
    assert order.ship_by.date() == date(2026, 11, 24)
    assert order.payments.count() == 0


def test_orders_of_a_till_name_their_store(console, company):
    Location.objects.filter(code="LYON").update(can_pickup=True)
    header = "Order;SKU;Qty;Price;Pickup location;Sold at;E-mail"
    columns = ColumnMapping.objects.create(
        channel=company.web, name="till", columns=mapping.guess(header.lower().split(";")),
        defaults=USUAL,
    )  # fmt: skip
    job = placed(
        console, columns,
        table("T-1;TEE;1;20.00;LYON;PARIS;", "T-2;TEE;1;20.00;NOWHERE;;", header=header),
    )  # fmt: skip
    order = Order.objects.get(external_id="T-1")
    assert (order.delivery, order.pickup_location.code, order.sold_at.code) == (
        "pickup", "LYON", "PARIS")  # fmt: skip
    assert outcomes(job)[3][0] == "failed"


def test_the_channels_own_skus_are_understood(console, company, columns):
    ChannelSku.objects.create(channel=company.web, sku="THEIRS", product=company.products["TEE"])
    SalesChannel.objects.update(own_skus=True)
    placed(console, columns, table(row("A", "THEIRS")))
    assert Order.objects.get().lines.get().sku == "TEE"
