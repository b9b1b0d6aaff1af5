"""Signatures of webhooks, as in Standard Webhooks 1.0 (https://www.standardwebhooks.com). Reads settings, no rows."""

import base64
import hashlib
import hmac
from datetime import datetime

from django.utils.crypto import salted_hmac

SALT = "concord.webhooks"


def secret_of(nonce: str) -> bytes:
    """The 32 bytes that sign for a webhook: HMAC-SHA256 of its nonce under a key made from SECRET_KEY."""
    return salted_hmac(SALT, nonce, algorithm="sha256").digest()


def secret_text(secret: bytes) -> str:
    """The secret as receivers' libraries take it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def secret_hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def signed_headers(secret: bytes, message_id: str, body: str, now: datetime) -> dict[str, str]:
    """webhook-id, webhook-timestamp and webhook-signature over "id.timestamp.body"."""
    stamp = str(int(now.timestamp()))
    digest = hmac.digest(secret, f"{message_id}.{stamp}.{body}".encode(), "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
