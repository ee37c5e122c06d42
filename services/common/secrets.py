"""Secrets at rest: a ring of keys, the first of which encrypts; any may decrypt.

A ciphertext is "<key id>:<Fernet token>", so that a key can be replaced while the old one still reads what it wrote.
Without keys, secrets are stored as ":<text>".
"""

from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

from services.common.config import BadConfiguration, Environment
from services.common.errors import Internal


class SecretBox:
    """Encrypts and decrypts short texts."""

    def __init__(self, keys: dict[str, Fernet]) -> None:
        self._keys = keys

    @classmethod
    def read(cls, environment: Environment) -> "SecretBox":
        """From PERDURE_SECRET_KEY: Fernet keys (32 bytes in URL-safe base64), the newest first, separated by commas."""
        keys = [key.strip() for key in environment.text("PERDURE_SECRET_KEY", "").split(",") if key.strip()]
        try:
            return cls({sha256(key.encode()).hexdigest()[:8]: Fernet(key) for key in keys})
        except ValueError:
            raise BadConfiguration("PERDURE_SECRET_KEY must hold 32 bytes in URL-safe base64") from None

    def encrypt(self, text: str) -> str:
        """The form to store."""
        for key_id, key in self._keys.items():
            return f"{key_id}:{key.encrypt(text.encode()).decode()}"
        return f":{text}"

    def decrypt(self, stored: str) -> str:
        """The text. Raises `Internal` when the key is gone."""
        key_id, _, token = stored.partition(":")
        if not key_id:
            return token
        try:
            return self._keys[key_id].decrypt(token).decode()
        except (KeyError, InvalidToken) as exc:
            raise Internal("A stored secret cannot be read: PERDURE_SECRET_KEY lacks the key that wrote it.") from exc
