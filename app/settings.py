"""Settings: the environment, read once by the processes and frozen."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


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


class Settings(BaseSettings):
    """The settings; each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    admin_key: SecretStr | None = Field(None, description="the operator's key; without it no account can be created")
    data_dir: Path = Field(Path("var"), description="where the embedded PostgreSQL keeps its data")
    database_url: SecretStr | None = Field(None, description="any PostgreSQL >= 16; without it one is embedded")
    read_database_url: SecretStr | None = Field(
        None, description="a role that cannot write, or a replica; without it reads set their session read-only"
    )
    pool_size: int = Field(10, ge=1, le=200, description="database connections for reads, and as many for writes")
    pool_wait_seconds: float = Field(0.5, gt=0, le=60)
    worker: bool = Field(default=True, description="run the background work in the serving process too")
    demo: bool = Field(default=True, description="fill an empty embedded database with a demo store")
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
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

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

    @field_validator("admin_key")
    @classmethod
    def _hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < SHORTEST_ADMIN_KEY:
            raise ValueError(f"must have at least {SHORTEST_ADMIN_KEY} characters; `openssl rand -hex 32` makes one")
        return key

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^\s/?#@*]+", origin):
                raise ValueError("must be origins such as https://shop.example, separated by commas")
        return origins

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _separated_by_commas(cls, origins: object) -> object:
        return tuple(filter(None, map(str.strip, origins.split(",")))) if isinstance(origins, str) else origins


def read_settings() -> Settings:
    """The settings of this process; SettingsError names the first variable that is wrong, never its value."""
    try:
        return Settings()
    except ValidationError as invalid:
        error = invalid.errors(include_input=False, include_url=False)[0]
        variable = str(error["loc"][0]).upper() if error["loc"] else "the environment"
        raise SettingsError(f"{variable}: {error['msg'].removeprefix('Value error, ')}") from None
