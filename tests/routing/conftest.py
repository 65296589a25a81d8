"""What the tests of routing share."""

import pytest

from routing import learning


@pytest.fixture(autouse=True)
def _nothing_learned():
    learning.forget()
