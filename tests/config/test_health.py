"""Health answers: in words, within seconds, whatever is away."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from config.models import JobRun, OutboxRow

# What a web process answers that was started with these servers, and how long it took.
ASK = """
import json, sys, time, django
django.setup()
from django.test import Client
client, told = Client(raise_request_exception=False), {}
for path in json.loads(sys.argv[1]):
    started = time.monotonic()
    answer = client.get(path, headers={"Authorization": "Bearer a.b"})
    seconds = time.monotonic() - started
    told[path] = (answer.status_code, answer["Content-Type"], answer.json(), seconds)
print(json.dumps(told))
"""


def asked(*paths: str, **servers: str) -> dict:
    """Ask a process of its own that was given these servers."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(paths)],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | servers,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def closed():
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def silent():
    """A port at which somebody listens who never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        yield deaf.getsockname()[1]


@pytest.fixture
def busy(db):
    """Beat ticks, and the work is done."""
    JobRun.objects.create(job="tick", slot=timezone.now())


def test_all_is_well_when_all_is_well(client, busy):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {
            "database": "ok",
            "work": "ok",
            "scheduler": "ok",
            "publishing": "ok",
            "broker": "ok",
        },
    }


# --- database ------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["closed", "silent"])
def test_without_a_database_it_lives_but_is_not_ready_and_says_so_in_seconds(request, port):
    away = f"postgres://nobody:secret@127.0.0.1:{request.getfixturevalue(port)}/maestro"
    told = asked("/livez", "/readyz", "/api/v1/orders", DATABASE_URL=away)

    status, _, body, seconds = told["/livez"]
    assert (status, body) == (200, {"status": "alive"})
    assert seconds < 5  # most of it to load every url

    status, _, body, seconds = told["/readyz"]
    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["database"].startswith("away: ")
    assert "secret" not in str(body)
    assert body["checks"]["broker"] == "ok"
    assert seconds < 6

    status, content_type, body, seconds = told["/api/v1/orders"]
    assert (status, content_type) == (503, "application/problem+json")
    assert body["code"] == "unavailable"
    assert seconds < 6


def test_a_database_without_our_tables_is_not_ready_and_says_what_to_do(transactional_db):
    its = connection.settings_dict
    server = f"postgres://{its['USER']}:{its['PASSWORD']}@{its['HOST']}:{its['PORT']}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS empty_house")
        admin.execute("CREATE DATABASE empty_house")
        try:
            told = asked("/readyz", DATABASE_URL=f"{server}/empty_house")
        finally:
            admin.execute("DROP DATABASE empty_house WITH (FORCE)")
    status, _, body, _ = told["/readyz"]
    assert status == 503
    assert body["checks"]["database"] == "migrations are missing: run manage.py migrate"


def test_a_lost_connection_is_told_once_and_then_made_again(client, transactional_db):
    JobRun.objects.create(job="tick", slot=timezone.now())
    its = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    with psycopg.connect(
        host=its["HOST"], port=its["PORT"], user=its["USER"], password=its["PASSWORD"],
        dbname=its["NAME"], autocommit=True,
    ) as admin:  # fmt: skip
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert [client.get("/readyz").status_code for _ in range(2)] == [503, 200]


# --- broker and work -----------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["redis closed", "redis silent", "amqp closed", "amqp silent"])
def test_without_a_broker_it_is_degraded_but_ready(client, busy, settings, request, broker):
    scheme, port = broker.split()
    settings.BROKER_URL = f"{scheme}://127.0.0.1:{request.getfixturevalue(port)}//"
    started = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - started < 4
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    checks = answer.json()["checks"]
    assert checks.pop("broker").startswith("away: ")
    assert set(checks.values()) == {"ok"}


def test_late_work_and_a_silent_scheduler_are_named(client, db):
    late = timezone.now() - timedelta(minutes=3)
    OutboxRow.objects.create(topic="route", subject=1, cause="x", next_at=late)
    JobRun.objects.create(job="tick", slot=late)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    checks = answer.json()["checks"]
    assert checks["work"] == "late: is the relay or a worker down?"
    assert checks["scheduler"] == "no tick for two minutes: is beat down?"


@pytest.mark.parametrize("state", ["done_at", "dead_at"])
def test_work_that_ended_is_not_late(client, busy, state):
    long_ago = timezone.now() - timedelta(days=1)
    OutboxRow.objects.create(
        topic="route", subject=1, cause="x", next_at=long_ago, **{state: long_ago}
    )
    assert client.get("/readyz").json()["status"] == "ready"
