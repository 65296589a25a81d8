"""As of any moment: what was there and what could be promised, whatever happened since."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inventory import availability, history, ledger, waterfall
from inventory.models import PoolLocation, PoolThreshold, Stock
from tests.moments import at_every_moment, pause


@pytest.fixture
def tee(company):
    return company.products["TEE"].pk


def post(company, sku, code, kind="adjustment", **changes):
    ledger.post(
        [ledger.Entry(company.products[sku].pk, company.locations[code].pk, kind, **changes)],
        actor="test",
    )


def test_what_could_be_promised_then_is_what_was_said_then(company, tee):
    pool, lyon = company.pool.pk, company.locations["LYON"]

    def now():
        return [
            (row.available, row.kept) for row in availability.available(pool=pool, skus=["TEE"])
        ]

    def was(at):
        facts = history.facts_at(product=tee, pool=pool, at=at)
        return [(waterfall.steps(facts)[-1].left, facts.threshold)]

    def online(yes):
        lyon.online = yes
        lyon.save()

    def claim():
        ledger.reserve([ledger.Claim(0, tee, lyon.pk, 4, 1)], owner_type="order", actor="test")

    def threshold(units):
        PoolThreshold.objects.update_or_create(
            pool=company.pool, product_id=tee, defaults={"units": units, "rule": None}
        )

    at_every_moment(
        now, was,
        lambda: post(company, "TEE", "WH", on_hand=-30),
        claim,
        lambda: ledger.set_levels([ledger.Level(tee, lyon.pk, 3, None)], actor="test"),
        lambda: post(company, "TEE", "WH", "block", unavailable=6, bucket="damaged"),
        lambda: online(False),
        lambda: threshold(11),
        lambda: PoolLocation.objects.filter(location=lyon).update(buffer=2),
        lambda: online(True),
        lambda: ledger.set_levels([ledger.Level(tee, lyon.pk, 0, None)], actor="test"),
        lambda: threshold(2),
        lambda: PoolThreshold.objects.all().delete(),
        lambda: PoolLocation.objects.filter(location=company.locations["RIGA"]).delete(),
        lambda: post(company, "TEE", "LYON", on_hand=5),
    )  # fmt: skip


def test_a_hot_sale_is_history_like_everything_else(company, tee):
    from inventory.ledger import hot

    pool, lyon = company.pool.pk, company.locations["LYON"].pk
    claim = [ledger.Claim(0, tee, lyon, 2, 1, hot=True)]

    at_every_moment(
        lambda: [row.available for row in availability.available(pool=pool, skus=["TEE"])],
        lambda at: [waterfall.steps(history.facts_at(product=tee, pool=pool, at=at))[-1].left],
        lambda: hot.split(product=tee, location=lyon, shares=3, actor="test"),
        lambda: hot.cut(claim, owner_type="order", actor="test"),
        lambda: hot.cut(claim, owner_type="order", actor="test"),
        lambda: hot.join(product=tee, location=lyon, actor="test"),
    )


def test_before_the_first_movement_nothing_was_there(company, tee):
    ago = timezone.now() - timedelta(days=1)
    assert history.rows_at(product=tee, pool=company.pool.pk, at=ago) == ()


def test_buckets_are_those_of_the_moment_by_place(company, tee):
    then = pause()
    post(company, "TEE", "LYON", on_hand=-9)
    rows = history.rows_at(product=tee, pool=company.pool.pk, at=then)
    assert {row.code: row.on_hand for row in rows} == {
        "WH": 100, "LYON": 10, "PARIS": 10, "RIGA": 100,
    }  # fmt: skip
    assert Stock.objects.get(product_id=tee, location__code="LYON").on_hand == 1


def test_safety_from_before_it_was_written_down_is_known(company, tee):
    """A stock row whose safety was never changed through the ledger since the beginning."""
    lyon = company.locations["LYON"].pk
    Stock.objects.filter(product_id=tee, location_id=lyon).update(safety=4, own_safety=4)
    then = pause()

    def safety():
        rows = history.rows_at(product=tee, pool=company.pool.pk, at=then)
        return next(row.safety for row in rows if row.code == "LYON")

    assert safety() == 4
    ledger.set_levels([ledger.Level(tee, lyon, 7, None)], actor="test")
    assert safety() == 4


def test_no_plan_scans_the_ledger(company, tee):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN {history._ROWS}",
            {"product": tee, "pool": company.pool.pk, "at": timezone.now()},
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "movement_of_stock" in plan
    assert plan.count("movement_of_safety") == 2
    assert "Sort Key: v" not in plan
