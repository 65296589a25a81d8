"""Claims end on time, whatever one bad row among them does."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from inventory import expiry, ledger, repair
from inventory.models import Reservation, Stock, StockMovement
from orders.models import Basket
from reports.invariants import violations


def broken():
    return {name[:3] for name, rows in violations().items() if rows}


def claim(company, sku, place, units, *, minutes):
    until = timezone.now() + timedelta(minutes=minutes)
    number = Basket.objects.count()
    basket = Basket.objects.create(channel=company.web, reference=f"b{number}", expires_at=until)
    wanted = ledger.Claim(
        0, company.products[sku].pk, company.locations[place].pk, units, basket.pk
    )
    got = ledger.reserve([wanted], owner_type="basket", actor="test", expires_at=until)
    return got[0].reservation


def stock(company, sku, place):
    return Stock.objects.get(product=company.products[sku], location=company.locations[place])


def test_what_is_over_is_released_and_the_rest_stays(company):
    claim(company, "TEE", "LYON", 3, minutes=-1)
    running = claim(company, "TEE", "LYON", 2, minutes=5)
    assert expiry.sweep().released == 1
    assert stock(company, "TEE", "LYON").reserved == 2
    assert list(Reservation.objects.values_list("pk", flat=True)) == [running]
    written = StockMovement.objects.last()
    assert (written.kind, written.reserved, written.reason) == ("release", -3, "expired")


def test_one_bad_row_is_reported_and_stops_nobody(company):
    good = [claim(company, "TEE", "WH", 1, minutes=-1) for _ in range(20)]
    bad = claim(company, "MUG", "WH", 4, minutes=-2)
    Stock.objects.filter(product__sku="MUG").update(reserved=0)
    swept = expiry.sweep()
    assert swept.released == len(good)
    assert list(swept.stuck) == [bad]
    assert list(Reservation.objects.values_list("pk", flat=True)) == [bad]
    claim(company, "TEE", "WH", 1, minutes=-1)
    assert expiry.sweep().released == 1  # the next sweep goes on


def test_the_number_of_statements_does_not_grow_with_the_claims(
    company, django_assert_max_num_queries
):
    for _ in range(30):
        claim(company, "TEE", "WH", 1, minutes=-1)
    with django_assert_max_num_queries(15):
        expiry.sweep()
    assert stock(company, "TEE", "WH").reserved == 0


@pytest.fixture
def drifted(company):
    """WH says 9 where claims are 4; LYON says 3 and has no claim."""
    claim(company, "TEE", "WH", 4, minutes=5)
    for place, counter in (("WH", 9), ("LYON", 3)):
        row = Stock.objects.filter(product__sku="TEE", location__code=place)
        row.update(reserved=counter)
    return company


def test_a_dry_run_names_the_drift_and_changes_nothing(drifted):
    out = StringIO()
    call_command("repair_claims", stdout=out)
    assert "TEE at LYON: counter 3, claims 0 (-3)" in out.getvalue()
    assert "TEE at WH: counter 9, claims 4 (-5)" in out.getvalue()
    assert "2 to repair" in out.getvalue()
    assert broken() >= {"I02"}


def test_the_repair_writes_to_the_ledger_drops_no_claim_and_is_done_once(drifted):
    call_command("repair_claims", "--apply", stdout=StringIO())
    assert stock(drifted, "TEE", "WH").reserved == 4
    assert stock(drifted, "TEE", "LYON").reserved == 0
    notes = StockMovement.objects.filter(kind="repair").values_list("note", flat=True)
    assert sorted(notes) == ["3 → 0", "9 → 4"]
    assert Reservation.objects.count() == 1
    assert broken() == set()
    assert repair.drifts() == []
