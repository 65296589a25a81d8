"""Rule sets: a draft is written, activated once, and never changed again."""

from django.db import transaction
from django.utils import timezone

from config import status
from orders.models import Allocation
from routing.models import Rule, RuleSet

S = RuleSet.State
MOVES: dict[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.ACTIVE}),
    S.ACTIVE: frozenset({S.ARCHIVED}),
    S.ARCHIVED: frozenset(),
}
NO_RULES = "no rule set"  # how the queue's reason begins for orders that nothing covers


def activate(*, rule_set_id: int) -> RuleSet:
    """Let a draft decide from now on; the version of that name that did is archived.

    Orders that waited because no rule set covered them are looked at with the next retry. Of two
    names for one channel the one activated last decides. Raises IllegalMove for what is no draft.
    """
    with transaction.atomic():
        name = RuleSet.objects.values_list("name", flat=True).get(pk=rule_set_id)
        versions = RuleSet.objects.select_for_update().filter(name=name).order_by("pk")
        by_id = {version.pk: version for version in versions}
        chosen = by_id.pop(rule_set_id)
        for other in by_id.values():
            if other.state == S.ACTIVE and chosen.state == S.DRAFT:
                status.move(other, S.ARCHIVED, allowed=MOVES)
        now = timezone.now()
        status.move(chosen, S.ACTIVE, allowed=MOVES, activated_at=now)
        Allocation.objects.filter(
            queue=Allocation.Queue.UNFILLABLE, queue_reason__startswith=NO_RULES
        ).update(next_action_at=now)
    return chosen


def new_version(*, rule_set_id: int) -> RuleSet:
    """A draft with everything of this version, under the next number of its name."""
    with transaction.atomic():
        old = RuleSet.objects.get(pk=rule_set_id)
        versions = RuleSet.objects.select_for_update().filter(name=old.name).order_by("pk")
        newest = max(version.version for version in versions)
        values = {
            field.attname: getattr(old, field.attname)
            for field in RuleSet._meta.concrete_fields
            if field.attname not in {"id", "version", "state", "activated_at"}
        }
        draft = RuleSet.objects.create(**values, version=newest + 1, state=S.DRAFT)
        draft.channels.set(old.channels.all())
        for rule in old.rules.all():
            _copy(rule, draft)
    return draft


def _copy(rule: Rule, draft: RuleSet) -> None:
    only, never = list(rule.only.all()), list(rule.never.all())
    rule.pk, rule.rule_set = None, draft
    rule._state.adding = True
    rule.save()
    rule.only.set(only)
    rule.never.set(never)
