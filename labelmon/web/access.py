"""TLS and basic auth in the exporter-toolkit's web.config format, the part of it that labelmon serves."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import yaml

from labelmon.errors import ConfigError, Problem

_KNOWN = {"tls_server_config": {"cert_file", "key_file"}, "basic_auth_users": None}
_Scope = MutableMapping[str, Any]
_App = Callable[[_Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """Certificate and key ('' for plain HTTP) and users with their bcrypt hashes (none: open)."""

    cert_file: str = ""
    key_file: str = ""
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def load_web_config(path: Path) -> WebConfig:  # noqa: C901  one check after the other
    """The web.config file at `path`.

    Raises
    ------
    ConfigError : for unknown keys, missing files and hashes that are none.
    """
    problems: list[Problem] = []

    def problem(key: str, message: str, hint: str = "") -> None:
        problems.append(Problem(file=str(path), line=1, key=key, message=message, hint=hint))

    try:
        said = yaml.safe_load(path.read_text())
    except OSError as error:
        said = {}
        problem("web.config.file", f"cannot be read ({error.strerror})")
    except yaml.YAMLError:
        said = {}
        problem("web.config.file", "is not valid YAML")
    if not isinstance(said, dict):
        said = {}
        problem("web.config.file", "need a mapping")
    for key in said:
        if key not in _KNOWN:
            problem(str(key), "unknown key", f"known keys: {', '.join(_KNOWN)}")
    tls = said.get("tls_server_config") or {}
    files = {}
    for key in ("cert_file", "key_file") if tls else ():
        files[key] = str(path.parent / str(tls.get(key, "")))
        if not Path(files[key]).is_file():
            problem(f"tls_server_config.{key}", "need a readable file")
    users = {}
    for name, hashed in (said.get("basic_auth_users") or {}).items():
        users[str(name)] = str(hashed).encode()
        if not str(hashed).startswith(("$2a$", "$2b$", "$2y$")):
            problem(f"basic_auth_users.{name}", "need a bcrypt hash", "make one with: htpasswd -nBC 10 ''")
    if problems:
        raise ConfigError(problems)
    return WebConfig(cert_file=files.get("cert_file", ""), key_file=files.get("key_file", ""), users=users)


class BasicAuth:
    """ASGI middleware: 401 unless the request carries a known user and password."""

    def __init__(self, app: _App, users: Mapping[str, bytes]) -> None:
        self._app, self._users = app, users
        self._salt = secrets.token_bytes(16)
        self._passed: set[bytes] = set()  # bcrypt is slow on purpose; what passed once passes quickly

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self._allowed(dict(scope["headers"]).get(b"authorization", b"")):
            await self._app(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Basic"), (b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"Unauthorized\n"})

    def _allowed(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        fingerprint = hashlib.sha256(self._salt + token).digest()
        if fingerprint in self._passed:
            return True
        try:
            name, _, password = base64.b64decode(token, validate=True).partition(b":")
            hashed = self._users.get(name.decode())
        except (binascii.Error, UnicodeDecodeError):
            return False
        # An unknown user costs as much time as a wrong password.
        known = hashed or b"$2b$10$" + b"." * 53
        right = bcrypt.checkpw(password[:72], known) and hashed is not None
        if right:
            self._passed.add(fingerprint)
        return right
