from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamctl.errors import Unsupported
from streamctl.sdk.plugin import Cap, Empty, Options, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from tests.streamctl.engine.rig import Rig


class Bare(ProtocolPlugin):
    """Can do nothing."""

    kind = "bare"


class Loop(Options):
    """One key."""

    loop: bool = False


def test_what_a_plugin_does_not_override_is_unsupported_and_shows_no_secret() -> None:
    plugin = Bare()
    url = StreamURL.parse("bare://u:word@h/x")
    context = BareContext()
    with pytest.raises(Unsupported, match=r"`bare` can't be used as an input: `bare://u:\*\*\*@h"):
        plugin.source(url, Empty(), context)
    with pytest.raises(Unsupported, match=r"can't be pushed to: `bare://u:\*\*\*@h"):
        plugin.sink(url, Empty(), context)
    with pytest.raises(Unsupported, match="has no listener"):
        plugin.listener(("::1", 1), Empty(), context)
    with pytest.raises(Unsupported, match="not served over HTTP"):
        plugin.http_output(Rig().stream().graph, Empty(), context)  # type: ignore[arg-type] # unused
    assert plugin.converters() == ()
    assert plugin.caps is Cap.NONE


def test_options_refuse_unknown_keys_and_changes() -> None:
    with pytest.raises(ValidationError, match="lop"):
        Loop.model_validate({"lop": True})
    options = Loop(loop=True)
    with pytest.raises(ValidationError, match="frozen"):
        options.loop = False  # type: ignore[misc] # this is what must not work
    with pytest.raises(ValidationError):
        Empty.model_validate({"any": 1})
