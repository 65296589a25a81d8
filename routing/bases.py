"""What many decisions share of their inputs, kept once under the hash of its content."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import orjson
from django.db import transaction

from routing import engine
from routing.replay import POINT, Inputs, dumps

MOST = 256  # remembered at a time

_point = attrgetter(*POINT)


@dataclass(frozen=True)
class Base:
    """A base as JSON, and the SHA-256 of it."""

    hash: str
    data: orjson.Fragment
    services: tuple[engine.Service, ...]  # as long as they live, nothing else has their ids


_made: dict[tuple[Any, ...], Base] = {}
_committed: set[str] = set()


def of(inputs: Inputs) -> Base:
    """The base of inputs; made once for all that have the same."""
    policy = replace(inputs.policy, promise_days=None)
    key = (policy, tuple(map(id, inputs.services)), tuple(map(_point, inputs.candidates)))
    found = _made.get(key)
    if found is None:
        text = dumps(inputs.base_json())
        found = Base(hashlib.sha256(text).hexdigest(), orjson.Fragment(text), inputs.services)
        if len(_made) >= MOST:
            _made.clear()
        _made[key] = found
    return found


def unknown(bases: Iterable[Base]) -> list[Base]:
    """Those that may not be kept yet, each once."""
    return list({base.hash: base for base in bases if base.hash not in _committed}.values())


def remember(bases: Sequence[Base]) -> None:
    """They are kept from the end of this transaction on."""
    hashes = [base.hash for base in bases]
    if hashes:
        transaction.on_commit(lambda: _committed.update(hashes))


def forget() -> None:
    """Nothing is known to be kept."""
    _committed.clear()
