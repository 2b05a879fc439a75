"""Answers to requests, and why some are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.sdk.session import RefusalCode
from streamctl_rtsp.wire.message import Headers, Response, Status

if TYPE_CHECKING:
    from streamctl.sdk.session import Refusal

STATUS = {
    RefusalCode.BAD_REQUEST: Status.BAD_REQUEST,
    RefusalCode.NOT_FOUND: Status.NOT_FOUND,
    RefusalCode.UNAUTHORIZED: Status.UNAUTHORIZED,
    RefusalCode.FORBIDDEN: Status.FORBIDDEN,
    RefusalCode.BUSY: Status.FORBIDDEN,
    RefusalCode.LIMIT: Status.NOT_ENOUGH_BANDWIDTH,
    RefusalCode.DISABLED: Status.NOT_FOUND,
    RefusalCode.UNSUPPORTED: Status.NOT_ACCEPTABLE,
    RefusalCode.SHUTDOWN: Status.SERVICE_UNAVAILABLE,
}
"""What the gate's refusals are called here."""
MAX_REASON = 200
"""Clients print the reason on one line."""


class Declined(StreamctlError):
    """A request can't be fulfilled; the connection goes on."""

    def __init__(self, status: Status, message: str = "", *fields: tuple[str, str]) -> None:
        super().__init__(message or status.reason)
        self.status = status
        self.fields = fields

    @property
    def response(self) -> Response:
        """The answer that says so; people read its reason."""
        return Response(
            self.status,
            Headers(self.fields),
            reason=f"{self.status.reason}: {self.message}"[:MAX_REASON]
            if self.message != self.status.reason
            else "",
        )


def ok(*fields: tuple[str, str], body: bytes = b"") -> Response:
    """A good answer."""
    return Response(Status.OK, Headers(fields), body)


def declined(refusal: Refusal) -> Declined:
    """The error of what the gate refuses."""
    return Declined(STATUS[refusal.code], refusal.message)
