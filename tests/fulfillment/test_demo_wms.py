"""The demo's warehouse, a real process against a real server."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from config import outbox
from config.demo import catalog
from config.management.commands.demo_wms import Pace, Warehouse
from fulfillment.models import FulfillmentOrder
from inventory.models import Location
from orders import cancellation
from tests.fulfillment.stage import asked, drain, states

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


@pytest.fixture
def play(live_company, live_server, tmp_path):
    """Starts the warehouse; returns its process and address."""
    started = []

    def start(*options: str) -> tuple[subprocess.Popen, str]:
        keys = {"WH": {"key": live_company.location_key("WH")}}
        path = tmp_path / "demo.json"
        path.write_text(json.dumps({"base_url": live_server.url, "wms": keys}))
        argv = [sys.executable, str(MANAGE), "demo_wms", "--port=0", f"--facts={path}",
                "--step=0.05", "--transit=0.05", "--deliver=0.2", *options]  # fmt: skip
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        started.append(process)
        said = process.stdout.readline()
        assert "Playing WH on" in said
        return process, f"http://{said.split(' on ')[1].split(' for ')[0]}/WH"

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(check, seconds=20):
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if check():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def test_it_takes_posted_work_and_does_it_over_rest_until_it_is_delivered(live_company, play):
    _, url = play("--refuse=0")
    Location.objects.filter(code="WH").update(wms_url=url)
    row = asked(live_company, ("TEE", 2), at="WH")
    outbox.drain("wms")

    wait_for(lambda: states(row.order) == {"delivered": 2})
    row.refresh_from_db()
    assert row.wms_reference == f"WH-{row.pk}"


def test_it_resumes_what_was_open_before_it_started(live_company, play):
    row = asked(live_company, ("TEE", 1), at="WH")
    play("--refuse=0")

    wait_for(lambda: states(row.order) == {"delivered": 1})


def test_it_refuses_as_often_as_it_is_told_to(live_company, play):
    row = asked(live_company, ("TEE", 1), at="WH")
    play("--refuse=1")

    wait_for(lambda: FulfillmentOrder.objects.get(pk=row.pk).state == "refused")
    drain()
    assert states(row.order) == {"queued": 1}


def test_it_weighs_the_goods_that_it_knows():
    warehouse = Warehouse(base_url="", sites={}, pace=Pace(0, 0, 0, 0))
    tee, *_ = catalog.products()
    lines = [{"sku": tee.sku, "quantity": 2, "open": True},
             {"sku": "unknown", "quantity": 1, "open": False}]  # fmt: skip

    shown = warehouse.weighed({"lines": lines})["weight_g"]
    assert 60 + 2 * tee.weight_g < shown <= 61 + 2.24 * tee.weight_g
    lines[1]["open"] = True
    assert warehouse.weighed({"lines": lines}) == {}


def test_it_ends_at_once_when_it_is_told_to(play):
    process, url = play()
    assert requests.post(url, data="{", timeout=5).status_code == 400
    assert requests.post(url + "X", json={}, timeout=5).status_code == 404

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_without_facts_it_says_what_is_missing(tmp_path):
    argv = [sys.executable, str(MANAGE), "demo_wms", f"--facts={tmp_path}/no.json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "load the demo company first" in done.stderr


def test_it_lets_go_of_what_it_is_asked_to_cancel(live_company, play):
    _, url = play("--refuse=0", "--step=2")
    Location.objects.filter(code="WH").update(wms_url=url)
    row = asked(live_company, ("TEE", 2), at="WH")
    outbox.drain("wms")
    done = cancellation.cancel(order_id=row.order_id, reason="customer", actor="lea")
    assert done.requested == 2
    drain("ask", "wms")
    wait_for(lambda: states(row.order) == {"canceled": 2})
