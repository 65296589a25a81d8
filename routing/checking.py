"""The same input gives the same answer: a kept decision is asked for again and compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from routing import engine, replay
from routing.models import Decision

MOST_SHOWN = 20
NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """One value of the result: where it is, what was kept, what today's engine answers."""

    path: str
    kept: str
    now: str


@dataclass(frozen=True)
class Checked:
    """What came of it; at most 20 differences are listed."""

    decision: Decision
    is_equal: bool
    engine_now: str
    words: str
    count: int
    differences: tuple[Difference, ...]

    @property
    def same_engine(self) -> bool:
        return self.decision.engine_version == self.engine_now


def check(decision: Decision) -> Checked:
    """Ask today's engine with the decision's inputs, and compare with what was kept."""
    try:
        answer = replay.replay(decision)
    except (engine.BadInput, engine.BadTariff) as error:
        found = [Difference("", "an answer", f"{error}")]
    else:
        found = list(_compared("", *map(_with_names, (decision.result, answer))))
    is_equal = not found
    return Checked(
        decision=decision, is_equal=is_equal, engine_now=engine.ENGINE_VERSION,
        words=_words(decision, found), count=len(found), differences=tuple(found[:MOST_SHOWN]),
    )  # fmt: skip


def _with_names(result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "considered": engine.considered(result)}


def _words(decision: Decision, found: list[Difference]) -> str:
    now, then = engine.ENGINE_VERSION, decision.engine_version
    same_engine = now == then
    if not found and same_engine:
        return "Equal to the last figure: the same input gives the same answer."
    if not found:
        return f"Equal to the last figure, though engine {then} decided then and {now} does now."
    if all(one.path == "version" for one in found):
        return f"The same plan and costs. Engine {then} decided then, {now} does now."
    if not same_engine:
        return f"Engine {then} decided then; {now} answers otherwise today."
    return f"Engine {now} answers otherwise than it did: that must not be, tell who runs Maestro."


def _compared(path: str, kept: Any, now: Any) -> Iterator[Difference]:
    if isinstance(kept, dict) and isinstance(now, dict):
        for name in [*kept, *(name for name in now if name not in kept)]:
            below = f"{path}.{name}" if path else name
            yield from _compared(below, kept.get(name, NOTHING), now.get(name, NOTHING))
    elif isinstance(kept, list) and isinstance(now, list):
        for at in range(max(len(kept), len(now))):
            pair = (rows[at] if at < len(rows) else NOTHING for rows in (kept, now))
            yield from _compared(f"{path}[{at}]", *pair)
    elif kept != now:
        yield Difference(path, _short(kept), _short(now))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else replay.dumps(value).decode()[:200]
