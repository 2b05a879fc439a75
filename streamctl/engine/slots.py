"""Which place a publisher gets, of those that a stream has for publishers.

Reads only, and from memory: the gate may ask in another thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.logins import knows_key
from streamctl.sdk.session import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.engine.ingest import Slot
    from streamctl.engine.stream import Stream
    from streamctl.sdk.session import Request

TAKEOVER_SILENCE_S = 1.0
"""A publisher that has been silent this long gives way to a new one: it is a ghost."""


def vacancy(stream: Stream, request: Request) -> Slot | Refusal:
    """The slot that a publisher takes, or why there is none."""
    slots = stream.inputs.slots
    if not slots:
        return Refusal(
            RefusalCode.FORBIDDEN,
            f"stream `{stream.code}` takes no publisher: it has a source of its own",
        )
    open_to = meant(stream, slots, request)
    if isinstance(open_to, Refusal):
        return open_to
    chosen = (
        next((slot for slot in open_to if slot.session is None), None)
        or next((slot for slot in open_to if silent(stream, slot)), None)
        or next((slot for slot in open_to if slot.override), None)
    )
    if chosen is not None:
        return chosen
    return Refusal(RefusalCode.BUSY, f"stream `{stream.code}` already has a publisher")


def meant(stream: Stream, slots: Sequence[Slot], request: Request) -> Sequence[Slot] | Refusal:
    """The slots that a publisher may have, free or not."""
    asked = request.query.get("input")
    if asked is not None:
        slots = [slot for slot in slots if str(stream.inputs.order.index(slot)) == asked]
        if not slots:
            words = f"stream `{stream.code}` has no `publish:` input of that number"
            return Refusal(RefusalCode.NOT_FOUND, words)
    own = [slot for slot in slots if slot.key is not None and knows_key(slot.key, request)]
    if own:
        return own
    common = [slot for slot in slots if slot.key is None]
    if common:
        return common
    word = "wrong" if request.logs_in else "missing"
    return Refusal(
        RefusalCode.UNAUTHORIZED, f"{word} key for publish", guessed=bool(request.logs_in)
    )


def silent(stream: Stream, slot: Slot) -> bool:
    """Whether the publisher in a slot has sent nothing for a while."""
    intake = slot.intake
    if intake is None:
        return True
    heard = intake.begun_at if intake.last_packet is None else intake.last_packet
    return stream.clock.now() - heard > TAKEOVER_SILENCE_S
