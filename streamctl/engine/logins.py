"""Judges logins: by the key of a stream, or by its users.

An action is free unless the stream has a key for it, or users who may do it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streamctl.config.model import PublishKeys
from streamctl.sdk.secret import alike, fits, is_hashed
from streamctl.sdk.session import Action, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Hashable

    from streamctl.config.model import StreamConfig
    from streamctl.sdk.session import Request


def guarded(config: StreamConfig, action: Action) -> bool:
    """Whether an action needs a login."""
    keyed = action is Action.PUBLISH and bool(slot_keys(config))
    return keyed or key_of(config, action) is not None or any(u.may(action) for u in config.users)


def slot_keys(config: StreamConfig) -> list[str]:
    """The keys of single inputs for publishers."""
    options = [entry.options for entry in config.inputs if entry.publish]
    keys = [one.key for one in options if isinstance(one, PublishKeys)]
    return [key.get_secret_value() for key in keys if key is not None]


def login(config: StreamConfig, request: Request) -> Refusal | None:
    """Whether a stream's configuration refuses a login, or the lack of one."""
    action = request.action
    key = key_of(config, action)
    users = [user for user in config.users if user.may(action)]
    if key is None and not users:
        return None
    right = False if key is None else knows_key(key, request)
    if action is Action.PUBLISH:
        for own in slot_keys(config):
            right |= knows_key(own, request)
    for user in users:
        # All are compared, so that the time does not tell whose name it is.
        right |= knows_password(user.name, user.password.get_secret_value(), request)
    if right:
        return None
    known = [user.password.get_secret_value() for user in users]
    plain = any(map(is_hashed, known if key is None else [key, *known]))
    wanted = "login" if users else "key"
    if request.logs_in:
        message = f"wrong {wanted} for {action}"
        return Refusal(RefusalCode.UNAUTHORIZED, message, guessed=True, plain=plain)
    return Refusal(RefusalCode.UNAUTHORIZED, f"missing {wanted} for {action}", plain=plain)


def key_of(config: StreamConfig, action: Action) -> str | None:
    """The key for an action."""
    secret = config.publish_key if action is Action.PUBLISH else config.read_key
    return None if secret is None else secret.get_secret_value()


def knows_key(key: str, request: Request) -> bool:
    """Whether a peer gave the key, in whatever place its program has for such things."""
    said = [fits(key, given) for given in (request.key, request.password, request.user)]
    return any(said) or proven(key, request)


def knows_password(name: str, password: str, request: Request) -> bool:
    """Whether a peer is this user."""
    known = fits(password, request.password) | proven(password, request)
    return alike(name, request.user) & known


def proven(secret: str, request: Request) -> bool:
    """Whether a peer knows a secret that it did not say."""
    return request.proof is not None and not is_hashed(secret) and request.proof(secret)


def guess_of(request: Request) -> Hashable:
    """What tells a wrong login from another; a proof looks different every time."""
    proof = None if request.proof is None else secrets.randbits(62)
    return request.path, request.key, request.user, request.password, proof
