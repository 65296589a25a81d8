"""What the tests of inventory share."""

import pytest

from tests.inventory.counting import Shop


@pytest.fixture
def shop(company):
    """LYON, where everything is counted."""
    return Shop(company)
