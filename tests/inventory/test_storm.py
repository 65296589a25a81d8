"""Any order of calls to the ledger, on the real database: the books always balance.

What is on the shelf is known to a model of a few lines; whatever hypothesis thinks of (release the
same claim twice, take what was released, cut, count down below the claims), ledger and model agree.
"""

import functools

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from inventory import ledger
from inventory.models import Reservation, Stock
from reports.invariants import violations
from tests import cast

SHELVES = [("TEE", "LYON"), ("CAP", "LYON"), ("BAG", "PARIS"), ("SOLD", "WH")]
shelves = st.sampled_from(SHELVES)
units = st.integers(1, 6)
LEDGER = ("I01", "I02", "I03")


class LedgerStorm(RuleBasedStateMachine):
    """What a customer, a picker, a counter and a truck can do to four shelves."""

    claims = Bundle("claims")
    ended = Bundle("ended")

    def __init__(self):
        super().__init__()
        self.mark = transaction.atomic()
        self.mark.__enter__()
        company = cast.build()
        self.ids = {(sku, code): (company.products[sku].pk, company.locations[code].pk)
                    for sku, code in SHELVES}  # fmt: skip
        self.there = {shelf: cast.STOCK[shelf[0]].get(shelf[1], 0) for shelf in SHELVES}
        self.blocked = dict.fromkeys(SHELVES, 0)
        self.safety = dict.fromkeys(SHELVES, 0)
        self.held: dict[int, tuple] = {}
        self.key = 0

    def teardown(self):
        try:
            assert not {n: rows for n, rows in violations().items() if rows and n[:3] in LEDGER}
        finally:
            transaction.set_rollback(True)
            self.mark.__exit__(None, None, None)

    # --- what people do ---

    @rule(target=claims, shelf=shelves, n=units)
    def reserve(self, shelf, n):
        product, location = self.ids[shelf]
        got = ledger.reserve([ledger.Claim(0, product, location, n, 1)], owner_type="hold",
                             actor="storm")  # fmt: skip
        assert bool(got) == (self.free(shelf) >= n)
        if not got:
            return -1
        self.held[got[0].reservation] = (shelf, n)
        return got[0].reservation

    @rule(target=ended, claim=consumes(claims))
    def release(self, claim):
        self.tried(claim, lambda: ledger.release([claim], actor="storm"))
        return claim

    @rule(claim=ended)
    def release_again(self, claim):
        self.tried(claim, lambda: ledger.release([claim], actor="storm"))

    @rule(target=ended, claim=consumes(claims))
    def take(self, claim):
        shelf, n = self.held.get(claim, (None, 0))
        if shelf and self.there[shelf] < n:
            self.refused(ledger.NotEnough, lambda: self.ship(claim))
            return -1
        self.tried(claim, lambda: self.ship(claim))
        if shelf:
            self.there[shelf] -= n
        return claim

    @rule(target=claims, claim=claims, n=units)
    def split(self, claim, n):
        shelf, held = self.held.get(claim, (None, 0))
        if held <= n:
            self.refused(ledger.ClaimGone, lambda: ledger.split(claim, quantity=n))
            return -1
        cut = ledger.split(claim, quantity=n)
        self.held[claim], self.held[cut] = (shelf, held - n), (shelf, n)
        return cut

    @rule(target=claims, old=claims, shelf=shelves, n=units)
    def move(self, old, shelf, n):
        where, held = self.held.get(old, (None, 0))
        claim = ledger.Claim(0, *self.ids[shelf], n, 1)
        go = functools.partial(ledger.move, [claim], [old], owner_type="hold", actor="storm")
        if self.free(shelf) + (held if where == shelf else 0) < n:
            self.refused(ledger.NotEnough, go)
            return -1
        if old not in self.held:
            self.refused(ledger.ClaimGone, go)
            return -1
        got = go()[0].reservation
        del self.held[old]
        self.held[got] = (shelf, n)
        return got

    @rule(shelf=shelves, change=st.integers(-6, 6).filter(bool))
    def count(self, shelf, change):
        self.post(shelf, "adjustment", self.there[shelf] + change >= 0, on_hand=change)
        if self.there[shelf] + change >= 0:
            self.there[shelf] += change

    @rule(shelf=shelves, n=units, sellable=st.booleans())
    def take_back(self, shelf, n, sellable):
        self.post(
            shelf,
            "return",
            True,
            on_hand=n,
            **({} if sellable else {"unavailable": n, "bucket": "quality_control"}),
        )
        self.there[shelf] += n
        self.blocked[shelf] += 0 if sellable else n

    @rule(shelf=shelves, change=st.integers(-3, 3).filter(bool))
    def block(self, shelf, change):
        if self.blocked[shelf] + change > self.there[shelf]:
            return  # nobody can set aside what is not there
        self.post(
            shelf,
            "block",
            self.blocked[shelf] + change >= 0,
            unavailable=change,
            bucket="quality_control",
        )
        if self.blocked[shelf] + change >= 0:
            self.blocked[shelf] += change

    @rule(shelf=shelves, safety=st.integers(0, 4))
    def keep_back(self, shelf, safety):
        ledger.set_levels([ledger.Level(*self.ids[shelf], safety, None)], actor="storm")
        self.safety[shelf] = safety

    # --- what must hold after every call ---

    @invariant()
    def the_books_say_what_the_shelf_says(self):
        rows = {(s.product_id, s.location_id): s for s in Stock.objects.all()}
        for shelf in SHELVES:
            row = rows.get(self.ids[shelf])
            claimed = sum(n for where, n in self.held.values() if where == shelf)
            found = row and (row.on_hand, row.reserved, row.unavailable, row.safety)
            assert (found or (0, 0, 0, 0)) == (
                self.there[shelf], claimed, self.blocked[shelf], self.safety[shelf])  # fmt: skip
        assert set(Reservation.objects.values_list("id", flat=True)) == set(self.held)

    def free(self, shelf):
        claimed = sum(n for where, n in self.held.values() if where == shelf)
        return self.there[shelf] - self.blocked[shelf] - self.safety[shelf] - claimed

    def post(self, shelf, kind, possible, **buckets):
        entry = ledger.Entry(*self.ids[shelf], kind, **buckets)
        if possible:
            ledger.post([entry], actor="storm")
        else:
            self.refused(ledger.NotEnough, lambda: ledger.post([entry], actor="storm"))

    def ship(self, claim):
        self.key += 1
        ledger.take([(claim, f"sale:{self.key}")], cause_type="parcel", cause_id=1, actor="storm")

    def tried(self, claim, call):
        """A claim that holds ends; one that ended before is refused."""
        if claim in self.held:
            call()
            del self.held[claim]
        else:
            self.refused(ledger.ClaimGone, call)

    @staticmethod
    def refused(error, call):
        try:
            with transaction.atomic():
                call()
        except error:
            return
        raise AssertionError(f"{error.__name__} was not raised")


class TestAnyOrderOfCalls(TestCase, LedgerStorm.TestCase):
    settings = settings(
        max_examples=100, stateful_step_count=30, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
