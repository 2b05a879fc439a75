from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request
from streamctl_srt.admission import ACCEPTED, REFUSED, RESERVED_S, Admission
from streamctl_srt.constants import Option, State
from streamctl_srt.options import OutputOptions
from streamctl_srt.structs import to_sockaddr

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Gate
    from streamctl_srt.library import Library
    from streamctl_srt.reader import Reader


class FakeLibrary:
    """Sockets that are about to be: their options, states and reasons of refusal."""

    def __init__(self) -> None:
        self.options: dict[int, dict[Option, Any]] = {}
        self.states: dict[int, State] = {}
        self.reasons: dict[int, int] = {}

    def srt_setsockflag(self, number: int, option: Option, value: Any, size: int) -> int:
        given = value if isinstance(value, bytes) else value._obj.value
        self.options.setdefault(number, {})[option] = given
        return 0

    def srt_setrejectreason(self, number: int, code: int) -> int:
        self.reasons[number] = code
        return 0

    def srt_getsockstate(self, number: int) -> int:
        return self.states.get(number, State.CONNECTING)


class FakeGate:
    def __init__(self) -> None:
        self.busy = False
        self.broken = False
        self.options = OutputOptions()
        self.refusals: list[tuple[Request, Refusal]] = []

    def peek(self, request: Request) -> Grant | Refusal:
        if self.broken:
            raise ZeroDivisionError
        if request.path not in {"news", "other"}:
            return Refusal(RefusalCode.NOT_FOUND, f"no stream `{request.path}`")
        if self.busy and request.action is Action.PUBLISH:
            return Refusal(RefusalCode.BUSY, "already has a publisher")
        return Grant(request.path, request, self.options)

    def refuse(self, request: Request, refusal: Refusal) -> None:
        self.refusals.append((request, refusal))


class FakeReader:
    def post(self, method: Any, argument: object) -> None:
        method(argument)


class Door:
    """An admission, and callers by their ports."""

    def __init__(self, limit: int = 100) -> None:
        self.gate, self.library = FakeGate(), FakeLibrary()
        self.admission = Admission(
            cast("Gate", self.gate),
            cast("Reader", FakeReader()),
            cast("Library", self.library),
            limit,
        )
        self.number = 0

    def ask(self, text: str, port: int = 5000, host: str = "10.0.0.1") -> int:
        """The code of the answer; 0 = let in."""
        self.number += 1
        peer = SimpleNamespace(contents=to_sockaddr((host, port))[0])
        answer = self.admission.ask(None, self.number, 5, peer, text.encode())
        assert (answer == ACCEPTED) is (self.number not in self.library.reasons)
        return self.library.reasons.get(self.number, 0) if answer == REFUSED else 0


def test_what_the_gate_grants_is_let_in() -> None:
    door = Door()
    assert door.ask("publish:news") == 0
    found = door.admission.take(1)
    assert found is not None
    assert found.address == ("10.0.0.1", 5000)
    assert list(found.grants) == [Action.PUBLISH]
    assert door.admission.take(1) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("publish:nowhere", 1404),
        ("", 1400),
        ("publish:../../x", 1400),
        ("x" * 600, 1400),
        ("\xff\xfe", 1404),
    ],
)
def test_refusals_have_their_codes_and_are_counted(text: str, code: int) -> None:
    door = Door()
    assert door.ask(text) == code
    [(request, _)] = door.gate.refusals
    assert request.ip == "10.0.0.1"
    assert len(request.path) <= 600


def test_a_second_publisher_is_refused_while_the_first_is_on_its_way() -> None:
    door = Door()
    assert door.ask("publish:news", 1) == 0
    assert door.ask("#!::r=news,m=publish", 2) == 1409
    assert door.ask("publish:other", 3) == 0
    assert door.ask("read:news", 4) == 0


def test_a_caller_that_asks_again_keeps_its_own_place() -> None:
    door = Door()
    assert door.ask("publish:news", 1) == 0
    assert door.ask("publish:news", 1) == 0


def test_a_handshake_that_failed_frees_the_place() -> None:
    door = Door()
    assert door.ask("publish:news", 1) == 0
    door.library.states[1] = State.BROKEN
    assert door.ask("publish:news", 2) == 0


def test_a_place_is_kept_for_a_few_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    assert door.ask("publish:news", 1) == 0
    later = time.monotonic() + RESERVED_S + 0.1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert door.ask("publish:news", 2) == 0
    door.admission.expire(later)
    assert door.admission.take(1) is None
    assert door.admission.take(2) is not None
    assert "handshake was not finished" in door.gate.refusals[0][1].message


def test_a_wrong_passphrase_is_suspected() -> None:
    door = Door()
    door.gate.options = OutputOptions(publish_passphrase=SecretStr("correct horse"))
    assert door.ask("publish:news") == 0
    assert door.library.options[1][Option.PASSPHRASE] == b"correct horse"
    door.library.states[1] = State.NONEXIST
    door.admission.expire(time.monotonic())
    [(request, refusal)] = door.gate.refusals
    assert refusal.code is RefusalCode.UNAUTHORIZED
    assert refusal.message.endswith("the passphrase may be wrong or missing")
    assert request.path == "news"


def test_who_does_not_say_what_for_may_be_either() -> None:
    door = Door()
    door.gate.options = OutputOptions(
        publish_passphrase=SecretStr("of publishers"), read_passphrase=SecretStr("of viewers")
    )
    assert door.ask("news", 1) == 0
    assert door.library.options[1][Option.PASSPHRASE] == b"of publishers"
    door.gate.busy = True
    assert door.ask("news", 2) == 0
    assert door.library.options[2][Option.PASSPHRASE] == b"of viewers"
    assert door.ask("publish:news", 3) == 1409


def test_who_does_not_say_what_for_reserves_nothing() -> None:
    door = Door()
    assert door.ask("news", 1) == 0
    assert door.ask("publish:news", 2) == 0


def test_connections_and_those_on_their_way_count() -> None:
    door = Door(limit=3)
    door.admission.connections = 2
    assert door.ask("read:news", 1) == 0
    assert door.ask("read:news", 2) == 1402
    assert door.ask("read:news", 1) == 0


def test_one_address_keeps_nobody_out_with_handshakes_that_come_to_nothing() -> None:
    door = Door(limit=6)
    assert [door.ask("read:news", port) for port in range(1, 5)] == [0, 0, 0, 1402]
    assert door.ask("read:news", host="10.0.0.2") == 0
    door.admission.take(1)
    assert door.ask("read:news", 4) == 0


def test_the_streams_latency_is_set_for_both_directions() -> None:
    door = Door()
    door.gate.options = OutputOptions(latency_ms=444)
    door.ask("read:news")
    assert door.library.options[1] == {Option.RCVLATENCY: 444, Option.PEERLATENCY: 444}


def test_nobody_is_let_in_any_more_at_the_end() -> None:
    door = Door()
    door.admission.closing = True
    assert door.ask("read:news") == 1503


def test_a_bug_of_ours_lets_nobody_in() -> None:
    door = Door()
    door.gate.broken = True
    assert door.ask("read:news") == 1500
