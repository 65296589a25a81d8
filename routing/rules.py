"""Rule sets: a draft is written, activated once, and never changed again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from config import outbox, status
from config.models import OutboxRow
from inventory.models import Location
from orders import lifecycle
from orders.models import Allocation
from routing.models import Rule, RuleSet

S = RuleSet.State
MOVES: dict[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.ACTIVE}),
    S.ACTIVE: frozenset({S.ARCHIVED}),
    S.ARCHIVED: frozenset(),
}
NO_RULES = "no rule set"  # how the queue's reason begins for orders that nothing covers
NO_RULE = "no rule"  # and for these and those that no rule of their set is for
AT_ONCE = 500  # orders that waited for a rule set, locked together


def set_of(channel: str, *, trial: str = "NULL::bigint") -> str:
    """SQL of the id of the rule set that decides about a channel's orders; null: none does.

    Of several active ones, its own before those for every channel, then the one activated last.
    channel: SQL of its id. trial: SQL of the id of a rule set, a draft or any other, that counts
    as if it were activated now, which takes the place of its other versions.
    """
    return f"""(
        SELECT s.id FROM routing_ruleset s
          LEFT JOIN routing_ruleset_channels y
                 ON y.ruleset_id = s.id AND y.saleschannel_id = {channel}
         WHERE (s.id = {trial} OR s.state = 'active' AND s.name IS DISTINCT FROM (
                SELECT t.name FROM routing_ruleset t WHERE t.id = {trial}))
           AND (y.id IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM routing_ruleset_channels z WHERE z.ruleset_id = s.id))
         ORDER BY y.id IS NULL, s.id IS NOT DISTINCT FROM {trial} DESC, s.activated_at DESC,
                  s.id DESC LIMIT 1)"""


_DECIDING = f"SELECT c.id, {set_of('c.id')} FROM orders_saleschannel c"
_DECIDED_BY = f"""
SELECT c.id FROM orders_saleschannel c
 WHERE {set_of("c.id", trial="%(set)s")} = %(set)s
"""


class NotADraft(Exception):
    """The rule set decides or has decided: it never changes."""

    def __init__(self, rule_set: RuleSet) -> None:
        super().__init__(f"{rule_set} is {rule_set.get_state_display()}: make a new version of it.")


class NotReady(Exception):
    """The draft cannot decide as it is; the words say what is missing."""


# --- versions ------------------------------------------------------------------------------------


def activate(*, rule_set_id: int) -> RuleSet:
    """Let a draft decide from now on; the version of that name that did is archived.

    Orders that waited because no rule covered them are looked at with the next retry, which is
    work of its own: their slices may be in somebody's hands at this moment. Of two names for one
    channel the one activated last decides. Raises IllegalMove for what is no draft, NotReady for a
    draft without rules or with a fallback that is closed.
    """
    with transaction.atomic():
        name = RuleSet.objects.values_list("name", flat=True).get(pk=rule_set_id)
        by_id = {version.pk: version for version in _locked_versions(name)}
        chosen = by_id.pop(rule_set_id)
        if chosen.state == S.DRAFT:
            _check_ready(chosen)
            for other in by_id.values():
                if other.state == S.ACTIVE:
                    status.move(other, S.ARCHIVED, allowed=MOVES)
        now = timezone.now()
        status.move(chosen, S.ACTIVE, allowed=MOVES, activated_at=now)
        outbox.put(topic="rules", subject=chosen.pk, cause="activated")
    return chosen


def _locked_versions(name: str) -> QuerySet[RuleSet]:
    """Locked as decisions allow that name them meanwhile: their foreign keys only share the key."""
    return RuleSet.objects.select_for_update(no_key=True).filter(name=name).order_by("pk")


def _check_ready(draft: RuleSet) -> None:
    rules = list(draft.rules.all())
    if not rules:
        raise NotReady(f"{draft} has no rule: no order could be routed. Add one first.")
    # Locked, so that nobody closes them at the same moment: the database looks again.
    fallbacks = Location.objects.select_for_update(no_key=True).order_by("pk")
    for place in fallbacks.filter(pk__in=[rule.fallback_id for rule in rules if rule.fallback_id]):
        if not place.active:
            raise NotReady(f"{place.name} is a fallback of {draft} and is closed: name another.")


def new_version(*, rule_set_id: int) -> RuleSet:
    """A draft with everything of this version, under the next number of its name."""
    with transaction.atomic():
        old = RuleSet.objects.get(pk=rule_set_id)
        newest = max(version.version for version in _locked_versions(old.name))
        values = {
            field.attname: getattr(old, field.attname)
            for field in RuleSet._meta.concrete_fields
            if field.attname not in {"id", "version", "state", "activated_at"}
        }
        draft = RuleSet.objects.create(**values, version=newest + 1, state=S.DRAFT)
        draft.channels.set(old.channels.all())
        for rule in old.rules.prefetch_related("only", "never"):
            _copy(rule, rule_set=draft, position=rule.position, name=rule.name)
    return draft


def deciding() -> dict[int, int]:
    """Channel (id) to the rule set (id) that decides about its orders, where one does.

    One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DECIDING)
        return {channel: chosen for channel, chosen in cursor.fetchall() if chosen is not None}


def decided_by(rule_set_id: int) -> set[int]:
    """Channels (ids) whose orders a rule set would decide about, were it activated now."""
    with connection.cursor() as cursor:
        cursor.execute(_DECIDED_BY, {"set": rule_set_id})
        return {channel for (channel,) in cursor.fetchall()}


def handle_activated(row: OutboxRow) -> None:
    """Work of the topic "rules": what waits because no rule was for it is due now.

    500 orders, then work of its own for the rest. Orders are locked as whoever routes them locks
    them: one that is decided by the old rules at this moment would put its slices off again.
    """
    waiting = without_rule().filter(order_id__gt=row.payload.get("after", 0)).order_by("order_id")
    orders = list(waiting.values_list("order_id", flat=True).distinct()[:AT_ONCE])
    lifecycle.lock_many(orders)
    without_rule().filter(order_id__in=orders).update(next_action_at=timezone.now())
    if len(orders) == AT_ONCE:
        outbox.put(topic="rules", subject=row.subject, cause=f"after:{orders[-1]}",
                   payload={"after": orders[-1]})  # fmt: skip


def without_rule() -> QuerySet[Allocation]:
    """Slices that wait because no rule is for their order."""
    return Allocation.objects.filter(
        state=Allocation.State.QUEUED, queue=Allocation.Queue.UNFILLABLE,
        queue_reason__startswith=NO_RULE,
    )  # fmt: skip


# --- the rules of a draft ------------------------------------------------------------------------


def add(rule: Rule, *, only: Iterable[Location] = (), never: Iterable[Location] = ()) -> Rule:
    """Put a new rule behind the others of its draft. Raises NotADraft."""
    with _draft(rule.rule_set_id):
        rule.position = next_position(rule.rule_set)
        _save(rule, only, never)
    return rule


def next_position(rule_set: RuleSet) -> int:
    """Behind its last rule."""
    last: int | None = rule_set.rules.aggregate(last=Max("position"))["last"]
    return (last or 0) + 1


def change(rule: Rule, *, only: Iterable[Location] = (), never: Iterable[Location] = ()) -> Rule:
    """Save a rule of a draft where it stands. Raises NotADraft."""
    with _draft(rule.rule_set_id):
        rule.position = Rule.objects.values_list("position", flat=True).get(pk=rule.pk)
        _save(rule, only, never)
    return rule


def move(rule: Rule, *, up: bool) -> bool:
    """Let a rule of a draft change places with the one before or behind it; whether there is one.

    Raises NotADraft.
    """
    with _draft(rule.rule_set_id) as draft:
        ordered = list(draft.rules.order_by("position"))
        here = next(i for i, one in enumerate(ordered) if one.pk == rule.pk)
        there = here - 1 if up else here + 1
        if not 0 <= there < len(ordered):
            return False
        ordered[here], ordered[there] = ordered[there], ordered[here]
        _number(ordered)
    return True


def copy(rule: Rule) -> Rule:
    """The same rule once more, right behind it. Raises NotADraft."""
    with _draft(rule.rule_set_id) as draft:
        here = Rule.objects.values_list("position", flat=True).get(pk=rule.pk)
        draft.rules.filter(position__gt=here).update(position=F("position") + 1)
        old = Rule.objects.prefetch_related("only", "never").get(pk=rule.pk)
        longest = Rule._meta.get_field("name").max_length or 60
        name = f"{old.name[: longest - 7]} (copy)"
        return _copy(old, rule_set=draft, position=here + 1, name=name)


def delete(rule: Rule) -> None:
    """Take a rule out of a draft; those behind it move up. Raises NotADraft."""
    with _draft(rule.rule_set_id) as draft:
        Rule.objects.filter(pk=rule.pk).delete()
        _number(list(draft.rules.order_by("position")))


@contextmanager
def _draft(rule_set_id: int) -> Iterator[RuleSet]:
    with transaction.atomic():
        rule_set = RuleSet.objects.select_for_update().get(pk=rule_set_id)
        if rule_set.state != S.DRAFT:
            raise NotADraft(rule_set)
        yield rule_set


def _save(rule: Rule, only: Iterable[Location], never: Iterable[Location]) -> None:
    rule.save()
    rule.only.set(only)
    rule.never.set(never)


def _number(ordered: list[Rule]) -> None:
    for position, rule in enumerate(ordered, 1):
        rule.position = position
    Rule.objects.bulk_update(ordered, ["position"])


def _copy(rule: Rule, *, rule_set: RuleSet, position: int, name: str) -> Rule:
    """A saved copy of a rule whose stock points were fetched with it."""
    only, never = list(rule.only.all()), list(rule.never.all())
    values = {
        field.attname: getattr(rule, field.attname)
        for field in Rule._meta.concrete_fields
        if field.attname not in {"id", "rule_set_id", "position", "name"}
    }
    fresh = Rule(**values, rule_set=rule_set, position=position, name=name)
    _save(fresh, only, never)
    return fresh
