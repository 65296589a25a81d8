"""REST: why an order's units are where they are."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import shown
from orders.api.orders import OneOrder
from routing import cards, checking, replay, trial
from routing.models import Decision, RuleSet


class ItemRow(serializers.Serializer):
    """Units of one order line; `line` is its position in the order."""

    line = serializers.IntegerField()
    sku = serializers.CharField()
    units = serializers.IntegerField()


class WaitingRow(ItemRow):
    """Units that no stock point could be given, and why."""

    why = serializers.CharField(source="words")


@extend_schema_field(serializers.DictField(child=serializers.CharField(), allow_null=True))
class TermsField(serializers.Field):
    """The parts of a cost by name; they add up to it. Amounts in the order's currency."""

    def to_representation(self, value: tuple[cards.Term, ...]) -> dict[str, str] | None:
        return {term.name: str(term.amount) for term in value} or None


class AttemptRow(serializers.Serializer):
    """A rule of the set that was tried, and why it decided or the next one was."""

    rule = serializers.CharField()
    position = serializers.IntegerField(allow_null=True)
    outcome = serializers.ChoiceField(choices=["fits", "no_fit", "skipped"])
    words = serializers.CharField(allow_blank=True)


class OutRow(serializers.Serializer):
    """A hard rule that took a stock point out, with the value that did it.

    `item` is the SKU it is about; empty for the stock point altogether.
    """

    rule = serializers.CharField()
    item = serializers.CharField(allow_blank=True)
    value = serializers.FloatField(allow_null=True)
    limit = serializers.FloatField(allow_null=True)
    words = serializers.CharField(source="said")


class PlannedParcelRow(serializers.Serializer):
    """What one stock point was given, by which delivery service, and what that costs.

    `days` is how long until the customer has it, null when that is not known.
    """

    location = serializers.CharField(source="code")
    location_name = serializers.CharField(source="name")
    items = ItemRow(many=True)
    service = serializers.CharField(allow_blank=True)
    days = serializers.IntegerField(allow_null=True)
    terms = TermsField()
    total = serializers.CharField()
    km = serializers.FloatField(allow_null=True)
    kg_co2 = serializers.CharField()
    weight_g = serializers.IntegerField()


class CandidateRow(serializers.Serializer):
    """A stock point that was looked at.

    `alone` is what it would cost to send all it can, `behind` by how much the best plan that uses
    it is dearer than the chosen one; `why` says what took it out or what it lacked.
    """

    location = serializers.CharField(source="code")
    location_name = serializers.CharField(source="name")
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=["chosen", "possible", "eliminated"])
    why = serializers.CharField(source="words")
    km = serializers.FloatField(allow_null=True)
    service = serializers.CharField(allow_blank=True)
    days = serializers.IntegerField(allow_null=True)
    terms = TermsField()
    alone = serializers.CharField(allow_null=True)
    complete = serializers.BooleanField()
    behind = serializers.CharField(allow_null=True)
    eliminations = OutRow(source="outs", many=True)


class DecisionRow(serializers.Serializer):
    """One routing decision, whole: what was decided, why, and who lost by how much."""

    id = serializers.IntegerField(source="decision.pk")
    at = serializers.DateTimeField(source="decision.at")
    cause = serializers.CharField(source="decision.cause")
    outcome = serializers.ChoiceField(source="decision.outcome", choices=Decision.Outcome.choices)
    sentence = serializers.CharField(source="decision.sentence")
    rule_set = serializers.SerializerMethodField()
    rule = serializers.CharField(source="decision.rule.name", default=None, allow_null=True)
    attempts = AttemptRow(many=True)
    run = serializers.IntegerField(source="decision.run_id", allow_null=True)
    probability = serializers.FloatField(
        source="decision.probability", help_text="the chance with which this was chosen"
    )
    engine_version = serializers.CharField(source="decision.engine_version")
    currency = serializers.CharField()
    cost = serializers.DecimalField(source="decision.cost", max_digits=12, decimal_places=4,
                                    allow_null=True)  # fmt: skip
    kg_co2 = serializers.FloatField(source="decision.kg_co2", allow_null=True)
    parcels = PlannedParcelRow(many=True)
    waiting = WaitingRow(many=True)
    what_if = serializers.ListField(
        child=serializers.CharField(),
        help_text="what would have had to be different for the three that were closest",
    )
    candidates = CandidateRow(source="points", many=True)

    def get_rule_set(self, card: cards.Card) -> str | None:
        rules = card.decision.rule_set
        return str(rules) if rules else None


class DecisionWithInputs(DecisionRow):
    """The same with all that the engine saw: enough to come to the same answer again."""

    inputs = serializers.SerializerMethodField()

    @extend_schema_field(serializers.JSONField())
    def get_inputs(self, card: cards.Card) -> Any:
        return replay.whole(card.decision)


def _of(view: OneOrder, reference: str) -> Any:
    order = view.order(reference)
    rows = order.decisions.select_related("rule_set", "rule", "base")  # type: ignore[attr-defined]
    return rows.order_by("-id")


class DecisionsView(OneOrder):
    """Every routing decision of an order, newest first."""

    @extend_schema(responses=DecisionRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        found = [cards.card(decision) for decision in _of(self, reference)]
        return Response(DecisionRow(found, many=True).data)


class DecisionView(OneOrder):
    """One routing decision with its inputs."""

    @extend_schema(responses=DecisionWithInputs)
    def get(self, request: Request, reference: str, pk: int) -> Response:
        return Response(DecisionWithInputs(cards.card(_one(self, reference, pk))).data)


def _one(view: OneOrder, reference: str, pk: int) -> Decision:
    decision: Decision | None = _of(view, reference).filter(pk=pk).first()
    if decision is None:
        raise NotFound(f"No decision {pk} of order {shown(reference)}.")
    return decision


class DifferenceRow(serializers.Serializer):
    """One value of the result: its path, what was kept, what is answered today."""

    path = serializers.CharField(allow_blank=True)
    kept = serializers.CharField(allow_blank=True)
    now = serializers.CharField(allow_blank=True)


class CheckedRow(serializers.Serializer):
    """Whether today's engine gives the same answer to a decision's inputs."""

    equal = serializers.BooleanField(source="is_equal")
    words = serializers.CharField()
    engine_version = serializers.CharField(source="decision.engine_version")
    engine_now = serializers.CharField()
    count = serializers.IntegerField(help_text="values that differ; the first 20 are listed")
    differences = DifferenceRow(many=True)


class DecisionCheckView(OneOrder):
    """The same input gives the same answer: a decision is made again and compared. Read only."""

    @extend_schema(responses=CheckedRow)
    def get(self, request: Request, reference: str, pk: int) -> Response:
        return Response(CheckedRow(checking.check(_one(self, reference, pk))).data)


class TrialPlaceRow(serializers.Serializer):
    """Units that a stock point would send, by which service."""

    location_name = serializers.CharField(source="place")
    service = serializers.CharField(allow_blank=True)
    units = serializers.IntegerField()


class AnswerRow(serializers.Serializer):
    """What an order gets by one set of rules."""

    sentence = serializers.CharField()
    rule = serializers.CharField(allow_blank=True)
    places = TrialPlaceRow(many=True)
    parcels = serializers.IntegerField()
    units = serializers.IntegerField()
    waiting = serializers.IntegerField(source="unfilled", help_text="units that nobody can send")
    cost = serializers.DecimalField(max_digits=12, decimal_places=2)
    kg_co2 = serializers.FloatField()
    late = serializers.BooleanField(source="is_late")


class TrialRow(serializers.Serializer):
    """An order by the rules of today, or as it was decided, and by others."""

    before = AnswerRow()
    after = AnswerRow()


class TrialQuery(serializers.Serializer):
    """Which rules to try."""

    rule_set = serializers.RegexField(
        r"^.+ v[1-9]\d{0,8}$", max_length=80,
        help_text="name and version as decisions have it, such as Standard v2; drafts too",
    )  # fmt: skip


class OrderTrialView(OneOrder):
    """What other rules would do with an order: a dry run, in which nothing is written.

    With what waits of it, on the stock of now; when nothing waits, with its decisions, on the
    stock that they saw. One row for what waits, or one per decision.
    """

    @extend_schema(parameters=[TrialQuery], responses=TrialRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        asked = TrialQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        name, _, version = asked.validated_data["rule_set"].rpartition(" v")
        rules = RuleSet.objects.filter(name=name, version=int(version)).first()
        if rules is None:
            raise NotFound(f"No rule set {shown(asked.validated_data['rule_set'])}.")
        found = trial.of_order(order, rule_set=rules.pk, now=timezone.now())
        return Response(TrialRow([*found.changes, *found.unchanged], many=True).data)
