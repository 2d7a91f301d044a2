"""Settings: the environment, read once by the processes and frozen."""

import ipaddress
import os
import re
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.invalid_values import InvalidValueError
from app.vault import BadVaultKeysError, vault_keys
from app.wire.addresses import normal_address
from app.wire.instants import Clock, StillClock, instant, now_in_utc


class SettingsError(Exception):
    """One line that tells which variable is wrong and why."""


def asyncpg_url(url: str) -> str:
    """Any PostgreSQL URL as SQLAlchemy wants it for asyncpg."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("must begin with postgresql://")
    with_asyncpg = f"postgresql+asyncpg://{rest}"
    try:
        make_url(with_asyncpg)
    except (ArgumentError, ValueError):
        raise ValueError("must be postgresql://user:password@host:port/database") from None
    return with_asyncpg


SHORTEST_ADMIN_KEY = 24
DNS_PORT, HIGHEST_PORT = 53, 65_535


def address_and_port(server: str) -> tuple[str, int]:
    """The parts of `127.0.0.1:53` or `[::1]:53`."""
    host, _, port = server.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError("must be an address and a port, such as 127.0.0.1:53") from None
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT):
        raise ValueError("must be an address and a port, such as 127.0.0.1:53")
    return str(address), int(port)


class Settings(BaseSettings):
    """The settings; each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="a port for metrics and health, of the worker too; without it the API serves its metrics itself",
    )
    admin_key: SecretStr | None = Field(None, description="the operator's key; without it no account can be created")
    data_dir: Path = Field(Path("var"), description="where the embedded PostgreSQL keeps its data")
    database_url: SecretStr | None = Field(None, description="any PostgreSQL >= 16; without it one is embedded")
    read_database_url: SecretStr | None = Field(
        None, description="a role that cannot write, or a replica; without it reads set their session read-only"
    )
    pool_size: int = Field(10, ge=1, le=200, description="database connections for reads, and as many for writes")
    pool_wait_seconds: float = Field(0.5, gt=0, le=60)
    worker: bool = Field(default=True, description="run the background work in the serving process too")
    demo: bool = Field(default=True, description="begin a new DATA_DIR with the demo: an account with two stores")
    public_url: str | None = Field(None, description="the public address of this service, used in unsubscribe links")
    mail_url: SecretStr | None = Field(
        None, description="how e-mail is sent; without it mails become files in DATA_DIR/mail"
    )
    mail_webhook_secret: SecretStr | None = Field(
        None, description="the secret that the mail provider signs its feedback with; without it feedback is refused"
    )
    mail_rate_per_second: float = Field(
        100, gt=0, le=10_000, description="mails that an account may send a second; a burst may have five times as many"
    )
    mail_concurrency: int = Field(20, ge=1, le=500, description="mails that a worker sends at the same time")
    mail_lease_seconds: float = Field(
        60, ge=1, le=3600, description="seconds after which another worker takes over the mails of a crashed one"
    )
    mail_daily_marketing: int = Field(
        200_000, ge=0, description="marketing messages that an account may queue on a day of UTC; 0 is no limit"
    )
    mail_daily_transactional: int = Field(
        50_000, ge=0, description="transactional messages that an account may queue on a day of UTC; 0 is no limit"
    )
    operator_email: str | None = Field(
        None, description="who is told by mail that a customer asks for their data; without it only the log tells it"
    )
    sender_domains: Literal["verified", "any"] = Field(
        "verified", description="whether an account may send only from domains that it has verified"
    )
    dns_resolver: str | None = Field(
        None, description="the DNS server that is asked for TXT records, ADDRESS:PORT; without it those of the machine"
    )
    rate_limit_requests: int = Field(
        600, ge=0, description="requests that an API key may make in a minute, over all processes; 0 is no limit"
    )
    rate_limit_sends: int = Field(
        120, ge=0, description="messages, batches and previews that an API key may post in a minute; 0 is no limit"
    )
    rate_limit_expensive_reads: int = Field(
        120, ge=0, description="files, exports and boards of your own dates that an API key may ask for in a minute"
    )
    rate_limit_tokens: int = Field(
        120, ge=0, description="requests that a browser token may make in a minute, at most; 0 is no limit"
    )
    allow_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="names, addresses and networks, separated by commas, that stores may have though not public"
    )
    encryption_keys: SecretStr | None = Field(
        None,
        description="keys of 32 bytes in base64, separated by commas, that encrypt secrets and webhooks of stores;"
        " the first encrypts, all decrypt; without it one is made in DATA_DIR",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    clock: datetime | None = Field(
        None, description="for tests of clients: the service's clock stands still at this time, RFC 3339"
    )

    @property
    def service_clock(self) -> Clock:
        """The clock of a process; that of a test stands still."""
        return now_in_utc if self.clock is None else StillClock(self.clock)

    @field_validator("clock", mode="before")
    @classmethod
    def _instant(cls, text: object) -> object:
        try:
            return instant(text) if isinstance(text, str) else text
        except InvalidValueError as error:
            raise ValueError(f"{error.sentence}") from None

    @field_validator("database_url", "read_database_url")
    @classmethod
    def _with_asyncpg(cls, url: SecretStr | None) -> SecretStr | None:
        return SecretStr(asyncpg_url(url.get_secret_value())) if url else None

    @field_validator("public_url")
    @classmethod
    def _of_the_web(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
            raise ValueError("must be http:// or https:// and a host")
        return url.rstrip("/")

    @field_validator("dns_resolver")
    @classmethod
    def _address_and_port(cls, server: str | None) -> str | None:
        if server is not None:
            address_and_port(server)
        return server

    @property
    def dns_server(self) -> tuple[str | None, int]:
        """Address and port of the DNS server; no address where the machine's are asked."""
        return (None, DNS_PORT) if self.dns_resolver is None else address_and_port(self.dns_resolver)

    @field_validator("admin_key")
    @classmethod
    def _hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < SHORTEST_ADMIN_KEY:
            raise ValueError(f"must have at least {SHORTEST_ADMIN_KEY} characters; `openssl rand -hex 32` makes one")
        return key

    @field_validator("operator_email")
    @classmethod
    def _of_a_mailbox(cls, address: str | None) -> str | None:
        return normal_address(address) if address else None

    @field_validator("encryption_keys")
    @classmethod
    def _of_32_bytes(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            try:
                vault_keys(keys.get_secret_value())
            except BadVaultKeysError:
                raise ValueError("must be keys as `openssl rand -base64 32` makes them, separated by commas") from None
        return keys

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^\s/?#@*]+", origin):
                raise ValueError("must be origins such as https://shop.example, separated by commas")
        return origins

    @field_validator("cors_origins", "allow_private_hosts", mode="before")
    @classmethod
    def _separated_by_commas(cls, origins: object) -> object:
        return tuple(filter(None, map(str.strip, origins.split(",")))) if isinstance(origins, str) else origins


OURS = (
    "MAIL_",
    "OPERATOR_",
    "SENDER_",
    "DNS_RESOLVER",
    "RATE_LIMIT_",
    "POOL_",
    "METRICS_",
    "CORS_",
    "ENCRYPTION_",
    "ALLOW_PRIVATE_",
    "ADMIN_KEY",
    "CLOCK",
    "DATABASE_URL",
    "READ_DATABASE_",
)
"""How our variables begin, where no other program's are likely to."""


def refuse_misspelt(environment: Iterable[str]) -> None:
    """SettingsError for a variable that nobody reads but that is meant for us."""
    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(environment):
        if name not in known and name.startswith(OURS):
            nearest = get_close_matches(name, known, n=1, cutoff=0)[0]
            raise SettingsError(f"{name}: there is no such setting; did you mean {nearest}?")


def read_settings() -> Settings:
    """The settings of this process; SettingsError names the first variable that is wrong, never its value."""
    refuse_misspelt(os.environ)
    try:
        return Settings()
    except ValidationError as invalid:
        error = invalid.errors(include_input=False, include_url=False)[0]
        variable = str(error["loc"][0]).upper() if error["loc"] else "the environment"
        raise SettingsError(f"{variable}: {error['msg'].removeprefix('Value error, ')}") from None
