"""Stock in the console: matrix, slow movers, adjustments that see what moved, own places alone."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inventory import ledger, transfers
from inventory.models import Location, Product, Reservation, Stock, StockMovement, StockRule
from reports.invariants import violations
from tests.fulfillment import stage
from tests.inventory.test_transfers import on_the_road

MATRIX, COVER = "/admin/stock/matrix/", "/admin/stock/cover/"


def row(company, sku, code):
    return Stock.objects.get(product=company.products[sku], location=company.locations[code])


def post(company, sku, code, kind="adjustment", **buckets):
    entry = ledger.Entry(company.products[sku].pk, company.locations[code].pk, kind, **buckets)
    ledger.post([entry], actor="test")


def press(client, stock, button, **data):
    return client.post(reverse(f"admin:inventory_stock_{button}", args=[stock.pk]), data,
                       follow=True)  # fmt: skip


def words(answer) -> str:
    return answer.content.decode()


def page(client, url, **query):
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer


def numbers(answer):
    """Units by SKU, in the order of the columns."""
    return {line.sku: [cell.units for cell in line.cells] for line in answer.context["lines"]}


# --- the matrix -----------------------------------------------------------------------------------


def test_the_matrix_shows_what_is_free_at_each_place(company, console):
    stage.only(company, "LYON")
    company.place(("TEE", 4))
    answer = page(console, MATRIX)
    assert [place.code for place in answer.context["columns"]] == ["LYON", "PARIS", "WH", "RIGA"]
    assert numbers(answer)["TEE"] == [6, 10, 100, 100]
    assert numbers(answer)["BAG"] == [5, 5, None, None]
    assert answer.context["totals"][0] == 6 + 5 + 5 + 1
    lyon = reverse("admin:inventory_stock_change", args=[row(company, "TEE", "LYON").pk])
    assert f'href="{lyon}"' in words(answer)
    assert numbers(page(console, MATRIX, figure="on_hand"))["TEE"] == [10, 10, 100, 100]


def test_what_is_promised_beyond_stock_is_negative_and_red(company, console):
    stage.only(company, "LYON")
    company.place(("TEE", 4))
    post(company, "TEE", "LYON", on_hand=-8)
    answer = page(console, MATRIX, q="tee")
    assert numbers(answer) == {"TEE": [-2, 10, 100, 100]}
    assert 'data-level="danger">-2</a>' in words(answer)


@pytest.mark.parametrize(
    ("query", "found"),
    [("tee", ["TEE"]), ("A", ["BAG", "CAP"]), ("things", ["BAG", "CAP", "MUG", "SOLD", "TEE"]),
     ("200000000001", ["MUG"]), ("%", []), ("' OR 1=1", []), ("nothing", []), ("\0", None)],
)  # fmt: skip
def test_it_is_searched_by_sku_name_category_and_barcode(company, console, query, found):
    got = list(numbers(page(console, MATRIX, q=query)))
    assert got == (found if found is not None else ["BAG", "CAP", "MUG", "SOLD", "TEE"])


def test_it_is_narrowed_to_a_kind_of_place(company, console):
    answer = page(console, MATRIX, kind="store")
    assert [place.code for place in answer.context["columns"]] == ["LYON", "PARIS"]
    assert "no stock point of this kind" in words(page(console, MATRIX, kind="supplier"))


def test_a_page_has_fifty_products_and_two_statements(company, console):
    Product.objects.bulk_create(
        Product(sku=f"X{i:03}", name="x", category="bulk") for i in range(120)
    )
    first = page(console, MATRIX, q="bulk")
    assert len(first.context["lines"]) == 50
    assert (first.context["pages"]["last"], first.context["pages"]["total"]) == (3, 120)
    last = page(console, MATRIX, q="bulk", page=3)
    assert next(iter(numbers(last))) == "X100"
    with stage.statements() as asked:
        page(console, MATRIX, q="bulk")
    assert sum("inventory_" in q["sql"] for q in asked) == 2
    for strange in ("0", "-1", "x", "9" * 30):
        page(console, MATRIX, page=strange)
    assert "no such page" in words(page(console, MATRIX, page=99))


def test_the_matrix_is_a_file_too_and_safe_in_a_spreadsheet(company, console):
    Product.objects.filter(sku="TEE").update(name="=HYPERLINK(1)")
    answer = console.get("/admin/stock/matrix.csv", {"figure": "on_hand"})
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows[0] == ["sku", "name", "LYON", "PARIS", "WH", "RIGA", "total"]
    assert ["TEE", "'=HYPERLINK(1)", "10", "10", "100", "100", "220"] in rows
    assert len(rows) == 6


# --- what does not move ---------------------------------------------------------------------------


def since(company, **ago):
    """As if the stock had come so long ago."""
    with connection.cursor() as cursor:
        cursor.execute("GRANT UPDATE ON inventory_stockmovement TO CURRENT_USER")
        cursor.execute("ALTER TABLE inventory_stockmovement DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE inventory_stockmovement SET created_at = %s",
            [timezone.now() - timedelta(**ago)],
        )
        cursor.execute("ALTER TABLE inventory_stockmovement ENABLE TRIGGER USER")


def covers(answer):
    return {(r.sku, r.place): r for r in answer.context["rows"]}


def test_weeks_of_cover_come_from_what_was_sold(company, console):
    since(company, days=100)
    post(company, "TEE", "LYON", "till_sale", on_hand=-2)
    post(company, "TEE", "WH", "sale", on_hand=-20)
    post(company, "MUG", "WH", on_hand=-20)
    got = covers(page(console, COVER))
    lyon = got["TEE", "Lyon store"]
    assert (lyon.on_hand, lyon.sold, float(lyon.cover)) == (8, 2, 16.0)
    assert float(got["TEE", "Orléans warehouse"].cover) == 16.0
    mug = got["MUG", "Orléans warehouse"]
    assert (mug.sold, mug.cover) == (0, None)
    assert next(iter(got)) == ("TEE", "Riga warehouse")


def test_sales_before_the_last_four_weeks_do_not_count(company, console):
    post(company, "TEE", "LYON", "sale", on_hand=-2)
    since(company, days=40)
    assert covers(page(console, COVER))["TEE", "Lyon store"].cover is None


def test_what_has_just_come_is_measured_from_the_day_it_came(company, console):
    since(company, days=7)
    post(company, "TEE", "LYON", "sale", on_hand=-2)
    assert round(float(covers(page(console, COVER))["TEE", "Lyon store"].cover), 1) == 4.0


def test_it_is_narrowed_to_a_place_a_category_and_what_is_slow(company, console):
    since(company, days=100)
    post(company, "TEE", "LYON", "sale", on_hand=-5)
    only = covers(page(console, COVER, location="LYON"))
    assert {place for _, place in only} == {"Lyon store"}
    assert ("TEE", "Lyon store") in covers(page(console, COVER, slow="4"))
    assert ("TEE", "Lyon store") not in covers(page(console, COVER, slow="8"))
    assert covers(page(console, COVER, category="nothing")) == {}
    assert "No stock is that slow" in words(page(console, COVER, category="nothing"))


def test_value_and_units_over_target_are_shown(company, console):
    level = ledger.Level(company.products["TEE"].pk, company.locations["LYON"].pk, 0, 4)
    ledger.set_levels([level], actor="test")
    answer = page(console, COVER, location="LYON")
    assert covers(answer)["TEE", "Lyon store"].over == 6
    assert (answer.context["over"], answer.context["units"]) == (120, 21)
    assert "weeks of cover = on hand" in words(answer)


# --- one row: adjust, set aside, levels -----------------------------------------------------------


def test_an_adjustment_has_a_reason_a_note_and_a_name(company, console):
    stock = row(company, "TEE", "LYON")
    answer = press(console, stock, "adjust", change=-2, reason="stolen", note="camera", seen=10)
    assert "-2 units" in words(answer)
    move = StockMovement.objects.latest("id")
    assert (move.kind, move.reason, move.note, move.actor) == (
        "adjustment", "stolen", "camera", "boss",
    )  # fmt: skip
    movements = words(console.get(reverse("admin:inventory_stockmovement_changelist")))
    assert "10 → <strong>8</strong>" in movements
    assert "stolen: camera" in movements


def test_stock_that_moved_while_the_page_was_open_refuses_and_says_so(company, console):
    stock = row(company, "TEE", "WH")
    assert 'name="seen" value="100"' in words(
        console.get(reverse("admin:inventory_stock_adjust", args=[stock.pk]))
    )
    post(company, "TEE", "WH", "sale", on_hand=-5)
    answer = press(console, stock, "adjust", change=-3, reason="lost", note="", seen=100)
    assert "100 → 95" in words(answer)
    assert row(company, "TEE", "WH").on_hand == 95
    assert 'name="seen" value="95"' in words(answer)
    press(console, stock, "adjust", change=-3, reason="lost", note="", seen=95)
    assert row(company, "TEE", "WH").on_hand == 92


@pytest.mark.parametrize(
    "wrong",
    [{"change": 0}, {"change": "many"}, {"reason": "because"}, {"seen": ""}, {"change": -11},
     {"note": "x" * 201}],
)  # fmt: skip
def test_a_wrong_adjustment_changes_nothing(company, console, wrong):
    stock = row(company, "TEE", "LYON")
    data = {"change": -1, "reason": "lost", "note": "", "seen": 10} | wrong
    assert press(console, stock, "adjust", **data).status_code == 200
    assert row(company, "TEE", "LYON").on_hand == 10


def test_units_are_set_aside_put_back_and_written_off(company, console):
    stock = row(company, "TEE", "LYON")

    def move(what, bucket, units):
        press(console, stock, "set_aside", what=what, bucket=bucket, units=units, note="")
        now = row(company, "TEE", "LYON")
        return now.on_hand, now.damaged, now.display

    assert move("aside", "damaged", 4) == (10, 4, 0)
    assert move("aside", "display", 1) == (10, 4, 1)
    assert move("back", "damaged", 1) == (10, 3, 1)
    assert move("off", "damaged", 2) == (8, 1, 1)
    assert move("back", "damaged", 2) == (8, 1, 1)
    kinds = StockMovement.objects.filter(actor="boss").order_by("id")
    assert list(kinds.values_list("kind", flat=True)) == ["block", "block", "unblock", "adjustment"]
    assert {name for name, rows in violations().items() if rows} == set()
    listed = words(console.get(reverse("admin:inventory_stock_changelist"), {"bucket": "damaged"}))
    assert "1 damaged" in listed
    assert "1 display" in listed


def test_own_safety_and_target_are_set(company, console):
    stock = row(company, "TEE", "LYON")
    press(console, stock, "set_levels", safety=3, target=20)
    stock.refresh_from_db()
    assert (stock.safety, stock.own_safety, stock.target) == (3, 3, 20)
    press(console, stock, "set_levels", safety=0, target="")
    stock.refresh_from_db()
    assert (stock.safety, stock.target) == (0, None)


def test_the_rule_behind_a_safety_figure_is_named(company, console):
    rule = StockRule.objects.create(name="Stores keep two", kind="safety", units=2)
    safety = ledger.SafetyLevel(
        company.products["TEE"].pk, company.locations["LYON"].pk, 2, rule.pk
    )
    ledger.set_safety([safety], actor="test")
    assert "Stores keep two" in words(console.get(reverse("admin:inventory_stock_changelist")))


def test_rows_that_need_a_look_are_found(company, console):
    stage.only(company, "LYON")
    company.place(("TEE", 4))
    post(company, "TEE", "LYON", on_hand=-8)
    post(company, "MUG", "LYON", "block", unavailable=1, bucket="missing")
    stocks = reverse("admin:inventory_stock_changelist")
    short = words(console.get(stocks, {"level": "short"}))
    assert "2 short" in short
    assert "MUG" not in short
    assert "1 missing" in words(console.get(stocks, {"level": "blocked"}))


def test_movements_and_claims_lead_to_their_documents(company, console):
    company.place(("TEE", 1))
    transfer = on_the_road(company, ("MUG", 2))
    transfers.confirm(
        transfer_id=transfers.create(
            flow="ship_only", source=company.locations["WH"], destination=None,
            units={company.products["TEE"].pk: 1}, actor="ana",
        ).pk, actor="ana",
    )  # fmt: skip
    moves = words(console.get(reverse("admin:inventory_stockmovement_changelist")))
    claims = words(console.get(reverse("admin:inventory_reservation_changelist")))
    line = transfer.lines.get().pk
    link = reverse("stock-cause", args=["transfer_line", line])
    assert link in moves
    assert console.get(link)["Location"] == reverse(
        "admin:inventory_transfer_change", args=[transfer.pk]
    )
    for claim in Reservation.objects.all():
        link = reverse("stock-cause", args=[claim.owner_type, claim.owner_id])
        assert link in claims
        assert console.get(link, follow=True).status_code == 200
    assert console.get(reverse("stock-cause", args=["transfer_line", 10**9])).status_code == 404
    assert console.get(reverse("stock-cause", args=["nothing", 1])).status_code == 404


def test_every_page_opens_from_the_row_and_from_the_navigation(company, console):
    stock = row(company, "TEE", "LYON")
    html = words(console.get(reverse("admin:inventory_stock_change", args=[stock.pk])))
    assert "quality control" in html.lower()
    for button in ("movements", "claims"):
        url = reverse(f"admin:inventory_stock_{button}", args=[stock.pk])
        assert console.get(url, follow=True).status_code == 200
    move = StockMovement.objects.first()
    assert console.get(
        reverse("admin:inventory_stockmovement_change", args=[move.pk])
    ).status_code == 200  # fmt: skip
    home = words(console.get("/admin/"))
    assert MATRIX in home
    assert COVER in home


# --- own stock points -----------------------------------------------------------------------------


@pytest.fixture
def lea(company):
    """Works at the Lyon store and may do what there is to do with stock."""
    user = company.user("lea", "LYON", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(
        content_type__app_label="inventory", content_type__model__in=["stock", "stockmovement",
                                                                      "reservation"]))  # fmt: skip
    client = Client()
    client.force_login(user)
    return client


def test_staff_of_a_store_see_their_own_stock_alone(company, lea):
    company.place(("TEE", 90))
    for name in ("stock", "stockmovement", "reservation"):
        html = words(lea.get(reverse(f"admin:inventory_{name}_changelist")))
        assert "Orléans warehouse" not in html
        assert "Paris store" not in html
    assert [p.code for p in page(lea, MATRIX).context["columns"]] == ["LYON"]
    assert {place for _, place in covers(page(lea, COVER))} == {"Lyon store"}
    assert {place for _, place in covers(page(lea, COVER, location="WH"))} == {"Lyon store"}
    rows = b"".join(lea.get("/admin/stock/matrix.csv").streaming_content).decode()
    assert "WH" not in rows


def test_forged_addresses_and_actions_of_other_stock_points_do_not_exist(company, lea):
    wh, lyon = row(company, "TEE", "WH"), row(company, "TEE", "LYON")
    data = {"change": -1, "reason": "lost", "note": "", "seen": 100}
    assert press(lea, wh, "adjust", **data).status_code == 404
    aside = {"what": "aside", "bucket": "damaged", "units": 1, "note": ""}
    assert press(lea, wh, "set_aside", **aside).status_code == 404
    assert press(lea, wh, "set_levels", safety=9, target=9).status_code == 404
    for button in ("movements", "claims"):
        assert lea.get(reverse(f"admin:inventory_stock_{button}", args=[wh.pk])).status_code == 404
    wh.refresh_from_db()
    assert (wh.on_hand, wh.unavailable, wh.safety) == (100, 0, 0)
    press(lea, lyon, "adjust", **data | {"seen": 10})
    assert row(company, "TEE", "LYON").on_hand == 9


def test_lookups_of_other_stock_points_show_nothing(company, lea):
    stocks = reverse("admin:inventory_stock_changelist")
    wh = company.locations["WH"].pk
    shown = lea.get(stocks, {"location__id__exact": wh}).context["cl"].result_list
    assert {stock.location.code for stock in shown} <= {"LYON"}
    answer = lea.get(stocks, {"location__staff__user__username__startswith": "l"})
    assert answer.status_code in (302, 400)


def test_a_permission_lifts_the_bounds(company, lea):
    user = company.user("max", "LYON", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_stock", "view_all_locations"])
    )
    client = Client()
    client.force_login(user)
    assert len(page(client, MATRIX).context["columns"]) == Location.objects.count()


def test_the_pages_are_for_who_may_see_stock(company):
    client = Client()
    assert client.get(MATRIX).status_code == 302
    client.force_login(company.user("ida", is_staff=True))
    for url in (MATRIX, COVER, "/admin/stock/matrix.csv",
                reverse("stock-cause", args=["order", 1])):  # fmt: skip
        assert client.get(url).status_code == 403
