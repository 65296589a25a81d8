"""Signatures of what we post, as Standard Webhooks (standardwebhooks.com) says."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A secret for one endpoint."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(name: str, body: bytes, *, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers of a message: its id, the time, and a signature by each secret.

    `name` is the same at every attempt, so that whoever gets a message twice can tell.
    """
    text = body.decode()
    signatures = (Webhook(_key(secret)).sign(name, at.astimezone(UTC), text) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _key(secret: str) -> bytes:
    """A secret of the standard is base64 behind "whsec_"; any other text is used as it is."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
