"""For the templates of decisions and runs."""

from django import template

from routing import cards, pictures
from routing.models import Decision, Run

register = template.Library()


@register.filter
def card(decision: Decision) -> cards.Card:
    """The card of a decision."""
    return cards.card(decision)


@register.filter
def pictures_of(card: cards.Card) -> pictures.DecisionPictures:
    """Its map and its trade-off."""
    return pictures.of_decision(card)


@register.filter
def run_pictures(run: Run) -> pictures.RunPictures | None:
    """The map and the charts of a run."""
    return pictures.of_run(run)
