"""Runs and the unfillable queue over REST, for the company's own systems."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey, SalesChannel
from routing.models import Decision, Run, RunPlan
from routing.runs import control
from tests.races.crowd import at_once
from tests.routing import scenes
from tests.routing.scenes import places, refuse, route

RUNS, QUEUE = "/api/v1/runs", "/api/v1/unfillable"


def key() -> str:
    return ApiKey.objects.create_key(name="ERP", scopes=COMPANY_SCOPES)[1]


def send(secret, method, url, body=None, **headers):
    return Client().generic(
        method, url, json.dumps(body) if body is not None else "", content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", **headers},
    )  # fmt: skip


@pytest.fixture
def call(company):
    """call("POST", url, body) as the company's own system."""
    secret = key()
    return lambda *given, **headers: send(secret, *given, **headers)


def problems(answer):
    """The status, and the pointers and codes of what is wrong, or the code of all."""
    body = answer.json()
    return answer.status_code, {e["pointer"]: e["code"] for e in body["errors"]} or body["code"]


# --- runs ----------------------------------------------------------------------------------------


def test_a_run_is_started_once_and_tells_what_it_did(call, company):
    orders = [company.place(("TEE", 1)) for _ in range(3)]
    asked = {"channels": ["web"]}
    answer = call("POST", RUNS, asked, **{"Idempotency-Key": "k1"})
    assert answer.status_code == 201, answer.content
    begun = answer.json()
    assert (begun["state"], begun["channels"], begun["joint"]) == ("waiting", ["web"], True)
    assert (begun["cause"], begun["duration_seconds"]) == ("by key ERP", None)
    again = call("POST", RUNS, asked, **{"Idempotency-Key": "k1"})
    assert again.json() == begun
    assert again.headers["Idempotent-Replayed"] == "true"
    url = f"{RUNS}/{Run.objects.get().pk}"

    scenes.work("run")

    body = call("GET", url).json()
    assert (body["state"], body["orders"], body["done"], body["decided"]) == ("done", 3, 3, 3)
    assert (body["routed"], body["partial"], body["unfillable"], body["skipped"]) == (3, 0, 0, 0)
    assert body["rule_sets"] == [{"rule_set": "Standard v1", "decisions": 3}]
    run = Run.objects.get()
    assert body["cost"] == str(sum(d.cost for d in Decision.objects.filter(run=run)))
    assert body["gain"] == float((run.single_cost - run.cost) / run.single_cost)
    assert 0 <= body["gap"] < 1
    assert body["duration_seconds"] >= 0
    assert all(places(order) == {("allocated", "LYON"): 1} for order in orders)
    (row,) = call("GET", f"{RUNS}?state=done").json()["results"]
    assert row == {name: body[name] for name in row}
    assert not call("GET", f"{RUNS}?state=running").json()["results"]


def test_a_plan_is_run_by_its_name_and_one_run_at_a_time_is_about_a_channel(call, company):
    app = SalesChannel.objects.create(code="app", name="App", kind="mobile", pool=company.pool)
    night = RunPlan.objects.create(name="Night", cron="0 5 * * *", joint=False)
    night.channels.set([company.web])
    first = call("POST", RUNS, {"plan": "Night"}).json()
    assert (first["plan"], first["channels"], first["joint"]) == ("Night", ["web"], False)
    night.refresh_from_db()
    assert night.last_started_at is not None

    for same in ({"plan": "Night"}, {}, {"channels": ["app", "web"]}):
        answer = call("POST", RUNS, same)
        assert problems(answer) == (409, "already_open")
        assert "it ends first" in answer.json()["detail"]
    assert Run.objects.count() == 1
    assert call("POST", RUNS, {"channels": [app.code]}).status_code == 201
    (row,) = call("GET", f"{RUNS}?plan=Night").json()["results"]
    assert row["id"] == first["id"]

    one = f"{RUNS}/{first['id']}"
    assert call("POST", f"{one}/stop").json()["state"] == "stopped"
    assert problems(call("POST", f"{one}/stop")) == (409, "illegal_move")
    ahead = control.start(cause="manual", channels=[company.web.pk])
    resumed = call("POST", f"{one}/resume").json()
    assert (resumed["state"], resumed["waits_for"]) == ("waiting", None)
    assert call("GET", f"{RUNS}/{ahead.pk}").json()["waits_for"] == first["id"]
    assert problems(call("POST", f"{RUNS}/999999/stop")) == (404, "not_found")


def test_what_cannot_be_started_is_named(call, company):
    RunPlan.objects.create(name="Night", cron="0 5 * * *")
    for body, wrong in (
        ({"plan": "Nihgt"}, {"/plan": "unknown_plan"}),
        ({"channels": ["web", "wbe"]}, {"/channels/1": "unknown_channel"}),
        ({"plan": "Night", "joint": True, "channels": []},
         {"/channels": "of_the_plan", "/joint": "of_the_plan"}),
        ({"joint": "yes"}, {"/joint": "invalid"}),
        ({"channel": "web"}, {"/channel": "unknown_field"}),
    ):  # fmt: skip
        assert problems(call("POST", RUNS, body)) == (400, wrong)
    assert not Run.objects.exists()


def test_of_two_who_start_a_run_at_once_one_does(live_company):
    secret = key()
    answers = at_once(*[lambda: send(secret, "POST", RUNS, {}) for _ in range(2)])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert Run.objects.count() == 1


def test_only_the_companys_own_systems_come_in(client, company):
    for secret in (company.web_key, company.location_key("LYON")):
        for method, url in (("GET", RUNS), ("POST", RUNS), ("GET", QUEUE), ("PATCH", f"{QUEUE}/1")):
            assert send(secret, method, url, {}).status_code == 403


# --- the unfillable queue ------------------------------------------------------------------------


@pytest.fixture
def stuck(company):
    """An order of caps that both stores refused, and two of what nobody has, of one moment."""
    scenes.queue_when_short(company)
    refused = company.place(("CAP", 1))
    for _ in range(2):
        route(refused)
        refuse(refused, next(code for state, code in places(refused) if state == "allocated"))
    none = [company.place(("SOLD", units)) for units in (2, 3)]
    for order in none:
        route(order)
    moment = timezone.now() - timedelta(hours=2)
    for order in none:
        order.allocations.update(since=moment)
    return refused, *none


def test_the_queue_says_why_how_long_whose_and_what_comes_next(call, company, stuck):
    refused, none, other = stuck
    rows = call("GET", QUEUE).json()["results"]
    assert [row["order"] for row in rows] == [none.number, other.number, refused.number]
    first, _, last = rows
    assert (first["kind"], first["reason"], first["owner"]) == (
        "no_stock", "no point has it free", None,
    )  # fmt: skip
    assert (first["channel"], first["line"], first["sku"], first["quantity"]) == (
        "web", 1, "SOLD", 2,
    )  # fmt: skip
    assert 7200 <= first["age_seconds"] < 7260
    assert first["next_action"] == "retry"
    assert first["next_action_at"] is not None
    assert (last["kind"], last["refusals"]) == ("refused", 2)
    (only,) = call("GET", f"{QUEUE}?kind=refused").json()["results"]
    assert only == last | {"age_seconds": only["age_seconds"]}
    assert problems(call("GET", f"{QUEUE}?kind=gone")) == (400, {"/kind": "invalid_choice"})

    page, seen = call("GET", f"{QUEUE}?limit=1").json(), []
    while True:  # two of them wait since the very same moment
        seen += [row["id"] for row in page["results"]]
        if page["next"] is None:
            break
        page = call("GET", page["next"]).json()
    assert seen == [row["id"] for row in rows]
    assert problems(call("GET", f"{QUEUE}?cursor=cD03")) == (400, {"/cursor": "invalid"})


def test_a_system_says_who_looks_after_units(call, company, stuck):
    company.user("mia", is_staff=True)
    company.user("lea")
    piece = stuck[1].allocations.get()
    url = f"{QUEUE}/{piece.pk}"
    assert call("PATCH", url, {"owner": "mia"}).json()["owner"] == "mia"
    assert [row["id"] for row in call("GET", f"{QUEUE}?owner=mia").json()["results"]] == [piece.pk]
    assert len(call("GET", f"{QUEUE}?assigned=false").json()["results"]) == 2
    assert problems(call("PATCH", url, {"owner": "lea"})) == (400, {"/owner": "unknown_owner"})
    assert problems(call("PATCH", url, {})) == (400, {"/owner": "required"})
    assert call("GET", url).json()["owner"] == "mia"
    assert call("PATCH", url, {"owner": None}).json()["owner"] is None

    scenes.bring(company, "SOLD", "WH", 9)
    route(stuck[1], cause="retried")
    assert problems(call("PATCH", url, {"owner": "mia"})) == (404, "not_found")
