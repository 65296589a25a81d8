"""The routing engine: who should send what, exactly, and why. Plain data in, plain data out.

No Django, no clock, no randomness, nothing read or written: the same inputs give the same
decision, on any day and on any machine.

    decision = route(lines, candidates, destination, policy, tariff, emission)
    decision.plan           what to do
    decision.considered     every candidate, why it lost and by how much
    to_json(decision)       all of it, to keep
    explain.sentence(...)   one sentence for a person
"""

from . import explain
from .decision import ROOM, route
from .record import to_json
from .rules import distances_km
from .tariff import BadTariff, Tariff
from .types import (
    BadInput,
    Candidate,
    Considered,
    Decision,
    Destination,
    Elimination,
    Emission,
    Line,
    Parcel,
    Plan,
    Policy,
    SingleBest,
    Solo,
    Terms,
    Unfilled,
)
from .version import ENGINE_VERSION

__all__ = [
    "ENGINE_VERSION",
    "ROOM",
    "BadInput",
    "BadTariff",
    "Candidate",
    "Considered",
    "Decision",
    "Destination",
    "Elimination",
    "Emission",
    "Line",
    "Parcel",
    "Plan",
    "Policy",
    "SingleBest",
    "Solo",
    "Tariff",
    "Terms",
    "Unfilled",
    "distances_km",
    "explain",
    "route",
    "to_json",
]
