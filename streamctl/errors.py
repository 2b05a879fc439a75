"""The exception tree of streamctl, with the exit code of each branch.

::

    StreamctlError                 message + optional hint          exit 1
    ├── ConfigError                file, key, line                  exit 2
    │   └── ConfigErrors           all of them at once              exit 2
    ├── Unsupported                asked for something no part has  exit 2
    │   ├── UnknownScheme          no installed plugin has the kind exit 2
    │   └── MissingLibrary         the system lacks a library       exit 2
    ├── ConnectionFailed           refused, timeout, TLS, auth      exit 3
    ├── ProtocolError                                               exit 4
    │   ├── RemoteProtocolError    the peer broke the spec          exit 4
    │   └── LocalProtocolError     we did: a bug                    exit 4
    ├── MediaError                 unreadable or unsupported media  exit 5
    │   └── NotCarried             an output can't carry the codec  exit 5
    ├── NotFound                   no stream or session of the name exit 1
    ├── NotReady                   nothing to join yet              exit 1
    ├── Conflict                   somebody else changed it since   exit 1
    └── StaleEpoch                 a revoked writer tried to write  exit 1

Messages are lower-case, without a final period, values after a colon in backticks.
``permanent`` tells a reconnect loop that trying again can't help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class StreamctlError(Exception):
    """Base of every error that streamctl raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", permanent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.permanent = permanent


class ConfigError(StreamctlError):
    """A configuration or usage error, with the place where it stands."""

    exit_code: ClassVar[int] = 2

    def __init__(
        self, message: str, *, hint: str = "", file: str = "", key: str = "", line: int = 0
    ) -> None:
        super().__init__(message, hint=hint, permanent=True)
        self.file = file
        self.key = key
        self.line = line

    def __str__(self) -> str:
        line = f"{':' if self.file else 'line '}{self.line}" if self.line else ""
        place = f"{self.file}{line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigErrors(ConfigError):
    """Everything that is wrong with a configuration, found in one pass."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(
            first.message, hint=first.hint, file=first.file, key=first.key, line=first.line
        )

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class Unsupported(StreamctlError):
    """A plugin, codec or format was asked for something that it can't do."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, permanent=True)


class UnknownScheme(Unsupported):
    """No installed plugin serves the kind of a URL."""


class MissingLibrary(Unsupported):
    """A plugin needs a library of the system that is not installed, or too old; the hint helps."""


class ConnectionFailed(StreamctlError):
    """A peer could not be reached, refused us or went away."""

    exit_code: ClassVar[int] = 3


class ProtocolError(StreamctlError):
    """Base of violations of a wire format."""

    exit_code: ClassVar[int] = 4


class RemoteProtocolError(ProtocolError):
    """The peer broke the specification; ``reply`` holds bytes to send before closing."""

    def __init__(self, message: str, *, hint: str = "", reply: bytes = b"") -> None:
        super().__init__(message, hint=hint)
        self.reply = reply


class LocalProtocolError(ProtocolError):
    """Our own code tried to do what the specification forbids: a bug."""


class MediaError(StreamctlError):
    """Media that can't be read, or that an output can't carry."""

    exit_code: ClassVar[int] = 5


class NotCarried(MediaError):
    """An output can't carry what a viewer came for; the message names the outputs that can."""


class NotFound(StreamctlError):
    """No stream, session or plugin has the name that was asked for."""


class NotReady(StreamctlError):
    """A lane holds no random-access point yet, so nobody can join it."""


class Conflict(StreamctlError):
    """What was to be changed is not any more as whoever asked has seen it."""


class StaleEpoch(StreamctlError):
    """A writer whose epoch has ended tried to write."""
