"""Arbitrary JSON at the channels' door: taken or refused, but never broken."""

import json

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import payload
from tests.orders import door
from tests.orders.door import problem, put, send

ANY_CHARACTER = st.characters(exclude_categories=())  # half characters and NUL, too
TEXTS = st.one_of(
    st.text(ANY_CHARACTER, max_size=20), st.sampled_from(["TEE", "EUR", "FR", "ship", "1.00"])
)
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
ANYTHING = st.recursive(
    st.one_of(st.none(), TEXTS, NUMBERS),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4), st.dictionaries(TEXTS, inside, max_size=4)
    ),
    max_leaves=12,
)


def paths(value, path=""):
    """Every place inside the payload."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in inside:
        yield f"{path}/{name}"
        if isinstance(item, dict | list):
            yield from paths(item, f"{path}/{name}")


PATHS = list(paths(payload(("TEE", 2), ("MUG", 1), tags=["sale"])))


@settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.dictionaries(st.sampled_from(PATHS), ANYTHING, min_size=1, max_size=2))
def test_any_json_in_any_place_is_taken_or_refused_but_never_breaks(client, company, changes):
    data = payload(("TEE", 2), ("MUG", 1), tags=["sale"])
    for path in sorted(changes, key=len, reverse=True):
        put(data, path, changes[path])
    before = door.rows()
    point = transaction.savepoint()
    answer = send(client, company, data)
    if answer.status_code != 201:
        problem(answer, answer.status_code)
        assert answer.status_code in {400, 409}
        assert door.rows() == before
    transaction.savepoint_rollback(point)


@settings(
    max_examples=200, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.one_of(ANYTHING.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_any_body_at_all_is_a_400(client, company, body):
    problem(send(client, company, body), 400)
