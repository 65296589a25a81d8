"""Secret links to a customer's page: the token is random and only its hash is kept.

An order number or an e-mail address opens nothing; a token opens one order until it expires.
"""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from orders.models import CustomerLink, Order

LIFETIME = timedelta(days=180)
TOKEN_BYTES = 24  # 192 random bits: 32 characters of a URL


def make(order: Order) -> str:
    """A new link to the order's customer page, good for LIFETIME; its token is stored nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = timezone.now()
    CustomerLink.objects.create(
        order=order, token_hash=_hash(token), created_at=now, expires_at=now + LIFETIME
    )
    return url(token)


def find(token: str) -> Order | None:
    """The order a token opens; None for a wrong one and for an expired one alike.

    One hash and one look-up by index, whatever the token: the time says nothing about it.
    """
    links = CustomerLink.objects.select_related("order")
    link = links.filter(token_hash=_hash(token), expires_at__gt=timezone.now()).first()
    return link.order if link else None


def url(token: str) -> str:
    """The address of the customer page that a token opens."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/track/{token}/"


def _hash(token: str) -> str:
    # No salt and no stretching: a random 192-bit token cannot be guessed from its hash.
    return hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()
