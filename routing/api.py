"""REST: why an order's units are where they are."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.orders import OneOrder
from routing import cards
from routing.models import Decision


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


class PlannedParcelRow(serializers.Serializer):
    """What one stock point was given, and what that costs."""

    location = serializers.CharField(source="code")
    location_name = serializers.CharField(source="name")
    items = ItemRow(many=True)
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
    terms = TermsField()
    alone = serializers.CharField(allow_null=True)
    complete = serializers.BooleanField()
    behind = serializers.CharField(allow_null=True)


class DecisionRow(serializers.Serializer):
    """One routing decision, whole: what was decided, why, and who lost by how much."""

    id = serializers.IntegerField(source="decision.pk")
    at = serializers.DateTimeField(source="decision.at")
    cause = serializers.CharField(source="decision.cause")
    outcome = serializers.ChoiceField(source="decision.outcome", choices=Decision.Outcome.choices)
    sentence = serializers.CharField(source="decision.sentence")
    rule_set = serializers.SerializerMethodField()
    engine_version = serializers.CharField(source="decision.engine_version")
    currency = serializers.CharField()
    cost = serializers.DecimalField(source="decision.cost", max_digits=12, decimal_places=4,
                                    allow_null=True)  # fmt: skip
    kg_co2 = serializers.FloatField(source="decision.kg_co2", allow_null=True)
    parcels = PlannedParcelRow(many=True)
    waiting = WaitingRow(many=True)
    candidates = CandidateRow(source="points", many=True)

    def get_rule_set(self, card: cards.Card) -> str | None:
        rules = card.decision.rule_set
        return str(rules) if rules else None


class DecisionWithInputs(DecisionRow):
    """The same with all that the engine saw: enough to come to the same answer again."""

    inputs = serializers.JSONField(source="decision.inputs")


def _of(view: OneOrder, reference: str) -> Any:
    order = view.order(reference)
    return order.decisions.select_related("rule_set").order_by("-id")  # type: ignore[attr-defined]


class DecisionsView(OneOrder):
    """Every routing decision of an order, newest first."""

    @extend_schema(responses=DecisionRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        found = [cards.card(decision) for decision in _of(self, reference).defer("inputs")]
        return Response(DecisionRow(found, many=True).data)


class DecisionView(OneOrder):
    """One routing decision with its inputs."""

    @extend_schema(responses=DecisionWithInputs)
    def get(self, request: Request, reference: str, pk: int) -> Response:
        decision = _of(self, reference).filter(pk=pk).first()
        if decision is None:
            raise NotFound(f"No decision {pk} of order {reference!r}.")
        return Response(DecisionWithInputs(cards.card(decision)).data)
