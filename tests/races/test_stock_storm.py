"""Whatever hypothesis thinks of: deeds alone and two at once on one product, then the invariants.

What it would find is shown with a mutant: a reservation that looks first and writes then.
"""

import contextlib
import os

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from config.models import OutboxRow
from inventory import ledger
from inventory.ledger import claims
from inventory.models import Reservation, Stock
from reports.invariants import violations
from tests.races import deeds, explorer

LONG = os.environ.get("STORM") == "all"
any_deed = st.sampled_from(sorted(deeds.EVERY))
who_claims = st.sampled_from(["buy", "confirm"])
any_turns = st.tuples(st.integers(0, 6), st.integers(1, 6))


class StockStorm(RuleBasedStateMachine):
    """One product, in two stores, and everybody wants it."""

    company = None  # set by the test

    def __init__(self):
        super().__init__()
        self.scene = deeds.Scene(self.company)

    @rule(name=any_deed)
    def alone(self, name):
        deed = deeds.prepare(name, self.scene)
        with contextlib.suppress(*deeds.REFUSALS):
            deed()

    @rule(one=any_deed, other=any_deed, turns=any_turns)
    def any_two(self, one, other, turns):
        self.at_once(one, other, turns)

    def at_once(self, one, other, turns):
        pair = [deeds.prepare(name, self.scene) for name in (one, other)]
        answers = explorer.play(*pair, turns)[:2]
        wrong = [a for a in answers
                 if isinstance(a, Exception) and not isinstance(a, deeds.REFUSALS)]  # fmt: skip
        assert not wrong, (one, other, turns, wrong)

    @initialize(one=who_claims, other=who_claims, first=st.integers(3, 7))
    def two_want_it(self, one, other, first):
        self.at_once(one, other, (first, 40))

    @rule()
    def workers_work(self):
        deeds.settle()

    @invariant()
    def claims_are_counted(self):
        for row in Stock.objects.filter(product=self.scene.product):
            held = Reservation.objects.filter(product=row.product_id, location=row.location_id)
            assert row.reserved == sum(held.values_list("quantity", flat=True))
            assert row.on_hand >= 0
            work = OutboxRow.objects.filter(topic="shortage", subject=row.pk, done_at=None)
            assert row.reserved <= max(row.on_hand - row.unavailable, 0) or work.exists()

    def teardown(self):
        deeds.settle()
        assert not {name: rows for name, rows in violations().items() if rows}


def storm(company, *, examples, shrink=False):
    """Let it blow; raises what it found."""
    machine = type("Storm", (StockStorm,), {"company": company})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=8, deadline=None, derandomize=True,
            database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
            phases=list(Phase) if shrink else [Phase.generate],
        ),
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_stock_survives_any_storm(live_company):
    storm(live_company, examples=300 if LONG else 12, shrink=LONG)


def looks_then_writes(wanted, *, owner_type, actor, expires_at):
    """The mutant: free when it looked, claimed whatever happened since."""
    got = {}
    for claim in wanted:
        row = Stock.objects.get(product_id=claim.product, location_id=claim.location)
        if row.free < claim.quantity:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH row AS (UPDATE inventory_stock SET reserved = reserved + %(q)s WHERE id ="
                " %(id)s RETURNING *) INSERT INTO inventory_stockmovement (product_id, location_id,"
                " kind, on_hand, reserved, unavailable, on_hand_after, reserved_after,"
                " unavailable_after, reason, cause_type, actor, created_at) SELECT product_id,"
                " location_id, 'reserve', 0, %(q)s, 0, on_hand, reserved, unavailable, '', '', 'm',"
                " clock_timestamp() FROM row",
                {"q": claim.quantity, "id": row.pk},
            )
        made = Reservation.objects.create(
            product_id=claim.product, location_id=claim.location, quantity=claim.quantity,
            owner_type=owner_type, owner_id=claim.owner_id, expires_at=expires_at,
        )  # fmt: skip
        got[claim.ref] = ledger.Reserved(claim.ref, made.pk, claim.location, claim.quantity)
    return got


@pytest.fixture
def mutant(monkeypatch):
    monkeypatch.setattr(claims, "_reserve", looks_then_writes)


def oversold(company, pair, turns):
    """Whether the schedule leaves more claims than units, with no work to put it right."""
    scene = deeds.Scene(company)
    explorer.play(*(deeds.prepare(name, scene) for name in pair), turns)
    rows = Stock.objects.filter(product=scene.product)
    return any(row.reserved > row.on_hand - row.unavailable for row in rows)


@pytest.mark.django_db(transaction=True)
def test_the_explorer_catches_a_reservation_that_looks_first(live_company, mutant):
    assert any(oversold(live_company, ("buy", "buy"), (n, 40)) for n in range(3, 9))


@pytest.mark.django_db(transaction=True)
def test_the_storm_catches_a_reservation_that_looks_first(live_company, mutant):
    with pytest.raises(AssertionError):
        storm(live_company, examples=30)
