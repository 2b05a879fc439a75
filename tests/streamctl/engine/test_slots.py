from __future__ import annotations

import pytest

from streamctl.errors import StaleEpoch
from streamctl.sdk.session import Refusal, RefusalCode
from tests.streamctl.engine.studio import Studio, entry

pytestmark = pytest.mark.anyio


async def test_places_have_keys_of_their_own() -> None:
    studio = Studio(entry("publish:", key="one"), entry("publish:", key="two"))
    missing = studio.wish()
    assert isinstance(missing, Refusal)
    assert missing.code is RefusalCode.UNAUTHORIZED
    wrong = studio.wish(key="three")
    assert isinstance(wrong, Refusal)
    assert wrong.guessed
    second = studio.arrive(key="two")
    assert studio.news.inputs.slots[1].session is second.session
    taken = studio.wish(2, key="two")
    assert isinstance(taken, Refusal)
    assert taken.code is RefusalCode.BUSY
    first = studio.arrive(3, key="one")
    assert studio.news.inputs.slots[0].session is first.session


async def test_a_key_of_the_stream_opens_the_places_without_one() -> None:
    studio = Studio(entry("publish:"), entry("publish:", key="two"), publish_key="all")
    first = studio.arrive(key="all")
    assert studio.news.inputs.slots[0].session is first.session
    assert isinstance(studio.wish(2, key="all"), Refusal)
    second = studio.arrive(2, key="two")
    assert studio.news.inputs.slots[1].session is second.session


async def test_a_publisher_may_name_its_place() -> None:
    studio = Studio(entry("script://a"), entry("publish:"), entry("publish:"))
    third = studio.arrive(query={"input": "2"})
    assert studio.news.inputs.slots[1].session is third.session
    nowhere = studio.wish(2, query={"input": "0"})
    assert isinstance(nowhere, Refusal)
    assert nowhere.code is RefusalCode.NOT_FOUND


async def test_a_place_may_be_taken_over() -> None:
    studio = Studio(entry("publish:", override=True))
    first = studio.arrive()
    first.second()
    second = studio.arrive(2)
    assert first.closed == ["10.0.0.1:2 took its place"]
    with pytest.raises(StaleEpoch):
        first.second()
    second.second()
    assert studio.news.on_air()
    assert studio.news.publisher is second.session


async def test_a_ghost_gives_way_at_any_place() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    first, ghost = studio.arrive(), studio.arrive(2)
    studio.clock.advance(1.5)
    first.second()
    third = studio.arrive(3)
    assert ghost.closed == ["silent; 10.0.0.1:3 took its place"]
    assert studio.news.inputs.slots[1].session is third.session
