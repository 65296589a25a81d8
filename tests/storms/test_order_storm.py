"""Capture, edit, hold, pay, cancel, fulfill the same orders from several processes at once."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from config import outbox
from config.models import OutboxRow
from orders.models import Order
from reports.invariants import violations
from tests.races.crowd import deadlocks

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("STORM") == "all"
SEED = int(os.environ.get("STORM_SEED", "11"))
PROCESSES, DEEDS = (6, 1500) if LONG else (3, 90)
TOPICS = ("shortage", "route", "work", "money", "notify")


def database() -> str:
    """The address of this test's own database."""
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


def deal(keys: dict) -> list[dict]:
    """Run the dealers beside each other; returns what each saw."""
    env = {**os.environ, "DATABASE_URL": database(), "EMAIL_URL": "dummymail://",
           "LOG_LEVEL": "CRITICAL"}  # fmt: skip
    dealers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.storms.dealer", str(SEED * 100 + n),
             str(DEEDS), json.dumps(keys)],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
        )
        for n in range(PROCESSES)
    ]  # fmt: skip
    found = [dealer.communicate(timeout=1800 if LONG else 150)[0] for dealer in dealers]
    assert not any(dealer.returncode for dealer in dealers), found
    return [json.loads(said) for said in found]


def settle() -> None:
    """Workers go on until nothing is left to do."""
    for _ in range(50):
        OutboxRow.objects.filter(done_at=None).update(next_at=datetime(2020, 1, 1, tzinfo=UTC))
        if not sum(outbox.drain(topic) for topic in TOPICS):
            return
    raise AssertionError("work never ends")


@pytest.mark.storm
@pytest.mark.django_db(transaction=True)
def test_orders_survive_everybody_at_once(live_company, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    places = {code: live_company.location_key(code) for code in live_company.locations}
    keys = {"web": live_company.web_key, "locations": places}
    victims = deadlocks()
    said = deal(keys)
    settle()
    seen = sum((Counter(one["seen"]) for one in said), Counter())
    assert not [words for one in said for words in one["wrong"]], seen
    assert deadlocks() == victims
    found = {name: rows for name, rows in violations().items() if rows}
    assert not found, (seen, found)
    assert Order.objects.count() <= 15
    for kind in ("bulk 200", "cancel 200", "changes 201", "holds 201", "events 200", "ship 200"):
        assert seen[kind], f"the storm never saw {kind}: {seen}"
    assert Client().get("/readyz").status_code == 200
