"""The only writer of stock: what it writes down, and that a refusal leaves no trace."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from config.models import OutboxRow
from inventory import availability, ledger
from inventory.ledger import Claim, ClaimGone, Entry, Level, NotEnough
from inventory.models import Reservation, Stock, StockMovement
from reports.invariants import violations


@pytest.fixture
def shelf(company):
    return Shelf(company, "LYON")


class Shelf:
    """One stock point, seen through the ledger."""

    def __init__(self, company, code):
        self.company, self.place = company, company.locations[code].pk

    def sku(self, sku):
        return self.company.products[sku].pk

    def entry(self, sku, kind="adjustment", **buckets):
        return Entry(self.sku(sku), self.place, kind, **buckets)

    def claim(self, *wanted, owner=1):
        claims = [Claim(n, self.sku(sku), self.place, units, owner)
                  for n, (sku, units) in enumerate(wanted)]  # fmt: skip
        return ledger.reserve(claims, owner_type="hold", actor="test")

    def claim_one(self, sku, units):
        return self.claim((sku, units))[0].reservation

    def buckets(self, sku):
        row = Stock.objects.get(product_id=self.sku(sku), location_id=self.place)
        return row.on_hand, row.reserved, row.unavailable

    def movements(self, sku):
        return StockMovement.objects.filter(
            product_id=self.sku(sku), location_id=self.place
        ).order_by("id")


def refused(error, call, *args, **values):
    """The call raises this and changes nothing."""
    before = everything()
    with pytest.raises(error), transaction.atomic():
        call(*args, **values)
    assert everything() == before


def everything():
    stock = Stock.objects.order_by("id").values_list("id", "on_hand", "reserved", "unavailable")
    return list(stock), StockMovement.objects.count(), Reservation.objects.count()


# --- writing -------------------------------------------------------------------------------------


def test_each_entry_says_what_it_changed_and_what_it_left_behind(shelf):
    ledger.post(
        [shelf.entry("TEE", on_hand=5),
         shelf.entry("TEE", "block", unavailable=2, bucket="damaged"),
         shelf.entry("TEE", on_hand=-3, reason="broken", cause_type="job", cause_id=7)],
        actor="lea",
    )  # fmt: skip
    rows = list(shelf.movements("TEE"))[-3:]
    assert [(r.on_hand, r.on_hand_after) for r in rows] == [(5, 15), (0, 15), (-3, 12)]
    assert [(r.unavailable, r.unavailable_after) for r in rows] == [(0, 0), (2, 2), (0, 2)]
    last = rows[-1]
    assert (last.actor, last.reason, last.cause_type, last.cause_id) == ("lea", "broken", "job", 7)
    assert shelf.buckets("TEE") == (12, 0, 2)


def test_post_answers_with_what_is_there_afterwards(shelf):
    after = ledger.post([shelf.entry("TEE", on_hand=5)], actor="test")
    assert after == [(shelf.sku("TEE"), shelf.place, 15, 0, 0)]


def test_the_first_units_of_a_product_make_its_stock_row(shelf):
    ledger.post([shelf.entry("SOLD", "receipt", on_hand=3)], actor="test")
    assert shelf.buckets("SOLD") == (3, 0, 0)


def test_nothing_to_post_is_no_statement(django_assert_num_queries, company):
    with django_assert_num_queries(0):
        assert ledger.post([], actor="test") == []
        assert ledger.reserve([], owner_type="hold", actor="test") == {}


# --- refusing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "buckets", [{"on_hand": -11}, {"reserved": -1}, {"unavailable": -1, "bucket": "damaged"}]
)
def test_a_bucket_below_zero_is_refused_and_nothing_of_the_call_is_written(shelf, buckets):
    both = [shelf.entry("MUG", on_hand=1), shelf.entry("TEE", **buckets)]
    refused(NotEnough, ledger.post, both, actor="test")


def test_not_enough_names_the_rows(shelf):
    with pytest.raises(NotEnough) as caught:
        ledger.post([shelf.entry("TEE", on_hand=-11)], actor="test")
    assert caught.value.rows == [(shelf.sku("TEE"), shelf.place)]


def test_units_cannot_leave_where_there_never_were_any(shelf):
    refused(NotEnough, ledger.post, [shelf.entry("SOLD", on_hand=-1)], actor="test")


def test_one_key_is_posted_once(shelf):
    ledger.post([shelf.entry("TEE", on_hand=1, key="count:1")], actor="test")
    again = [shelf.entry("MUG", on_hand=1), shelf.entry("TEE", on_hand=1, key="count:1")]
    refused(IntegrityError, ledger.post, again, actor="test")


@pytest.mark.parametrize("change", ["UPDATE inventory_stockmovement SET on_hand = 0",
                                    "DELETE FROM inventory_stockmovement",
                                    "DELETE FROM inventory_stockmovement WHERE false"])  # fmt: skip
def test_the_ledger_cannot_be_rewritten(company, change):
    with (
        pytest.raises(DatabaseError, match=r"append-only|permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)


# --- claims --------------------------------------------------------------------------------------


def test_a_claim_is_granted_or_not_and_what_is_not_granted_takes_nothing(shelf):
    got = shelf.claim(("TEE", 4), ("CAP", 2))
    assert set(got) == {0}
    assert (got[0].location, got[0].quantity) == (shelf.place, 4)
    assert shelf.buckets("TEE") == (10, 4, 0)
    assert shelf.buckets("CAP") == (1, 0, 0)
    written = shelf.movements("TEE").last()
    assert (written.kind, written.reserved, written.reserved_after) == ("reserve", 4, 4)


def test_claims_of_one_call_on_one_shelf_are_granted_together_or_not_at_all(shelf):
    assert not shelf.claim(("CAP", 1), ("CAP", 1))
    assert set(shelf.claim(("TEE", 4), ("TEE", 6))) == {0, 1}
    assert [m.reserved_after for m in shelf.movements("TEE")][-2:] == [4, 10]


def test_what_others_claimed_is_not_there(shelf):  # case 11
    shelf.claim(("TEE", 8))
    assert not shelf.claim(("TEE", 3))
    assert shelf.claim(("TEE", 2))


def test_units_kept_back_or_unavailable_are_not_promised(shelf):  # case 57
    pool = shelf.company.pool.pk
    ledger.set_levels([Level(shelf.sku("TEE"), shelf.place, 3, None)], actor="test")
    ledger.post([shelf.entry("TEE", "block", unavailable=2, bucket="damaged")], actor="test")
    free = dict(availability.available(pool=pool, skus=["TEE"])[0].locations)
    assert free["LYON"] == 5
    assert not shelf.claim(("TEE", 6))
    assert shelf.claim(("TEE", 5))
    assert "LYON" not in dict(availability.available(pool=pool, skus=["TEE"])[0].locations)


def test_more_kept_back_than_there_is_promises_nothing_rather_than_less(shelf):
    ledger.set_levels([Level(shelf.sku("TEE"), shelf.place, 99, None)], actor="test")
    found = availability.available(pool=shelf.company.pool.pk, skus=["TEE"])[0]
    assert found.available == 100 + 10 + 100
    assert Stock.objects.get(product_id=shelf.sku("TEE"), location_id=shelf.place).free == 0


def test_a_released_claim_is_free_again_and_is_not_released_twice(shelf):
    claim = shelf.claim_one("TEE", 4)
    ledger.release([claim], actor="test", reason="changed my mind")
    assert shelf.buckets("TEE") == (10, 0, 0)
    shelf.claim(("TEE", 4), owner=2)
    refused(ClaimGone, ledger.release, [claim], actor="test")


def test_of_several_claims_one_that_is_gone_keeps_the_others(shelf):
    gone, held = shelf.claim_one("TEE", 1), shelf.claim_one("MUG", 1)
    ledger.release([gone], actor="test")
    refused(ClaimGone, ledger.release, [held, gone], actor="test")
    refused(ClaimGone, ledger.take, [(held, "k1"), (gone, "k2")], cause_type="parcel", cause_id=1,
            actor="test")  # fmt: skip


def test_the_same_claim_named_twice_is_released_once(shelf):  # case 27
    claim = shelf.claim_one("TEE", 3)
    ledger.release([claim, claim], actor="test")
    assert shelf.buckets("TEE") == (10, 0, 0)


def test_what_is_taken_leaves_the_shelf_and_the_claims(shelf):
    claim = shelf.claim_one("TEE", 4)
    ledger.take([(claim, "sale:1")], cause_type="parcel", cause_id=9, actor="lea")
    assert shelf.buckets("TEE") == (6, 0, 0)
    sale = StockMovement.objects.get(key="sale:1")
    assert (sale.kind, sale.on_hand, sale.reserved, sale.cause_id) == ("sale", -4, -4, 9)


def test_what_the_books_say_is_not_there_cannot_be_taken(shelf):
    claim = shelf.claim_one("TEE", 4)
    ledger.post([shelf.entry("TEE", on_hand=-7)], actor="test")
    refused(NotEnough, ledger.take, [(claim, "sale:1")], cause_type="parcel", cause_id=9,
            actor="test")  # fmt: skip


def test_a_claim_cut_in_two_holds_the_same_units(shelf):
    claim = shelf.claim_one("TEE", 5)
    other = ledger.split(claim, quantity=2)
    held = Reservation.objects.in_bulk([claim, other])
    assert (held[claim].quantity, held[other].quantity) == (3, 2)
    assert held[other].owner_id == held[claim].owner_id
    assert shelf.buckets("TEE") == (10, 5, 0)


@pytest.mark.parametrize("units", [5, 6])
def test_nothing_is_cut_off_that_leaves_nothing(shelf, units):
    claim = shelf.claim_one("TEE", 5)
    refused(ClaimGone, ledger.split, claim, quantity=units)


# --- moving --------------------------------------------------------------------------------------


def moved(shelf, ending, *wanted):
    claims = [Claim(n, shelf.sku(sku), shelf.place, units, 1)
              for n, (sku, units) in enumerate(wanted)]  # fmt: skip
    return ledger.move(claims, ending, owner_type="hold", actor="test")


def test_claims_are_changed_for_others_in_one_statement(shelf, django_assert_num_queries):
    old = shelf.claim_one("TEE", 4)
    with django_assert_num_queries(1):
        new = moved(shelf, [old], ("MUG", 2))
    assert shelf.buckets("TEE") == (10, 0, 0)
    assert shelf.buckets("MUG") == (5, 2, 0)
    assert set(Reservation.objects.values_list("id", flat=True)) == {new[0].reservation}


def test_what_an_ended_claim_gives_up_is_the_new_ones_to_take(shelf):
    old = shelf.claim_one("TEE", 10)
    assert moved(shelf, [old], ("TEE", 3), ("TEE", 7))[1].quantity == 7
    assert shelf.buckets("TEE") == (10, 10, 0)
    assert [m.reserved_after for m in shelf.movements("TEE")][-3:] == [0, 3, 10]


def test_what_is_not_free_is_not_moved_to_and_the_old_claim_holds(shelf):
    old = shelf.claim_one("TEE", 4)
    refused(NotEnough, moved, shelf, [old], ("MUG", 1), ("CAP", 2))
    refused(NotEnough, moved, shelf, [old], ("SOLD", 1))
    refused(NotEnough, moved, shelf, [old], ("TEE", 11))


def test_a_claim_that_is_gone_is_not_moved(shelf):
    old = shelf.claim_one("TEE", 4)
    ledger.release([old], actor="test")
    refused(ClaimGone, moved, shelf, [old], ("MUG", 1))


# --- shortage ------------------------------------------------------------------------------------


def test_claims_beyond_what_is_left_call_for_cover_in_the_same_transaction(shelf):  # case 5
    shelf.claim(("TEE", 8))
    ledger.post([shelf.entry("TEE", on_hand=-3)], actor="test")
    row = OutboxRow.objects.get(topic="shortage")
    stock = Stock.objects.get(product_id=shelf.sku("TEE"), location_id=shelf.place)
    assert row.subject == stock.pk
    assert stock.free == 0
    assert not violations()["I01 stock is never negative, nor claimed beyond what is there without"
                            " work on it"]  # fmt: skip


def test_what_becomes_unavailable_calls_for_cover_too(shelf):
    shelf.claim(("TEE", 8))
    ledger.post([shelf.entry("TEE", "block", unavailable=3, bucket="damaged")], actor="test")
    assert OutboxRow.objects.filter(topic="shortage").count() == 1


def test_a_loss_that_leaves_enough_for_the_claims_is_no_shortage(shelf):
    shelf.claim(("TEE", 7))
    ledger.post([shelf.entry("TEE", on_hand=-3)], actor="test")
    assert not OutboxRow.objects.filter(topic="shortage").exists()


# --- levels --------------------------------------------------------------------------------------


def test_levels_move_no_units_and_make_rows_that_are_not_there(shelf):
    levels = [
        Level(shelf.sku("TEE"), shelf.place, 1, 20),
        Level(shelf.sku("SOLD"), shelf.place, 2, 5),
    ]
    ledger.set_levels(levels, actor="lea")
    tee, sold = (Stock.objects.get(product_id=shelf.sku(s), location_id=shelf.place)
                 for s in ("TEE", "SOLD"))  # fmt: skip
    assert (tee.on_hand, tee.safety, tee.target) == (10, 1, 20)
    assert (sold.on_hand, sold.safety, sold.target) == (0, 2, 5)
    written = shelf.movements("TEE").last()
    assert (written.kind, written.safety, written.safety_after, written.on_hand_after) == (
        "safety", 1, 1, 10)  # fmt: skip
    movements = StockMovement.objects.count()
    ledger.set_levels(levels, actor="lea")
    assert StockMovement.objects.count() == movements


# --- statements ----------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_grow_with_the_rows(company):
    skus = ["TEE", "MUG", "CAP", "BAG"]
    assert [_life(company, skus[:n]) for n in (1, 2, 4)] == [[1, 2, 2, 3, 2]] * 3


def _life(company, skus):
    """Statements of: reserve, release, take, set_levels, post."""
    lyon = Shelf(company, "LYON")
    ledger.post([lyon.entry(sku, on_hand=9) for sku in skus], actor="test")
    wanted = [(sku, 1) for sku in skus]
    first, second = [c.reservation for c in lyon.claim(*wanted).values()], []
    return [
        _count(lambda: second.extend(c.reservation for c in lyon.claim(*wanted).values())),
        _count(lambda: ledger.release(first, actor="test")),
        _count(lambda: ledger.take([(pk, f"k{pk}") for pk in second], cause_type="parcel",
                                   cause_id=1, actor="test")),
        _count(lambda: ledger.set_levels([Level(lyon.sku(s), lyon.place, 1, None) for s in skus],
                                        actor="test")),
        _count(lambda: ledger.post([lyon.entry(s, on_hand=1) for s in skus], actor="test")),
    ]  # fmt: skip


def _count(call):
    with CaptureQueriesContext(connection) as seen:
        call()
    return len([q for q in seen.captured_queries if "SAVEPOINT" not in q["sql"]])


def test_small_units_add_up_exactly(shelf):
    """Sold by 0.1 kg and counted in hundreds of grams: three times 0.1 is 0.3."""
    claims = [shelf.claim_one("TEE", 1) for _ in range(3)]
    ledger.release(claims, actor="test")
    assert shelf.buckets("TEE") == (10, 0, 0)
