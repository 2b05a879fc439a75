from __future__ import annotations

import pytest

from streamctl.sdk.session import RefusalCode
from streamctl_srt.reject import CODES, TEXTS, reason_text


@pytest.mark.parametrize("code", RefusalCode)
def test_each_refusal_has_a_code_and_its_words(code: RefusalCode) -> None:
    assert 1400 <= CODES[code] < 1600
    assert CODES[code] in TEXTS


def test_codes_are_those_of_http() -> None:
    assert CODES[RefusalCode.NOT_FOUND] == 1404
    assert CODES[RefusalCode.UNAUTHORIZED] == 1401
    assert CODES[RefusalCode.FORBIDDEN] == 1403
    assert CODES[RefusalCode.BUSY] == 1409


def test_unknown_codes_are_repeated() -> None:
    assert reason_text(2042) == "refused by the peer with code 2042"
