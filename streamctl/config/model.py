"""The configuration as frozen values: what ``streams.toml`` may say, with defaults and bounds.

Models hold what is true of one value alone. What needs the text, the environment, installed
plugins or several keys at once is checked in ``streamctl.config.load``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    SerializeAsAny,
    model_validator,
)

from streamctl.config.address import Address
from streamctl.config.template import Template
from streamctl.sdk.secret import LoginSecret, Secret
from streamctl.sdk.session import Action
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from streamctl.sdk.plugin import ProtocolPlugin


PUBLISH = "publish"
"""The kind of an input that waits on the listeners; no plugin has it."""
HOOK_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LINE_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, halves of surrogate pairs, line and paragraph separators."""


def number(value: Any) -> Any:
    """Refuse booleans, which Python counts among the numbers."""
    if isinstance(value, bool):
        raise ValueError("write a number")
    return value


def address(value: Any) -> Any:
    """Read an address from its text."""
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError("write `HOST:PORT` or `:PORT` in quotes")
    return Address.parse(value)


def line(value: str) -> str:
    """Refuse what would break a line of text apart, in playlists, pages and on terminals."""
    if any(category(character) in LINE_BREAKING for character in value):
        raise ValueError("write one line of text, without control characters")
    return value


def network(value: Any) -> Any:
    """Read a network, or a single address, from its text."""
    return ip_network(value) if isinstance(value, str) else value


def words(value: Any) -> Any:
    """Read a command: its words, or one text that is taken apart as a shell would."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"can't be taken apart: {error}".lower()) from None
    if isinstance(value, list | tuple) and any("\0" in str(word) for word in value):
        raise ValueError("a word of a command can't hold a NUL")
    return value


def hook_name(value: str) -> str:
    """Refuse what paths of the API and labels of metrics can't hold as it is."""
    if not HOOK_NAME.fullmatch(value):
        raise ValueError("consists of letters, digits, `_` and `-`, 64 at most")
    return value


Number = BeforeValidator(number)
Seconds = Annotated[float, Number, Field(gt=0, le=86_400, allow_inf_nan=False)]
NoneOrSeconds = Annotated[float, Number, Field(ge=0, le=86_400, allow_inf_nan=False)]
Amount = Annotated[float, Number, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Number, Field(ge=1)]
Bytes = Annotated[int, Number, Field(ge=1_048_576)]
Line = Annotated[str, AfterValidator(line)]
Bind = Annotated[Address, BeforeValidator(address), PlainSerializer(str)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]
Command = Annotated[tuple[str, ...], BeforeValidator(words)]


class Section(BaseModel):
    """Base of every table: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(Section):
    """``[server]``."""

    media_roots: tuple[str, ...] = (".",)
    """Directories that ``file:`` inputs must lie below."""
    shutdown_s: Seconds = 10.0
    """How long a shutdown may take before what is left is dropped."""


class LogConfig(Section):
    """``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"
    """``auto`` = text on a terminal, JSON elsewhere."""


class TokenConfig(Section):
    """One entry of ``api.tokens``."""

    name: Annotated[str, Field(min_length=1)]
    value: Secret
    scope: Literal["control", "read"] = "read"


class ApiConfig(Section):
    """``[api]``."""

    address: Bind = Address("127.0.0.1", 9997)
    tokens: tuple[TokenConfig, ...] = ()


class HttpConfig(Section):
    """``[http]``."""

    address: Bind = Address("", 8888)
    cors: tuple[str, ...] = ("*",)
    """Origins whose pages may read media; ``*`` = any."""
    trusted_proxies: tuple[Network, ...] = ()
    """Reverse proxies whose ``X-Forwarded-For`` tells who the client is."""
    tls_cert: Path | None = None
    """Certificate chain in PEM; with it and the key the port speaks HTTPS only."""
    tls_key: Path | None = None
    """Private key in PEM, without a password."""

    @model_validator(mode="after")
    def in_pairs(self) -> Self:
        """A certificate is of no use without its key."""
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_cert"
            raise ValueError(f"`{missing}` is missing: a certificate and its key belong together")
        return self


class LimitsConfig(Section):
    """``[limits]``."""

    memory_bytes: Bytes = 2_684_354_560
    """Media that all streams together may hold."""
    stream_memory_bytes: Bytes = 209_715_200
    """Media that one stream may hold."""
    sessions: Count = 10_000
    sessions_per_ip: Count = 200
    runtime_streams: Annotated[int, Number, Field(ge=0)] = 100
    """Streams that came to be under prefixes of templates, at the same time."""
    guesses_per_ip: Count = 30
    """Different wrong logins a minute, after which an address can't log in for the rest of it."""
    handshake_s: Seconds = 10.0
    """Deadline of a peer's handshake."""


class ListenerConfig(Section):
    """``[listeners.<kind>]``."""

    address: Bind
    options: SerializeAsAny[InstanceOf[BaseModel]]
    """The plugin's ``ListenerOptions``."""


class PublishKeys(Section):
    """The keys of a ``publish:`` input."""

    key: LoginSecret | None = None
    """Who knows it may publish to this input, and to no other one."""
    override: bool = False
    """A publisher takes the place of another one, where none is free."""


class InputConfig(Section):
    """One input of a stream."""

    url: InstanceOf[StreamURL]
    options: SerializeAsAny[InstanceOf[BaseModel]]
    """The plugin's ``InputOptions``, or :class:`PublishKeys`."""
    role: Literal["input", "slate"] = "input"
    """A slate is shown when there is nothing else."""

    @property
    def publish(self) -> bool:
        """Whether a publisher comes to it."""
        return self.url.kind == PUBLISH

    @property
    def slate(self) -> bool:
        """Whether it is shown only when there is nothing else."""
        return self.role == "slate"


class DegradeConfig(Section):
    """``degrade``: beyond what an input that still delivers counts as degraded; 0 = never."""

    no_frames_s: NoneOrSeconds = 0.0
    """Time without a picture while other bytes flow."""
    min_kbps: Amount = 0.0
    max_loss_pct: Annotated[float, Number, Field(ge=0, lt=100)] = 0.0
    no_keyframe_s: NoneOrSeconds = 0.0


class PushKeys(Section):
    """The keys of a ``[[streams.<code>.push]]`` that are the same for every protocol."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What status and metrics call the destination."""
    retry_s: Seconds = 5.0
    """Pause before the second attempt; it doubles from one failure to the next, up to a minute."""
    retries: Annotated[int, Number, Field(ge=0)] = 0
    """Attempts after the first in a row without success; 0 = for ever."""
    hold: bool = True
    """Stay connected while the stream is off air, so that the destination sees one broadcast."""


class PushConfig(PushKeys):
    """One destination of a stream."""

    url: InstanceOf[StreamURL]
    """Its path, query and fragment may hold a stream key."""
    options: SerializeAsAny[InstanceOf[BaseModel]]
    """The plugin's ``PushOptions``."""


class UserConfig(Section):
    """One entry of a stream's ``users``."""

    name: Annotated[Line, Field(min_length=1, max_length=64)]
    password: LoginSecret
    publish: bool = False
    read: bool = False

    @model_validator(mode="after")
    def may_something(self) -> Self:
        """A user who may do nothing is a mistake."""
        if not (self.publish or self.read):
            raise ValueError("write what the user may do: `publish = true` or `read = true`")
        return self

    def may(self, action: Action) -> bool:
        """Whether this is a login for ``action``."""
        return self.publish if action is Action.PUBLISH else self.read


class StreamKeys(Section):
    """The keys of a stream that are the same for every protocol."""

    title: Line = ""
    publish_key: LoginSecret | None = None
    """What a publisher must present; without it and users who publish, anybody may."""
    read_key: LoginSecret | None = None
    """What a viewer must present; without it and users who read, anybody may."""
    users: tuple[UserConfig, ...] = ()
    """Who may publish or watch by name and password, beside those who know the key."""
    publish_from: tuple[Network, ...] = ()
    """Networks that may publish; empty = any."""
    read_from: tuple[Network, ...] = ()
    """Networks that may watch; empty = any."""
    packet_timeout_s: Seconds = 5.0
    """Silence after which an input counts as failed."""
    standby: Literal["cold", "hot"] = "cold"
    """Whether the next input, and the slate, stay connected while another one is on air."""
    probe_after_s: Seconds = 8.0
    """How long an input that failed is left alone while another one is on air."""
    failback_after_s: Seconds = 12.0
    """How long a better input has to be sound before it takes over."""
    degrade: DegradeConfig = DegradeConfig()
    slate: Line = ""
    """URL of what is shown when no input delivers, such as ``file:slate.mp4``."""
    slate_after_s: NoneOrSeconds = 1.0
    """How long nothing is on air before the slate is."""
    slow_viewer_timeout_s: Seconds = 20.0
    """How long a viewer may keep falling behind before it is closed."""
    buffer_s: Annotated[float, Number, Field(ge=1, le=600, allow_inf_nan=False)] = 10.0
    """Media time that the stream's lanes hold."""
    buffer_bytes: Bytes = 209_715_200
    merge_ms: Annotated[int, Number, Field(ge=0, le=1000)] = 0
    """Send to viewers at most this often, at the price of as much delay."""
    max_viewers: Annotated[int, Number, Field(ge=0)] = 0
    """Viewers at the same time, over all protocols; 0 = any number."""
    outputs: tuple[str, ...] | None = None
    """Kinds that viewers may use; None = all that are installed."""
    on_demand: bool = False
    """Pulled inputs are connected to only while somebody watches, or a push wants the stream."""
    close_after_s: NoneOrSeconds = 10.0
    """How long they stay connected once nobody does."""
    on_publish: Command = ()
    """Runs when a publisher was let in; these five are short for a hook with a command."""
    on_unpublish: Command = ()
    """Runs when a publisher has left."""
    on_play: Command = ()
    """Runs when a viewer was let in."""
    on_play_end: Command = ()
    """Runs when a viewer has left."""
    on_down: Command = ()
    """Runs when the stream has gone off air."""
    template: str = ""
    """The template whose keys the stream has."""
    disabled: bool = False


class StreamConfig(StreamKeys):
    """``[streams.<code>]``, merged with ``[defaults]``."""

    code: str
    inputs: tuple[InputConfig, ...]
    """In order of priority; never empty."""
    outputs_options: Mapping[str, SerializeAsAny[InstanceOf[BaseModel]]] = {}
    """The plugins' ``OutputOptions`` by kind, as far as the file names them."""
    push: tuple[PushConfig, ...] = ()
    """Destinations that the stream is sent to."""
    runtime: bool = False
    """It came to be under the prefix of its template, and is in no file."""

    def serves(self, kind: str) -> bool:
        """Whether viewers may use this kind."""
        return self.outputs is None or kind in self.outputs

    def output_options(self, plugin: ProtocolPlugin) -> BaseModel:
        """The options of one output, the plugin's defaults if the file says nothing."""
        return self.outputs_options.get(plugin.kind) or plugin.OutputOptions()


class HookKeys(Section):
    """The keys of ``[[hooks]]`` that are the same for every kind."""

    name: Annotated[str, AfterValidator(hook_name)]
    """What the API, metrics and the log call the hook."""
    events: tuple[str, ...] = ()
    """Types such as ``input.failed``, or patterns such as ``input.*``; empty = all."""
    streams: tuple[str, ...] = ()
    """Codes, or patterns such as ``region/*``; empty = all, and what concerns no stream."""
    except_streams: tuple[str, ...] = ()
    """Codes or patterns of streams whose events are left out."""
    where: Mapping[str, str] = {}
    """What keys of the payload must be."""

    @model_validator(mode="after")
    def one_choice(self) -> Self:
        """Both choices of streams at once would contradict each other."""
        if self.streams and self.except_streams:
            raise ValueError("`streams` and `except_streams` exclude each other: write one")
        return self


class WebhookConfig(HookKeys):
    """A hook with ``url``: a POST of a JSON array to an HTTP server."""

    url: Secret
    """The path and the query may hold a key."""
    secret: Secret | None = None
    """Signs the body: ``X-Streamctl-Signature`` is its HMAC-SHA256 under this key."""
    batch_s: NoneOrSeconds = 0.0
    """How long events are gathered before they are sent, at most 100 at a time."""
    timeout_s: Seconds = 10.0
    """How long one delivery may take."""
    tls_ca: Path | None = None
    """Certificates in PEM to trust beside those of the system."""


class EventFileConfig(HookKeys):
    """A hook with ``file``: a line of JSON per event at the end of a file."""

    file: Annotated[Line, Field(min_length=1)]


class CommandConfig(HookKeys):
    """A hook with ``command``: a program that is run for each event, without a shell."""

    command: Command
    environment: Mapping[str, Secret] = {}
    """Further variables of the program."""
    during: Literal["", "publish", "play", "on_air"] = ""
    """Runs from the begin of something to its end, when it is told to terminate."""
    max_runs: Annotated[int, Number, Field(ge=1, le=1000)] = 8
    """Programs at the same time; further events wait."""
    timeout_s: Seconds = 30.0
    """How long one run may take."""

    @model_validator(mode="after")
    def runnable(self) -> Self:
        """A command has a program, and variables have names that it can read."""
        if not self.command or not self.command[0]:
            raise ValueError("`command` names no program")
        for name in self.environment:
            if not VARIABLE.fullmatch(name):
                raise ValueError(f"`environment` has a name that no variable has: `{name}`")
        return self

    @model_validator(mode="after")
    def one_begin(self) -> Self:
        """What it runs during says which events it begins and ends with."""
        if self.during and (self.events or self.where):
            raise ValueError("`during` chooses the events: leave out `events` and `where`")
        return self


HookConfig = WebhookConfig | EventFileConfig | CommandConfig


class Config(Section):
    """The whole file."""

    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()
    api: ApiConfig = ApiConfig()
    http: HttpConfig = HttpConfig()
    listeners: Mapping[str, ListenerConfig] = {}
    limits: LimitsConfig = LimitsConfig()
    hooks: tuple[InstanceOf[HookKeys], ...] = ()
    """Who is told what happens."""
    defaults: Annotated[Mapping[str, Any], Field(repr=False, exclude=True)] = {}
    """``[defaults]`` as written: streams that are added later are merged with it again."""
    templates: Annotated[Mapping[str, InstanceOf[Template]], Field(repr=False, exclude=True)] = {}
    """By name, as written."""
    streams: Mapping[str, StreamConfig] = {}
