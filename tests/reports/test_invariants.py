"""Each invariant sees what it is there for: a lie written behind the house's back is found."""

import re
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fulfillment import work
from inventory import counts, supplies, transfers
from inventory.models import Supply
from orders import payments
from orders.models import SalesChannel
from orders.payments import gift_cards
from reports.invariants import INVARIANTS, violations
from reports.tasks import check_invariants
from tests import cast
from tests.fulfillment import stage
from tests.returns import journeys

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """Orders in every room of the house, built once: each test takes back what it did to them."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield _live(cast.build())
        transaction.set_rollback(True)


@pytest.fixture
def lived(world, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        yield world
        transaction.set_rollback(True)


def _live(company):
    """One order was returned, one refused, one waits to be routed, one cannot be filled."""
    lyon = company.locations["LYON"]
    rma = journeys.come_back(journeys.deliver(company.place(("BAG", 1))), lyon, BAG=1)
    journeys.grade(rma, "BAG", A=1)
    journeys.process.refund(return_id=rma.pk, actor="lea")
    SalesChannel.objects.update(on_shortage="queue")
    company.web.refresh_from_db()
    refused = company.place(("BAG", 1))
    company.place(("SOLD", 1))
    stage.drain()
    task = refused.fulfillment_orders.get()
    work.refuse(fulfillment_order_id=task.pk, reason="damaged", actor="lea")
    company.place(("TEE", 2))
    stage.drain()
    company.place(("MUG", 1))
    _paid_by_card(company)
    _transfers(company)
    _counted(company)
    _awaited(company)
    assert broken() == set()
    return company


def _awaited(company):
    """Two units came of a purchase order line, and one that comes yet is promised."""
    line = supplies.Line(
        reference="PO-1", product=company.products["CAP"].pk, quantity=3,
        location=company.locations["WH"].pk, eta=timezone.now().date(),
    )  # fmt: skip
    supplies.upsert([line], actor="test")
    arrived = supplies.Receipt(Supply.objects.get(reference="PO-1").pk, 2, "r-1")
    supplies.receive([arrived], actor="test")
    company.place(("CAP", 5))


def _paid_by_card(company):
    """A gift card paid an order, and got a part of it back."""
    _, code = gift_cards.issue(amount=Decimal(100), currency="EUR", actor="ana")
    card = {"reference": "g", "method": "gift_card", "state": "captured", "gift_card": code,
            "amount": "24.90"}  # fmt: skip
    order = company.place(("TEE", 1), payments=[card])
    payments.refund(order=order, amount=Decimal(5), reason="late", key="late", actor="lea")


def _transfers(company):
    """One was received, in part damaged, in part never; another waits to be sent."""
    units = {company.products["TEE"].pk: 4}
    ends = {"source": company.locations["WH"], "destination": company.locations["PARIS"]}
    came, waits = (
        transfers.create(flow="both", units=units, actor="ana", **ends).pk for _ in range(2)
    )
    transfers.confirm(transfer_id=waits, actor="ana")
    transfers.confirm(transfer_id=came, actor="ana")
    line = transfers.ship(transfer_id=came, actor="ana").lines.get()
    arrived = {line.pk: transfers.Arrived(received=2, refused=1)}
    transfers.receive(transfer_id=came, arrived=arrived, actor="lea")
    transfers.close(transfer_id=came, actor="lea")


def _counted(company):
    """One line was accepted and posted, one was left as it was."""
    tee, cap = company.products["TEE"].pk, company.products["CAP"].pk
    count = counts.start(location=company.locations["LYON"].pk, kind="selective",
                         products=[tee, cap], actor="max")  # fmt: skip
    section = count.sections.get().pk
    found = [counts.Found("TEE", 8, timezone.now()), counts.Found("CAP", 5, timezone.now())]
    counts.record(section_id=section, entries=found, by="lea")
    counts.submit_section(section_id=section, by="lea")
    counts.submit(count_id=count.pk, by="lea")
    line = count.lines.get(product=tee).pk
    counts.decide(count_id=count.pk, lines=[line], decision="accept", by="max")
    counts.post(count_id=count.pk, by="max")


def broken():
    return {name[:3] for name, rows in violations().items() if rows}


def run(lie):
    """Write without triggers, foreign keys, checks and unique constraints; all is rolled back."""
    table = re.match(r"(?:UPDATE|DELETE FROM|INSERT INTO) (\w+)", lie)[1]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname)"
            "  FROM pg_constraint WHERE (contype IN ('f', 'c', 'u') AND conrelid = %(t)s::regclass)"
            "    OR (contype = 'f' AND confrelid = %(t)s::regclass) UNION ALL "
            "SELECT format('DROP INDEX %%I', indexrelid::regclass) FROM pg_index WHERE indisunique"
            "   AND indpred IS NOT NULL AND indrelid = %(t)s::regclass", {"t": table},
        )  # fmt: skip
        for (drop,) in cursor.fetchall():
            cursor.execute(drop)
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"GRANT UPDATE, DELETE ON {table} TO CURRENT_USER")
        cursor.execute(lie)
        assert cursor.rowcount, lie


CLOSED = "(SELECT id FROM orders_order WHERE state = 'closed')"
ROUTED = "(SELECT id FROM orders_allocation WHERE state = 'allocated' LIMIT 1)"
DELIVERED = "(SELECT id FROM orders_allocation WHERE state = 'delivered')"

LIES = [
    ("I01", "UPDATE inventory_stock SET on_hand = -1 WHERE reserved = 0"),
    ("I01", "UPDATE inventory_stock SET damaged = on_hand WHERE reserved > 0"),
    ("I01", "UPDATE inventory_stock SET damaged = -1"),
    ("I02", "UPDATE inventory_stock SET reserved = reserved + 1 WHERE on_hand > 50"),
    ("I02", "DELETE FROM inventory_reservation WHERE quantity = 2"),
    ("I03", "UPDATE inventory_stock SET on_hand = on_hand + 1"),
    ("I03", "UPDATE inventory_stockmovement SET reserved = 0 WHERE kind = 'release'"),
    ("I03", "DELETE FROM inventory_stock WHERE reserved = 0"),
    ("I04", "UPDATE orders_orderline SET quantity = quantity + 1"),
    ("I04", "UPDATE inventory_reservation SET quantity = quantity + 1"),
    ("I04", "UPDATE orders_allocation SET location_id = (SELECT id FROM inventory_location WHERE"
            f" code = 'RIGA') WHERE id = {ROUTED}"),
    ("I05", f"UPDATE orders_allocation SET reservation_id = NULL WHERE id = {ROUTED}"),
    ("I05", "UPDATE inventory_reservation SET expires_at = now() - interval '1 hour'"),
    ("I05", "UPDATE orders_order SET state = 'canceled' WHERE state = 'open'"),
    ("I05", "UPDATE inventory_transfer SET state = 'canceled' WHERE state = 'confirmed'"),
    ("I05", "UPDATE inventory_reservation SET owner_id = 0 WHERE owner_type = 'transfer'"),
    ("I06", "DELETE FROM fulfillment_parcelline"),
    ("I06", "UPDATE fulfillment_parcelline SET quantity = 2"),
    ("I06", f"UPDATE orders_allocation SET state = 'canceled' WHERE id = {DELIVERED}"),
    ("I06", "UPDATE inventory_stockmovement SET on_hand = -2 WHERE kind = 'sale'"),
    ("I06", "UPDATE inventory_stockmovement SET key = 'sale:0' WHERE kind = 'sale'"),
    ("I07", "UPDATE returns_returnline SET expected = 2, received = 2, settled = 2"),
    ("I07", "UPDATE returns_returnline SET restocked = 0"),
    ("I07", "DELETE FROM inventory_stockmovement WHERE cause_type = 'return_line'"),
    ("I08", "UPDATE orders_refund SET amount = amount + 1"),
    ("I08", "UPDATE orders_refund SET currency = 'USD'"),
    ("I08", "UPDATE orders_payment SET refunded = captured + 1"),
    ("I08", "DELETE FROM orders_refund"),
    ("I08", "UPDATE orders_payment SET charged_back = 1"),
    ("I08", "UPDATE orders_paymententry SET amount = amount - 1 WHERE kind = 'authorize'"),
    ("I08", "UPDATE orders_paymententry SET state = 'pending' WHERE kind = 'capture'"),
    ("I08", "DELETE FROM orders_paymententry WHERE kind = 'refund'"),
    ("I08", "UPDATE orders_giftcard SET balance = balance + 1"),
    ("I08", "DELETE FROM orders_giftcardentry WHERE key LIKE 'pay:%'"),
    ("I09", f"UPDATE orders_payment SET captured = captured - 1 WHERE order_id = {CLOSED}"),
    ("I09", "UPDATE orders_payment SET amount = amount + 1, captured = captured + 1"
            f" WHERE order_id = {CLOSED}"),
    ("I10", "UPDATE orders_orderline SET total = total + 0.01"),
    ("I10", "UPDATE orders_orderline SET discount = 1"),
    ("I10", "UPDATE orders_order SET shipping_total = 0"),
    ("I11", "UPDATE orders_order SET external_id = 'same'"),
    ("I11", "INSERT INTO orders_orderevent (order_id, kind, at, actor, data) SELECT order_id, kind,"
            " at, actor, data FROM orders_orderevent WHERE kind = 'order.received'"),
    ("I11", "UPDATE inventory_stockmovement SET key = 'same' WHERE kind = 'opening'"),
    ("I11", "INSERT INTO orders_refund (payment_id, amount, currency, state, reason, key, actor,"
            " created_at) SELECT payment_id, amount, currency, 'errored', reason, key, actor,"
            " created_at FROM orders_refund"),
    ("I11", "INSERT INTO fulfillment_parcel (fulfillment_order_id, order_id, location_id, carrier,"
            " tracking_number, tracking_status, tracking_at, weight_g, shipped_at, received_by)"
            " SELECT fulfillment_order_id, order_id, location_id, carrier, tracking_number,"
            " tracking_status, tracking_at, weight_g, shipped_at, received_by"
            " FROM fulfillment_parcel"),
    ("I12", "DELETE FROM config_outboxrow WHERE topic = 'route' AND done_at IS NULL"),
    ("I12", "UPDATE config_outboxrow SET dead_at = now() WHERE done_at IS NULL"),
    ("I12", "UPDATE orders_allocation SET next_action_at = NULL WHERE queue = 'unfillable'"),
    ("I12", "UPDATE orders_allocation SET next_action_at = now() - interval '2 hours'"
            " WHERE queue = 'unfillable'"),
    ("I12", "UPDATE fulfillment_fulfillmentline SET open = false WHERE open"),
    ("I13", "UPDATE orders_allocation SET attempt = 11"),
    ("I13", "UPDATE routing_refusal SET location_id = (SELECT location_id FROM orders_allocation"
            " WHERE id = routing_refusal.allocation_id), at = at - interval '1 day'"),
    ("I13", "UPDATE inventory_location SET capacity_per_day = 0;"
            " UPDATE routing_offer SET capacity = 0"),
    ("I05", "UPDATE inventory_reservation SET owner_id = 0 WHERE supply_id IS NOT NULL"),
    ("I12", "UPDATE orders_allocation SET queue = 'backorder' WHERE queue = 'unfillable'"),
    ("I14", "UPDATE inventory_supply SET claimed = 2"),
    ("I14", "UPDATE inventory_supply SET claimed = 0"),
    ("I14", "UPDATE inventory_supply SET state = 'received'"),
    ("I14", "UPDATE inventory_supply SET quantity = 1 WHERE claimed = 1"),
    ("I14", "UPDATE inventory_supply SET received = 0 WHERE received > 0"),
    ("I14", "UPDATE inventory_supplyreceipt SET key = 'another'"),
    ("I14", "UPDATE inventory_supply SET state = 'canceled'"),
    ("I14", "UPDATE inventory_reservation SET owner_type = 'supply' WHERE supply_id IS NOT NULL"),
    ("I14", "UPDATE inventory_transferline SET sent = sent + 1"),
    ("I14", "UPDATE inventory_transferline SET received = received - 1"),
    ("I14", "UPDATE inventory_transferline SET received = received - 1, refused = refused + 1"),
    ("I14", "UPDATE inventory_transferline SET lost = 0 WHERE lost > 0"),
    ("I14", "UPDATE inventory_transferline SET quantity = 3"),
    ("I14", "UPDATE inventory_stockmovement SET on_hand = -9 WHERE kind = 'transfer_out'"),
    ("I14", "UPDATE inventory_stockmovement SET kind = 'receipt' WHERE kind = 'transfer_in'"),
    ("I15", "UPDATE orders_order SET state = 'open' WHERE state = 'closed'"),
    ("I15", "UPDATE orders_order SET state = 'canceled' WHERE state = 'closed'"),
    ("I15", "UPDATE orders_order SET state = 'closed' WHERE state = 'open'"),
    ("I16", "DELETE FROM orders_orderevent WHERE kind = 'order.received'"),
    ("I16", "DELETE FROM orders_allocation WHERE state = 'queued'"),
    ("I17", "UPDATE inventory_countline SET posted = -1 WHERE posted < 0"),
    ("I17", "UPDATE inventory_countline SET decision = '' WHERE decision = 'reject'"),
    ("I17", "UPDATE inventory_countline SET decision = 'reject'"),
    ("I17", "UPDATE inventory_count SET state = 'canceled' WHERE state = 'posted'"),
    ("I17", "UPDATE inventory_stockmovement SET on_hand = -9 WHERE cause_type = 'count_line'"),
    ("I17", "UPDATE inventory_stockmovement SET cause_id = 0 WHERE cause_type = 'count_line'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lie"), LIES)
def test_a_lie_is_found(lived, name, lie):
    run(lie)
    assert name in broken()


def test_a_message_that_was_sent_twice_is_found(lived):
    run(
        "INSERT INTO orders_notification (order_id, template, dedupe_key, recipient, subject, body,"
        " state, reason, trigger, message_id, created_at) SELECT id, 't', 'same', '', '', '',"
        " 'sent', '', 't', '', now() FROM orders_order"
    )
    assert "I11" in broken()


def test_every_invariant_is_put_to_the_test():
    assert {name for name, _ in LIES} == {name[:3] for name in INVARIANTS}


def test_the_command_counts_shows_and_fails(lived, capsys):
    call_command("check_invariants")
    assert "BROKEN" not in capsys.readouterr().out
    run("UPDATE inventory_stock SET on_hand = on_hand + 1")
    with pytest.raises(SystemExit):
        call_command("check_invariants")
    assert "BROKEN I03" in capsys.readouterr().out


def test_the_periodic_job_keeps_the_counts_for_the_console(lived):
    from config.models import JobRun

    run("UPDATE inventory_stock SET on_hand = on_hand + 1")
    check_invariants()
    counts = JobRun.objects.get(job="check_invariants").result
    assert {name[:3] for name, count in counts.items() if count} == {"I03"}


def test_the_page_shows_what_holds_and_the_rows_of_what_does_not(lived):
    page, admin_client = reverse("invariants"), Client()
    admin_client.force_login(lived.user("boss", is_staff=True, is_superuser=True))
    assert "are broken" not in admin_client.get(page).content.decode()
    run("UPDATE orders_orderline SET discount = 1")
    html = admin_client.get(page).content.decode()
    assert f"1 of {len(INVARIANTS) + 1} are broken" in html
    assert "I10" in html


def test_the_page_is_for_staff(lived):
    client = Client()
    assert client.get(reverse("invariants")).status_code == 302
    client.force_login(lived.user("lea", "LYON", is_staff=True))
    assert client.get(reverse("invariants")).status_code == 403
