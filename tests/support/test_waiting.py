from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support import waiting
from tests.support.waiting import LONGEST_S, Patience, until


def test_what_the_machine_stood_still_for_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now))
    patience = Patience(1.0)
    for _ in range(3):
        now += 0.1
        assert not patience.over()
    now += 60
    assert not patience.over()
    assert patience.left_s == pytest.approx(0.7 - LONGEST_S)
    now += 0.1
    assert not patience.over()
    now += 0.2
    assert patience.over()


@pytest.mark.anyio
async def test_what_never_holds_is_waited_for_in_vain() -> None:
    looks = iter([False, False, True])
    await until(lambda: next(looks))
    assert list(looks) == []
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        await until(lambda: False, 0.05)
