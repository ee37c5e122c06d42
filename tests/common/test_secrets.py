"""Secrets at rest."""

import pytest
from cryptography.fernet import Fernet

from services.common.config import BadConfiguration, Environment
from services.common.errors import Internal
from services.common.secrets import SecretBox


def box(*keys: bytes) -> SecretBox:
    return SecretBox.read(Environment({"PERDURE_SECRET_KEY": ",".join(key.decode() for key in keys)}))


def test_a_secret_is_unreadable_at_rest_and_comes_back() -> None:
    secrets = box(Fernet.generate_key())

    stored = secrets.encrypt("hunter2")

    assert "hunter2" not in stored
    assert secrets.decrypt(stored) == "hunter2"


def test_the_first_key_encrypts_and_older_ones_still_read() -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    before = box(old).encrypt("kept")

    rotated = box(new, old)

    assert rotated.decrypt(before) == "kept"
    assert rotated.encrypt("kept").split(":")[0] == box(new).encrypt("kept").split(":")[0]


def test_a_lost_key_is_told_without_the_secret() -> None:
    stored = box(Fernet.generate_key()).encrypt("hunter2")

    with pytest.raises(Internal, match="PERDURE_SECRET_KEY"):
        box(Fernet.generate_key()).decrypt(stored)


def test_without_keys_secrets_are_stored_as_they_are() -> None:
    assert SecretBox({}).decrypt(SecretBox({}).encrypt("a:b")) == "a:b"


def test_a_key_of_the_wrong_form_stops_the_start() -> None:
    with pytest.raises(BadConfiguration, match="PERDURE_SECRET_KEY"):
        SecretBox.read(Environment({"PERDURE_SECRET_KEY": "short"}))
