"""What promising in a cart needs of the house and what changes rarely: read once a minute.

Stock points without their stock, the services with tariffs and emissions, the active rules. A
change shows in promises of carts within a minute; routing itself reads everything anew.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import Any, cast

from inventory.models import Location
from orders import services
from routing import engine
from routing.models import Rule, RuleSet, ServiceEmission, TariffBand

KEEP_SECONDS = 60.0


@dataclass(frozen=True)
class Ruled:
    """A rule, and the ids of the stock points that it names (`only` empty: any)."""

    rule: Rule
    only: frozenset[int]
    never: frozenset[int]

    def lets_in(self, place: Location) -> bool:
        """Whether it lets a stock point in."""
        named = not self.only or place.pk in self.only
        kinds = self.rule.kinds
        return named and place.pk not in self.never and (not kinds or place.kind in kinds)

    @cached_property
    def policy(self) -> engine.Policy:
        """Its weights as the engine takes them. Nothing is promised yet, so nothing is late."""
        rule = self.rule
        return engine.Policy(
            economic=rule.economic, ecological=rule.ecological, logistical=rule.logistical,
            retail=rule.retail, co2_price_per_kg=rule.co2_price_per_kg,
            central_bonus=rule.central_bonus, overstock_relief=rule.overstock_relief,
            split_penalty=rule.split_penalty, max_parcels=rule.max_parcels, max_km=rule.max_km,
            refusal_cost=rule.refusal_cost, min_part_value=rule.min_part_value,
            min_free_units=rule.min_free_units, last_unit_cost=rule.last_unit_cost,
            workload_cost=rule.workload_cost, split=cast(Any, rule.split),
            sort=tuple(rule.sort),
        )  # fmt: skip


@dataclass(frozen=True)
class House:
    """`services` are by id and by position, as the engine takes them; `rules` those of the active
    rule sets: (its channels, its rules in order), newest first."""

    places: Mapping[int, Location]
    services: Mapping[int, engine.Service]
    rules: tuple[tuple[frozenset[int], tuple[Ruled, ...]], ...]

    def rules_of(self, channel: int) -> tuple[Ruled, ...]:
        """Of its own rule set, else of the one for every channel; of two the newest."""
        own = next((rules for channels, rules in self.rules if channel in channels), None)
        general = next((rules for channels, rules in self.rules if not channels), ())
        return general if own is None else own

    def serving(self, speed: str) -> tuple[engine.Service, ...]:
        """Who keeps a speed and has a tariff, by position."""
        wanted = [one.pk for one in services.serving(speed)]
        return tuple(self.services[pk] for pk in wanted if pk in self.services)


_lock = Lock()
_kept: tuple[float, House] | None = None


def known() -> House:
    """The house as it was at most a minute ago."""
    global _kept  # noqa: PLW0603  (one reading shared by the threads of a process)
    with _lock:
        now = time.monotonic()
        if _kept is None or now - _kept[0] > KEEP_SECONDS:
            _kept = (now, House(_places(), _services(), _rules()))
        return _kept[1]


def forget() -> None:
    """Read again at the next question."""
    global _kept  # noqa: PLW0603
    _kept = None


def _places() -> dict[int, Location]:
    return Location.objects.filter(active=True).in_bulk()


def _services() -> dict[int, engine.Service]:
    bands: dict[int, list[tuple[float, float, Decimal]]] = defaultdict(list)
    for band in TariffBand.objects.order_by("max_km", "max_g"):
        bands[band.service_id].append((band.max_km, band.max_g, band.price))
    rows = ServiceEmission.objects.select_related("last_mile", "linehaul")
    emissions = {row.service_id: _emission(row) for row in rows}
    return {
        one.pk: engine.Service(
            key=one.pk, code=one.code, name=one.name,
            tariff=engine.Tariff(bands=tuple(bands[one.pk])),
            emission=emissions.get(one.pk, engine.Emission()), transit=one.transit,
            dangerous_goods=one.dangerous_goods,
        )
        for one in services.active()
        if bands[one.pk]
    }  # fmt: skip


def _emission(row: ServiceEmission) -> engine.Emission:
    near, far = row.last_mile, row.linehaul
    return engine.Emission(
        kg_fixed_per_parcel=row.kg_fixed_per_parcel,
        kg_per_tkm_last_mile=near.kg_per_tkm + near.wtt_kg_per_tkm,
        kg_per_tkm_linehaul=far.kg_per_tkm + far.wtt_kg_per_tkm,
        last_mile_km=row.last_mile_km, detour_factor=row.detour_factor,
        source=near.source, year=near.year,
    )  # fmt: skip


def _rules() -> tuple[tuple[frozenset[int], tuple[Ruled, ...]], ...]:
    sets = RuleSet.objects.filter(state=RuleSet.State.ACTIVE).order_by("-activated_at", "-id")
    rows = sets.prefetch_related("channels", "rules__only", "rules__never")
    return tuple(
        (frozenset(channel.pk for channel in row.channels.all()), _ruled(row.rules.all()))
        for row in rows
    )


def _ruled(rules: Iterable[Rule]) -> tuple[Ruled, ...]:
    return tuple(
        Ruled(rule, frozenset(place.pk for place in rule.only.all()),
              frozenset(place.pk for place in rule.never.all()))
        for rule in sorted(rules, key=lambda rule: rule.position)
    )  # fmt: skip
