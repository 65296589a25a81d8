"""Whatever a test of returns does, the invariants hold afterwards."""

import pytest

from reports import invariants


@pytest.fixture(autouse=True)
def _invariants_hold(request):
    names = {"company", "live_company"} & set(request.fixturenames)
    for name in names:
        request.getfixturevalue(name)
    yield
    if names:
        assert {name: rows for name, rows in invariants.violations().items() if rows} == {}
