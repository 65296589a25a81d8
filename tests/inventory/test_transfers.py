"""Transfers: claimed only from what is free, sent and received once, nothing lost on the road."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import outbox
from config.status import IllegalMove
from inventory import ledger, transfers
from inventory.models import Reservation, Stock, StockMovement, Transfer
from inventory.transfers import Arrived
from orders.models import Allocation
from reports.invariants import violations
from tests.fulfillment import stage
from tests.races.crowd import at_once, deadlocks
from tests.routing import scenes


@pytest.fixture(autouse=True)
def all_holds(request):
    """Every test ends with the invariants."""
    live = "live_company" in request.fixturenames
    request.getfixturevalue("live_company" if live else "company")
    yield
    assert {name: rows for name, rows in violations().items() if rows} == {}


def draft(company, *items, flow="both", source="WH", destination="LYON", **values):
    place = company.locations
    return transfers.create(
        flow=flow, source=place[source] if source else None,
        destination=place[destination] if destination else None,
        units={company.products[sku].pk: units for sku, units in items}, actor="ana", **values,
    )  # fmt: skip


def confirmed(company, *items, **values):
    return transfers.confirm(transfer_id=draft(company, *items, **values).pk, actor="ana")


def on_the_road(company, *items, **values):
    return transfers.ship(transfer_id=confirmed(company, *items, **values).pk, actor="ben")


def line(row, sku):
    return row.lines.get(product__sku=sku)


def figures(row, sku):
    """(asked for, sent, received, refused, lost)."""
    got = line(row, sku)
    return got.quantity, got.sent, got.received, got.refused, got.lost


def arrive(row, **units):
    """Everything that came so far: SKU=(received, refused)."""
    arrived = {line(row, sku).pk: Arrived(*counts) for sku, counts in units.items()}
    return transfers.receive(transfer_id=row.pk, arrived=arrived, actor="lea")


def send(row, *, final=False, **units):
    sent = {line(row, sku).pk: count for sku, count in units.items()}
    return transfers.ship(transfer_id=row.pk, sent=sent, final=final, actor="ben")


def buckets(company, sku, code):
    """(on hand, reserved, damaged) at a stock point."""
    row = Stock.objects.get(product=company.products[sku], location=company.locations[code])
    return row.on_hand, row.reserved, row.damaged


def road(company, sku):
    return transfers.in_transit([company.products[sku].pk])


def refused(error, call, *args, **values):
    """It is refused, and nothing has changed."""
    before = everything()
    with pytest.raises(error) as caught:
        call(*args, **values)
    assert everything() == before
    return caught.value


def everything():
    stock = Stock.objects.order_by("id").values_list("id", "on_hand", "reserved", "unavailable")
    lines = Transfer.objects.order_by("id").values_list("state", "lines__sent", "lines__received")
    return list(stock), list(lines), StockMovement.objects.count(), Reservation.objects.count()


# --- the way of a transfer ------------------------------------------------------------------------


def test_a_transfer_moves_units_from_one_place_to_the_other(company):
    row = draft(company, ("TEE", 20), ("MUG", 5))
    assert buckets(company, "TEE", "WH") == (100, 0, 0)
    transfers.confirm(transfer_id=row.pk, actor="ana")
    assert buckets(company, "TEE", "WH") == (100, 20, 0)
    transfers.ship(transfer_id=row.pk, actor="ben")
    assert buckets(company, "TEE", "WH") == (80, 0, 0)
    assert buckets(company, "TEE", "LYON") == (10, 0, 0)
    lyon = company.locations["LYON"].pk
    assert road(company, "TEE") == {(company.products["TEE"].pk, lyon): 20}
    row = arrive(row, TEE=(20, 0), MUG=(5, 0))
    assert row.state == "closed"
    assert row.closed_at is not None
    assert buckets(company, "TEE", "LYON") == (30, 0, 0)
    assert road(company, "TEE") == {}


def test_the_ledger_says_what_moved_units_and_who(company):
    row = on_the_road(company, ("TEE", 3))
    arrive(row, TEE=(2, 1))
    rows = StockMovement.objects.filter(cause_type="transfer_line", cause_id=line(row, "TEE").pk)
    assert [(m.kind, m.location.code, m.on_hand, m.reserved, m.bucket, m.actor)
            for m in rows.order_by("id")] == [
        ("transfer_out", "WH", -3, -3, "", "ben"),
        ("transfer_in", "LYON", 2, 0, "", "lea"),
        ("transfer_in", "LYON", 1, 0, "damaged", "lea"),
    ]  # fmt: skip
    assert all(m.key for m in rows)


def test_seven_accepted_and_three_refused_leave_nothing_on_the_road(company):
    row = arrive(on_the_road(company, ("TEE", 10)), TEE=(7, 3))
    assert row.state == "closed"
    assert buckets(company, "TEE", "LYON") == (20, 0, 3)
    assert road(company, "TEE") == {}
    assert transfers.differences(line(row, "TEE")) == {"refused": 3}


def test_all_refused_leave_nothing_on_the_road_either(company):
    row = arrive(on_the_road(company, ("TEE", 10)), TEE=(0, 10))
    assert row.state == "closed"
    stock = Stock.objects.get(product=company.products["TEE"], location=company.locations["LYON"])
    assert (stock.on_hand, stock.damaged, stock.free) == (20, 10, 10)


def test_units_arrive_in_several_receipts(company):
    row = on_the_road(company, ("TEE", 10))
    assert arrive(row, TEE=(4, 0)).state == "partly"
    assert list(road(company, "TEE").values()) == [6]
    assert arrive(row, TEE=(9, 1)).state == "closed"
    assert figures(row, "TEE") == (10, 10, 9, 1, 0)


def test_a_receipt_that_is_booked_twice_counts_once(company):
    row = on_the_road(company, ("TEE", 10))
    arrive(row, TEE=(4, 1))
    before = everything()
    arrive(row, TEE=(4, 1))
    assert everything() == before


def test_more_than_was_sent_is_received_and_shown(company):
    row = arrive(on_the_road(company, ("TEE", 10)), TEE=(12, 0))
    assert buckets(company, "TEE", "LYON") == (22, 0, 0)
    assert transfers.differences(line(row, "TEE")) == {"over": 2}


def test_what_never_came_is_lost_when_it_is_closed(company):
    row = on_the_road(company, ("TEE", 10), ("MUG", 2))
    arrive(row, TEE=(7, 0))
    row = transfers.close(transfer_id=row.pk, actor="lea")
    assert figures(row, "TEE") == (10, 10, 7, 0, 3)
    assert figures(row, "MUG") == (2, 2, 0, 0, 2)
    assert road(company, "TEE") == road(company, "MUG") == {}
    before = everything()
    transfers.close(transfer_id=row.pk, actor="lea")
    assert everything() == before


def test_lost_units_that_turn_up_later_are_lost_no_more(company):
    row = on_the_road(company, ("TEE", 10))
    arrive(row, TEE=(7, 0))
    transfers.close(transfer_id=row.pk, actor="lea")
    row = arrive(row, TEE=(9, 0))
    assert row.state == "closed"
    assert figures(row, "TEE") == (10, 10, 9, 0, 1)
    assert buckets(company, "TEE", "LYON") == (19, 0, 0)


def test_the_first_unit_of_a_product_in_a_place_makes_its_stock_row(company):
    tee, riga = company.products["BAG"], company.locations["RIGA"]
    assert not Stock.objects.filter(product=tee, location=riga).exists()
    row = on_the_road(company, ("BAG", 2), source="LYON", destination="RIGA")
    arrive(row, BAG=(1, 1))
    assert buckets(company, "BAG", "RIGA") == (2, 0, 1)
    with pytest.raises(ledger.NotEnough):
        ledger.post([ledger.Entry(tee.pk, company.locations["WH"].pk, "adjustment", on_hand=-1)],
                    actor="test")  # fmt: skip


# --- claims ---------------------------------------------------------------------------------------


def test_a_transfer_of_promised_units_is_refused_and_the_promises_stay(company):
    stage.only(company, "LYON")
    company.place(("TEE", 8))
    row = draft(company, ("TEE", 5), source="LYON", destination="PARIS")
    error = refused(transfers.NotFree, transfers.confirm, transfer_id=row.pk, actor="ana")
    assert error.short == [("TEE", 5, 2)]
    assert "TEE: 5 wanted, 2 free" in str(error)
    assert buckets(company, "TEE", "LYON") == (10, 8, 0)
    assert Transfer.objects.get(pk=row.pk).state == "draft"


def test_one_product_that_is_not_free_refuses_the_whole_transfer(company):
    row = draft(company, ("TEE", 5), ("SOLD", 1))
    refused(transfers.NotFree, transfers.confirm, transfer_id=row.pk, actor="ana")


def test_confirming_twice_claims_once(company):
    row = confirmed(company, ("TEE", 5))
    transfers.confirm(transfer_id=row.pk, actor="ana")
    assert buckets(company, "TEE", "WH") == (100, 5, 0)


def test_cancel_gives_the_claims_back(company):
    row = confirmed(company, ("TEE", 5))
    transfers.cancel(transfer_id=row.pk, actor="ana")
    transfers.cancel(transfer_id=row.pk, actor="ana")
    assert buckets(company, "TEE", "WH") == (100, 0, 0)
    assert Transfer.objects.get().state == "canceled"


def test_a_part_is_sent_and_the_rest_stays_claimed_for_the_next_shipment(company):
    row = confirmed(company, ("TEE", 10), ("MUG", 3))
    assert send(row, TEE=4).state == "shipped"
    assert buckets(company, "TEE", "WH") == (96, 6, 0)
    send(row, TEE=4)
    assert buckets(company, "TEE", "WH") == (96, 6, 0)
    assert arrive(row, TEE=(4, 0)).state == "partly"
    send(row, TEE=10, MUG=3)
    assert buckets(company, "TEE", "WH") == (90, 0, 0)
    assert arrive(row, TEE=(10, 0), MUG=(3, 0)).state == "closed"


def test_a_final_shipment_gives_the_rest_back(company):
    row = confirmed(company, ("TEE", 10))
    send(row, TEE=7, final=True)
    assert buckets(company, "TEE", "WH") == (93, 0, 0)
    row = arrive(row, TEE=(7, 0))
    assert row.state == "closed"
    assert transfers.differences(line(row, "TEE")) == {"under": 3}


def test_saying_later_that_the_rest_stays_here_ends_its_claims(company):
    row = confirmed(company, ("TEE", 10))
    arrive(send(row, TEE=7), TEE=(7, 0))
    assert transfers.ship(transfer_id=row.pk, sent={}, final=True, actor="ben").state == "closed"
    assert buckets(company, "TEE", "WH") == (93, 0, 0)


def test_closing_ends_the_claims_of_what_was_never_sent(company):
    row = send(confirmed(company, ("TEE", 10)), TEE=7)
    transfers.close(transfer_id=row.pk, actor="ben")
    assert buckets(company, "TEE", "WH") == (93, 0, 0)
    assert figures(row, "TEE") == (10, 7, 0, 0, 7)


def test_a_count_below_the_claims_takes_from_transfers_before_orders(company):
    stage.only(company, "LYON")
    order = company.place(("TEE", 4))
    stage.drain("route")
    older = confirmed(company, ("TEE", 3), source="LYON", destination="PARIS")
    newer = confirmed(company, ("TEE", 3), source="LYON", destination="PARIS")
    adjust(company, "TEE", "LYON", -4)
    scenes.work("shortage")
    assert transfers.held([line(older, "TEE").pk, line(newer, "TEE").pk]) == {
        line(older, "TEE").pk: 2
    }
    assert stage.states(order) == {"allocated": 4}
    assert buckets(company, "TEE", "LYON") == (6, 6, 0)


def test_orders_give_way_only_for_what_transfers_cannot_cover(company):
    stage.only(company, "LYON")
    first, last = company.place(("TEE", 3)), company.place(("TEE", 3))
    stage.drain("route")
    confirmed(company, ("TEE", 2), source="LYON", destination="PARIS")
    adjust(company, "TEE", "LYON", -6)
    scenes.work("shortage")
    kept = Allocation.objects.filter(reservation__isnull=False)
    assert sum(kept.filter(order=first).values_list("quantity", flat=True)) == 3
    assert sum(kept.filter(order=last).values_list("quantity", flat=True)) == 1
    assert buckets(company, "TEE", "LYON") == (4, 4, 0)


def test_a_transfer_that_lost_units_claims_them_again_when_they_are_back(company):
    row = confirmed(company, ("TEE", 8), source="LYON", destination="PARIS")
    adjust(company, "TEE", "LYON", -5)
    scenes.work("shortage")
    assert transfers.held([line(row, "TEE").pk]) == {line(row, "TEE").pk: 5}
    refused(transfers.NotFree, transfers.confirm, transfer_id=row.pk, actor="ana")
    refused(transfers.NotFree, transfers.ship, transfer_id=row.pk, actor="ben")
    adjust(company, "TEE", "LYON", 5)
    transfers.confirm(transfer_id=row.pk, actor="ana")
    assert transfers.held([line(row, "TEE").pk]) == {line(row, "TEE").pk: 8}
    send(row, TEE=6)
    assert buckets(company, "TEE", "LYON") == (4, 2, 0)


def adjust(company, sku, code, units):
    entry = ledger.Entry(company.products[sku].pk, company.locations[code].pk, "adjustment",
                         on_hand=units)  # fmt: skip
    ledger.post([entry], actor="test")


# --- flows ----------------------------------------------------------------------------------------


def test_ship_only_ends_when_everything_has_left(company):
    row = on_the_road(company, ("TEE", 5), flow="ship_only", destination=None)
    assert row.state == "closed"
    assert buckets(company, "TEE", "WH") == (95, 0, 0)
    assert road(company, "TEE") == {}
    refused(transfers.NotOurs, arrive, row, TEE=(5, 0))


def test_receive_only_is_on_the_road_once_it_is_confirmed(company):
    row = confirmed(company, ("TEE", 5), flow="receive_only", source=None)
    assert row.state == "shipped"
    assert list(road(company, "TEE").values()) == [5]
    assert transfers.confirm(transfer_id=row.pk, actor="ana").state == "shipped"
    assert buckets(company, "TEE", "WH") == (100, 0, 0)
    refused(transfers.Refused, send, row, TEE=6)
    assert arrive(row, TEE=(4, 2)).state == "closed"
    assert buckets(company, "TEE", "LYON") == (16, 0, 2)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "source", "destination"),
    [("both", "WH", None), ("both", None, "LYON"), ("both", "WH", "WH"),
     ("ship_only", "WH", "LYON"), ("receive_only", "WH", "LYON"), ("ship_only", None, None)],
)  # fmt: skip
def test_ends_that_do_not_fit_the_flow_are_refused(company, flow, source, destination):
    with pytest.raises(transfers.BadEnds):
        draft(company, ("TEE", 1), flow=flow, source=source, destination=destination)


def test_a_transfer_has_lines_units_and_a_reference_of_its_own(company):
    with pytest.raises(transfers.BadLines):
        draft(company)
    with pytest.raises(transfers.BadLines):
        draft(company, ("TEE", 0))
    row = draft(company, ("TEE", 1), reference="ERP-7")
    assert row.reference == "ERP-7"
    with pytest.raises(transfers.ReferenceTaken):
        draft(company, ("TEE", 1), reference="ERP-7")
    assert draft(company, ("TEE", 1)).reference != draft(company, ("TEE", 1)).reference


def test_an_illegal_move_names_the_legal_ones(company):
    row = draft(company, ("TEE", 5))
    error = refused(IllegalMove, transfers.ship, transfer_id=row.pk, actor="ben")
    assert error.legal == ["canceled", "confirmed"]
    refused(IllegalMove, transfers.close, transfer_id=row.pk, actor="ben")
    refused(IllegalMove, arrive, row, TEE=(1, 0))
    transfers.confirm(transfer_id=row.pk, actor="ana")
    refused(IllegalMove, arrive, row, TEE=(1, 0))
    transfers.ship(transfer_id=row.pk, actor="ben")
    refused(IllegalMove, transfers.cancel, transfer_id=row.pk, actor="ana")
    refused(IllegalMove, transfers.confirm, transfer_id=row.pk, actor="ana")


def test_figures_cannot_fall_nor_pass_what_was_asked(company):
    row = send(confirmed(company, ("TEE", 5)), TEE=3)
    assert "3 of TEE were sent before" in str(refused(transfers.CountedMore, send, row, TEE=2))
    assert refused(transfers.TooMany, send, row, TEE=6).most == 5
    arrive(row, TEE=(2, 1))
    refused(transfers.CountedMore, arrive, row, TEE=(1, 1))
    refused(transfers.CountedMore, arrive, row, TEE=(3, 0))
    refused(transfers.TooMany, arrive, row, TEE=(100_001, 1))
    other = line(draft(company, ("TEE", 1)), "TEE")
    call = {"transfer_id": row.pk, "actor": "x"}
    refused(transfers.UnknownLine, transfers.ship, sent={other.pk: 1}, **call)
    refused(transfers.UnknownLine, transfers.receive, arrived={other.pk: Arrived(1)}, **call)


def test_a_shipment_without_a_unit_is_no_shipment(company):
    row = confirmed(company, ("TEE", 5))
    refused(transfers.NothingSent, send, row, TEE=0)
    refused(transfers.NothingSent, send, row, TEE=0, final=True)


def test_statements_do_not_grow_with_lines(company):
    def statements(*items):
        row = draft(company, *items)
        with CaptureQueriesContext(connection) as captured:
            transfers.confirm(transfer_id=row.pk, actor="ana")
            send(row, **{sku: units - 1 for sku, units in items})
            arrive(row, **{sku: (1, 1) for sku, _ in items})
        return sum("inventory_transferline" not in q["sql"] or "SELECT" not in q["sql"][:7]
                   for q in captured)  # fmt: skip

    assert statements(("TEE", 4)) == statements(("TEE", 4), ("MUG", 4))


# --- together -------------------------------------------------------------------------------------


def test_ten_clicks_on_every_button_book_once(live_company):
    row = confirmed(live_company, ("TEE", 10))
    pk, tee = row.pk, line(row, "TEE").pk
    at_once(*[lambda: transfers.ship(transfer_id=pk, actor="ben")] * 5)
    assert buckets(live_company, "TEE", "WH") == (90, 0, 0)
    at_once(*[lambda: transfers.receive(transfer_id=pk, arrived={tee: Arrived(6, 1)},
                                        actor="lea")] * 5)  # fmt: skip
    assert buckets(live_company, "TEE", "LYON") == (17, 0, 1)
    at_once(*[lambda: transfers.close(transfer_id=pk, actor="lea")] * 3)
    assert figures(row, "TEE") == (10, 10, 6, 1, 3)


def test_a_transfer_and_an_order_do_not_both_get_the_last_unit(live_company):
    stage.only(live_company, "LYON")
    row = draft(live_company, ("CAP", 1), source="LYON", destination="WH")
    results = at_once(
        lambda: transfers.confirm(transfer_id=row.pk, actor="ana"),
        lambda: live_company.place(("CAP", 1)),
    )
    assert sum(isinstance(result, Exception) for result in results) == 1
    assert buckets(live_company, "CAP", "LYON") == (1, 1, 0)


def test_transfers_sent_while_stock_falls_short_do_not_block_each_other(live_company):
    stage.only(live_company, "LYON")
    live_company.place(("TEE", 2), ("MUG", 2))
    stage.drain("route")
    rows = [confirmed(live_company, ("TEE", 2), ("MUG", 1), source="LYON", destination="PARIS")
            for _ in range(3)]  # fmt: skip
    adjust(live_company, "TEE", "LYON", -5)
    adjust(live_company, "MUG", "LYON", -3)
    before = deadlocks()
    at_once(
        lambda: outbox.drain("shortage"), lambda: outbox.drain("shortage"),
        *[lambda pk=row.pk: transfers.ship(transfer_id=pk, sent={}, final=True, actor="b")
          for row in rows[:1]],
        lambda: transfers.cancel(transfer_id=rows[1].pk, actor="ana"),
        lambda: send(rows[2], TEE=1, MUG=1),
    )  # fmt: skip
    scenes.work("shortage")
    assert deadlocks() == before
    assert buckets(live_company, "TEE", "LYON")[1] <= 5
