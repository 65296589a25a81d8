"""A key may call so often in a minute and not once more, from however many threads."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest
import redis

from config import throttle
from orders.models import ApiKey

URL = "/api/v1/orders"


@pytest.fixture(autouse=True)
def fresh(settings):
    """Every test counts from nothing, at a server that is there."""
    throttle._away_until = 0.0
    client = redis.Redis.from_url(settings.RATE_LIMIT_URL)
    for key in client.scan_iter("rate:*"):
        client.delete(key)
    yield
    throttle._away_until = 0.0


def get(client, key, url=URL, **extra):
    return client.get(url, headers={"Authorization": f"Bearer {key}"}, **extra)


def allow(company, count):
    ApiKey.objects.filter(channel=company.web).update(per_minute=count)


def test_every_answer_to_a_key_says_how_often_it_may_still_call(client, company):
    allow(company, 3)
    answers = [get(client, company.web_key, url) for url in (URL, f"{URL}/none", "/api/v1/stock")]
    assert [a.status_code for a in answers] == [200, 404, 403]
    assert [a["RateLimit-Remaining"] for a in answers] == ["2", "1", "0"]
    assert {a["RateLimit-Limit"] for a in answers} == {"3"}
    assert 0 < int(answers[0]["RateLimit-Reset"]) <= 60
    over = get(client, company.web_key)
    assert over.status_code == 429
    assert over["Content-Type"] == "application/problem+json"
    assert over.json()["code"] == "throttled"
    assert 0 < int(over["Retry-After"]) <= 60
    assert over["RateLimit-Remaining"] == "0"


def test_keys_without_a_rate_of_their_own_have_that_of_the_settings(client, company, settings):
    settings.API_RATE_PER_MINUTE = 2
    codes = [get(client, company.location_key("LYON"), "/api/v1/stock").status_code] * 2
    assert codes == [200, 200]
    assert get(client, company.web_key)["RateLimit-Remaining"] == "1"  # each key by itself


def test_many_threads_get_exactly_the_limit():
    with ThreadPoolExecutor(16) as pool:
        rates = list(pool.map(lambda _: throttle.count("crowd", 100), range(300)))
    assert sum(not rate.over for rate in rates) == 100
    assert sorted(rate.used for rate in rates) == list(range(1, 301))


def test_a_minute_later_it_may_call_again(settings, monkeypatch):
    monkeypatch.setattr(throttle, "WINDOW", 0.05)
    assert [throttle.count("short", 1).over for _ in range(2)] == [False, True]
    stop = perf_counter() + 5
    while throttle.count("short", 10**6).used != 1:
        assert perf_counter() < stop
    assert throttle.count("short", 10**6).used == 2


def test_calls_of_nobody_are_counted_by_address_whatever_they_say_of_themselves(
    client, company, settings
):
    settings.API_STRANGERS_PER_MINUTE = 5
    codes = [
        get(client, f"guess.{n}", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}").status_code for n in range(8)
    ]
    assert codes == [401] * 5 + [429] * 3
    assert client.get(URL).status_code == 429  # without any key, too
    webhook = client.post("/api/v1/shopify/web/orders-create", b"{}", "application/json")
    assert webhook.status_code == 429
    assert get(client, company.web_key).status_code == 200  # who has a key is not concerned
    assert client.get(URL, REMOTE_ADDR="192.0.2.9").status_code == 401  # nor is another address


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(client, company, settings):
    settings.API_STRANGERS_PER_MINUTE = 1
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    told = ["1.1.1.1, 9.9.9.9", "2.2.2.2, 9.9.9.9", "3.3.3.3, 8.8.8.8"]
    codes = [client.get(URL, HTTP_X_FORWARDED_FOR=text).status_code for text in told]
    assert codes == [401, 429, 401]


def test_without_a_server_that_counts_everything_passes_and_costs_nothing(
    client, company, settings
):
    settings.RATE_LIMIT_URL = "redis://127.0.0.1:1/0"
    allow(company, 1)
    answers = [get(client, company.web_key) for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    assert "RateLimit-Limit" not in answers[0]
    started = perf_counter()
    for _ in range(100):
        assert throttle.count("x", 1) is None
    assert perf_counter() - started < 0.1  # it is not asked again and again
    settings.RATE_LIMIT_URL = ""
    throttle._away_until = 0.0
    assert throttle.count("x", 1) is None


def test_counting_is_cheap(settings):
    throttle.count("cheap", 10**6)
    started = perf_counter()
    for _ in range(500):
        throttle.count("cheap", 10**6)
    assert (perf_counter() - started) / 500 < 0.003  # 0.1 ms by itself; machines are shared
