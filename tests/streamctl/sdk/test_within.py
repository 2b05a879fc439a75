from __future__ import annotations

import pytest

from streamctl.errors import ConfigError
from streamctl.sdk.url import StreamURL
from streamctl.sdk.within import body_of, code_in


@pytest.mark.parametrize(
    ("text", "code"),
    [("copy:a", "a"), ("copy://A/b-c_d", "A/b-c_d"), ("COPY://a/", "a")],
)
def test_codes_are_taken_as_written(text: str, code: str) -> None:
    url = StreamURL.parse(text)
    assert code_in(body_of(url), url) == code


@pytest.mark.parametrize(
    "text", ["copy:", "copy:/a", "copy:a//", "copy:a b", "copy:a?b", "copy:a:1"]
)
def test_anything_else_is_refused(text: str) -> None:
    url = StreamURL.parse(text)
    with pytest.raises(ConfigError):
        code_in(body_of(url), url)
