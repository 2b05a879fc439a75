from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError

from streamctl.config.faults import from_validation
from streamctl.sdk.secret import Secret

WORD = "hushhush"


def refuse(value: SecretStr) -> SecretStr:
    raise ValueError("must be longer")


class Login(BaseModel):
    word: Secret | None = Field(None, validate_default=False)
    port: int = 0


class Table(BaseModel):
    passphrase: Annotated[Secret, AfterValidator(refuse)] | None = None
    words: tuple[Annotated[Secret, AfterValidator(refuse)], ...] = ()
    login: Login = Login()
    logins: tuple[Login, ...] = ()
    headers: dict[str, str] = {}
    stream_id: Annotated[str, Field(max_length=3)] = ""
    title: Annotated[str, Field(max_length=3)] = ""


def told(values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(values)
    [fault] = from_validation(("streams", "news"), Table, caught.value)
    return fault.message


@pytest.mark.parametrize(
    "values",
    [
        {"passphrase": WORD},
        {"words": [WORD]},
        {"login": {"word": 4711}},
        {"logins": [{"word": 4711}]},
        {"headers": {"X-Key": 4711}},
        {"stream_id": WORD},
    ],
    ids=str,
)
def test_a_refused_secret_is_not_repeated(values: dict[str, Any]) -> None:
    message = told(values)
    assert WORD not in message
    assert "4711" not in message


def test_other_refused_values_are_repeated() -> None:
    assert told({"title": "long one"}).endswith(": `long one`")
    assert told({"login": {"port": "x"}}).endswith(": `x`")
