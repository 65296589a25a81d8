"""For templates/routing/decision_card.html."""

from django import template

from routing import cards
from routing.models import Decision

register = template.Library()


@register.filter
def card(decision: Decision) -> cards.Card:
    """The card of a decision."""
    return cards.card(decision)
