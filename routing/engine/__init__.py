"""The routing engine: who should send what, exactly, and why. Plain data in, plain data out.

No Django, no clock, no randomness, nothing read or written: the same inputs give the same
decision, on any day and on any machine.

    decision = route(lines, candidates, destination, policy, services)
    decision.plan           what to do
    decision.considered     every candidate, why it lost and by how much
    to_json(decision)       all of it, to keep
    explain.sentence(...)   one sentence for a person
    trade_off(...)          what less CO2e would cost

For many orders on one network, prepare it once: `route_in(Network(...), ...)`.
"""

from . import explain
from .decision import ROOM, Given, follow, route, route_in
from .distance import distances_km
from .network import Network
from .record import considered, to_json
from .tariff import BadTariff, Tariff
from .trade import TradePoint, trade_off
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
    Service,
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
    "Given",
    "Line",
    "Network",
    "Parcel",
    "Plan",
    "Policy",
    "Service",
    "SingleBest",
    "Solo",
    "Tariff",
    "Terms",
    "TradePoint",
    "Unfilled",
    "considered",
    "distances_km",
    "explain",
    "follow",
    "route",
    "route_in",
    "to_json",
    "trade_off",
]
