"""The demo company's rules: what its operations manager made of the default."""

from decimal import Decimal
from typing import Any

from orders.models import DeliveryService
from routing import rules
from routing.models import Rule, RuleSet

_IF_NEEDED, _NEVER = Rule.Split.IF_NEEDED, Rule.Split.NEVER

RULES: tuple[dict[str, Any], ...] = (
    dict(
        name="Express", services=["express"], in_time=True, relax_days=1, split=_IF_NEEDED,
        max_parcels=2, late_penalty_per_day=Decimal(8), otherwise=Rule.Otherwise.NEXT,
    ),
    dict(
        name="Click and collect", deliveries=["pickup"], kinds=["store"], split=_NEVER,
        otherwise=Rule.Otherwise.QUEUE,
    ),
    dict(
        name="Marketplace", channel_kinds=["marketplace"], kinds=["warehouse", "distributor"],
        split=_IF_NEEDED, max_parcels=2, late_penalty_per_day=Decimal(5),
        otherwise=Rule.Otherwise.NEXT,
    ),
    dict(
        name="All other orders", max_parcels=4, last_unit_cost=Decimal("0.050"),
        workload_cost=Decimal(1),
    ),
)  # fmt: skip

# code of a seeded delivery service: its carrier, so that a parcel's figures are of who took it
CARRIERS = {"parcel": "Colissimo", "express": "DHL"}


def write(seeded: RuleSet) -> RuleSet:
    """A second version of the seeded rule set, with rules that tell orders apart, is active.

    The seeded services get their carriers.
    """
    for code, carrier in CARRIERS.items():
        DeliveryService.objects.filter(code=code).update(carrier=carrier)
    draft = rules.new_version(rule_set_id=seeded.pk)
    for rule in draft.rules.all():
        rules.delete(rule)
    for values in RULES:
        rules.add(Rule(**values, rule_set=draft))
    return rules.activate(rule_set_id=draft.pk)
