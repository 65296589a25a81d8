"""Whether the same customer ordered the same basket a little before, under another id."""

from collections.abc import Mapping
from typing import Any

from orders.validation.facts import Facts
from orders.validation.params import Params
from orders.validation.verdict import Finding


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """Every order that this one may repeat."""
    hours = params["hours"]
    return [
        Finding("duplicate", "/line_items", "same_basket",
                f"the same customer ordered the same within {hours} hours: {other}")
        for other in facts.same_basket
    ]  # fmt: skip
