"""Rules, tariffs and factors that decide; decisions, runs and refusals that are kept."""

from routing.models.decisions import (
    Decision,
    DecisionBase,
    Offer,
    OpenOffer,
    Refusal,
    RefusalReason,
    UnfillableSlice,
)
from routing.models.rules import Rule, RuleSet
from routing.models.runs import Run, RunPlan, Sort
from routing.models.services import EmissionFactor, ServiceEmission, TariffBand

__all__ = [
    "Decision",
    "DecisionBase",
    "EmissionFactor",
    "Offer",
    "OpenOffer",
    "Refusal",
    "RefusalReason",
    "Rule",
    "RuleSet",
    "Run",
    "RunPlan",
    "ServiceEmission",
    "Sort",
    "TariffBand",
    "UnfillableSlice",
]
