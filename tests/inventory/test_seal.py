"""The seal shows what not even the database's owner may do unseen: rewriting the ledger."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from inventory import ledger, seal
from inventory.models import LedgerSeal, StockMovement


def move(company, units=1, sku="TEE"):
    entry = ledger.Entry(company.products[sku].pk, company.locations["WH"].pk, "adjustment",
                         on_hand=units)  # fmt: skip
    ledger.post([entry], actor="test")


def as_owner(sql):
    """What somebody does who gave himself the rights back and switched the trigger off."""
    with connection.cursor() as cursor:
        cursor.execute("GRANT UPDATE, DELETE ON inventory_stockmovement TO CURRENT_USER")
        cursor.execute("ALTER TABLE inventory_stockmovement DISABLE TRIGGER USER")
        cursor.execute(sql)
        assert cursor.rowcount == 1, sql


@pytest.fixture
def sealed(company):
    for _ in range(5):
        move(company)
    assert seal.seal() == StockMovement.objects.count()
    return company


def test_what_is_written_is_sealed_once(sealed):
    assert seal.seal() == 0
    move(sealed)
    assert seal.seal() == 1
    first, second = LedgerSeal.objects.all()
    assert second.first_id == first.last_id + 1
    assert list(seal.broken()) == []


def test_ranges_are_bounded(company, monkeypatch):
    monkeypatch.setattr(seal, "RANGE", 2)
    for _ in range(5):
        move(company)
    seal.seal()
    rows = list(LedgerSeal.objects.values_list("rows", flat=True))
    assert max(rows) == 2
    assert sum(rows) == StockMovement.objects.count()
    assert list(seal.broken()) == []


@pytest.mark.parametrize("edit", [
    "UPDATE inventory_stockmovement SET on_hand = on_hand + 1 WHERE id = %d",
    "UPDATE inventory_stockmovement SET actor = 'nobody' WHERE id = %d",
    "UPDATE inventory_stockmovement SET created_at = created_at + interval '1 microsecond'"
    " WHERE id = %d",
    "UPDATE inventory_stockmovement SET note = 'other words' WHERE id = %d",
    "DELETE FROM inventory_stockmovement WHERE id = %d",
])  # fmt: skip
def test_an_edit_shows_in_its_range(sealed, edit):
    row = StockMovement.objects.order_by("id")[3]
    as_owner(edit % row.pk)
    (found,) = seal.broken()
    assert found.first_id <= row.pk <= found.last_id


def test_a_row_slipped_in_afterwards_shows(sealed):
    gap = StockMovement.objects.order_by("id")[2].pk
    as_owner(f"DELETE FROM inventory_stockmovement WHERE id = {gap}")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_stockmovement (id, product_id, location_id, kind, on_hand,"
            " reserved, unavailable, on_hand_after, reserved_after, unavailable_after, reason,"
            " cause_type, actor, created_at) SELECT %s, product_id, location_id, 'adjustment', 9,"
            " 0, 0, 9, 0, 0, '', '', 'me', now() FROM inventory_stock LIMIT 1",
            [gap],
        )
    (found,) = seal.broken()
    assert found.rows_now == found.rows_sealed


def test_a_seal_cannot_be_made_anew_over_an_edit_without_breaking_the_next(sealed, monkeypatch):
    move(sealed)
    seal.seal()
    first, row = LedgerSeal.objects.first(), StockMovement.objects.first()
    as_owner(f"UPDATE inventory_stockmovement SET on_hand = 7 WHERE id = {row.pk}")
    (found,) = seal.broken()
    with connection.cursor() as cursor:
        cursor.execute("GRANT UPDATE ON inventory_ledgerseal TO CURRENT_USER")
        cursor.execute("ALTER TABLE inventory_ledgerseal DISABLE TRIGGER USER")
        cursor.execute("UPDATE inventory_ledgerseal SET digest = repeat('a', 64) WHERE id = %s",
                       [first.pk])  # fmt: skip
    assert len(list(seal.broken())) == 2
    assert found.first_id == first.first_id


@pytest.mark.parametrize("sql", ["UPDATE inventory_stockmovement SET on_hand = 0",
                                 "DELETE FROM inventory_stockmovement",
                                 "UPDATE inventory_ledgerseal SET rows = 0",
                                 "DELETE FROM inventory_settinghistory"])  # fmt: skip
def test_the_role_of_the_application_has_no_right_to_rewrite(company, sql):
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.django_db(transaction=True)
def test_a_writer_is_not_made_to_wait_and_his_row_is_sealed_after_he_ends(live_company):
    wrote, go_on = threading.Event(), threading.Event()

    def slow_writer():
        with transaction.atomic():
            move(live_company, sku="MUG")
            wrote.set()
            go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=slow_writer)
    writer.start()
    assert wrote.wait(10)
    move(live_company)  # a later number that is committed earlier
    timer = threading.Timer(0.3, go_on.set)
    timer.start()
    sealed = seal.seal()
    writer.join(10)
    assert sealed == StockMovement.objects.count()
    assert list(seal.broken()) == []


@pytest.mark.django_db(transaction=True)
def test_a_writer_that_takes_too_long_is_left_for_the_next_run(live_company, monkeypatch):
    monkeypatch.setattr(seal, "WAIT_SECONDS", 0.1)
    wrote, go_on = threading.Event(), threading.Event()

    def slow_writer():
        with transaction.atomic():
            move(live_company, sku="MUG")
            wrote.set()
            go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=slow_writer)
    writer.start()
    assert wrote.wait(10)
    assert seal.seal() == 0
    go_on.set()
    writer.join(10)
    assert seal.seal() == StockMovement.objects.count()
