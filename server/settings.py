"""Every setting of the server, declared once: flag, environment variable, key in the file, default and meaning.

`max_queue_wait` is the flag --max-queue-wait, the variable VITSCOPE_MAX_QUEUE_WAIT and the key max_queue_wait in the
TOML file that --config or VITSCOPE_CONFIG names. Flags win over the environment, the environment over the file.
"""

import json
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliImplicitFlag,
    CliPositionalArg,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from vitscope.help import Help
from vitscope.server.engines.ladder import ENGINES, PRECISIONS

# Type checkers need literals; the ladder alone knows which.
if TYPE_CHECKING:
    EngineName = str
    PrecisionName = str
else:
    EngineName = Literal["auto", *ENGINES]
    PrecisionName = Literal["auto", *PRECISIONS]


def _admin_address(value: str) -> str:
    """Return the address if it can be listened on. Port 0 takes a free one. Raises ValueError."""
    host, _, port = value.rpartition(":")
    if value.startswith("unix:/") or (host and port.isascii() and port.isdigit() and int(port) <= 65535):
        return value
    raise ValueError("accepted: host:port (port 0 to 65535), such as 127.0.0.1:8502, or unix:/path/of/a/socket")


def _origins(value: str) -> str:
    """Return the origins, if that is what they are. Raises ValueError."""
    for origin in filter(None, (part.strip() for part in value.split(","))):
        if origin != "*" and not re.fullmatch(r"https?://[^\s/,?#@]+", origin):
            raise ValueError("accepted: origins such as https://example.org:8443, without a path, or *")
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
Origins = Annotated[str, AfterValidator(_origins)]
AdminAddress = Annotated[str, AfterValidator(_admin_address)]
PREFIX = "VITSCOPE_"
# Variables with the prefix that the client's commands read.
_OF_CLIENTS = {"VITSCOPE_SERVER", "VITSCOPE_ADMIN_SERVER"}


class SettingsInvalid(Exception):
    """Some settings cannot be used; the message has one line for each."""


class _ConfigFile(PydanticBaseSettingsSource):
    """The TOML file that `config` names in the sources before this one: flags and environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("the file is read as a whole")

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config")
        if not path:
            return {}
        if not Path(path).is_file():
            raise SettingsInvalid(f"config: {path} is not a file")
        try:
            return TomlConfigSettingsSource(self.settings_cls, Path(path))()
        except ValueError as error:
            raise SettingsInvalid(f"config: {path}: {error}") from error


class Settings(BaseSettings):
    """Serve every bundle in a models folder over gRPC, with metrics and health over HTTP."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        cli_prog_name="vitscope serve",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        allow_inf_nan=False,
    )

    models: CliPositionalArg[Path] = Field(Path("models"), description="folder of bundles: <models>/<name>/<version>/")
    config: Path | None = Field(None, description="TOML file with any of these settings")

    watch_seconds: float = Field(
        5,
        ge=0,
        le=86_400,
        description="look so often for new, changed and removed bundles in the models folder; 0 never does",
    )
    keep_versions: int = Field(
        0, ge=0, le=1000, description="serve the newest so many versions of each model; 0, the default, serves all"
    )

    host: str = Field("0.0.0.0", description="address that both ports listen on")
    grpc_port: Port = Field(8500, description="gRPC port; 0 takes a free one, the log says which")
    http_port: Port = Field(8501, description="port of the JSON API, /metrics and /healthz; 0 takes a free one")
    http_api: CliImplicitFlag[bool] = Field(
        True, description="serve the JSON API at /api; without it the HTTP port has /metrics and /healthz only"
    )
    explorer: CliImplicitFlag[bool] = Field(
        True, description="serve the attention explorer, a page at / that uses the JSON API"
    )
    metrics_port: Port | None = Field(
        None, description="port of /metrics and /healthz alone, which are then not on the HTTP port; 0 takes a free one"
    )
    http_origins: Origins = Field(
        "",
        description="origins of web pages that may use the JSON API from a browser, with commas between them, such as "
        "https://example.org; * for all. By default only pages of this server may",
    )
    max_http_connections: int = Field(
        512, ge=8, le=65_536, description="HTTP connections open at a time; a new one then closes an idle one"
    )

    admin_address: AdminAddress | None = Field(
        None,
        description="host:port or unix:/path of the admin service, which loads and unloads models; off without. "
        "Whoever reaches it may use it",
    )

    engine: EngineName = Field("auto", description="auto takes the best that works here")
    precision: PrecisionName = Field("auto", description="auto takes the fastest that processor and certificate allow")
    allow_uncertified: CliImplicitFlag[bool] = Field(
        False, description="serve a precision, or scaled pixels, that the bundle's certificate does not cover"
    )
    engine_cache: Path | None = Field(
        None,
        description="folder for what was measured and compiled; default: in the bundle, or the user's cache folder",
    )
    threads: int = Field(0, ge=0, le=1024, description="engine threads; 0 takes the CPU quota of this process")
    decode_threads: int = Field(0, ge=0, le=1024, description="image decoding threads; 0 takes the CPU quota")

    max_batch: int = Field(16, ge=1, le=1024, description="largest batch; the best size up to it is measured at start")
    max_batch_wait_ms: float = Field(
        0, ge=0, le=60_000, description="hold an idle engine this long for a fuller batch; 0, the default, never waits"
    )
    max_queue_wait: float = Field(1.0, gt=0, le=3600, description="seconds; a longer predicted wait is refused at once")
    max_in_flight: int = Field(
        1024, ge=1, description="requests admitted and not yet answered; a caller may have as many as are left free"
    )
    max_in_flight_mib: int = Field(512, ge=1, description="bytes of their messages; more are refused")
    max_receive_seconds: float = Field(
        30, gt=0, le=3600, description="a call whose message takes longer to arrive is ended"
    )
    max_connection_seconds: float = Field(
        60,
        ge=0,
        le=86_400,
        description="ask clients so often, give or take a tenth, to connect anew, which is how they find servers that "
        "were added; open calls go on. 0 never does",
    )
    stream_window: int = Field(32, ge=1, le=4096, description="items of one ClassifyStream worked on at a time")

    cache_mib: int = Field(
        0, ge=0, le=2**20, description="answers kept for repeats of an image; 0, the default, keeps none"
    )

    low_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="an answer whose first class is less probable counts as low in vitscope_low_confidence_total",
    )

    image_decoding: Literal["scaled", "exact"] = Field(
        "scaled",
        description="exact: pixels equal to Pillow's; scaled: faster ones for models whose certificate covers them",
    )
    max_message_mib: int = Field(32, ge=1, le=1024, description="largest gRPC message, in and out")
    max_explain_mib: int = Field(
        256, ge=1, le=2**20, description="largest reply of Explain, all of its messages together"
    )
    full_idle_seconds: float = Field(
        300,
        ge=0,
        le=86_400,
        description="free the graph of the encoder's inside (attention matrices) after so long unused; 0 keeps it",
    )
    max_image_mib: float = Field(20, ge=0.001, le=1024, description="largest encoded image")
    max_image_megapixels: float = Field(
        50,
        ge=0.001,
        le=10_000,
        description="most pixels of an image held decoded; a JPEG decoded scaled may have five times more",
    )
    max_image_frames: int = Field(1000, ge=1, description="most frames of an animation or pages of a TIFF")

    max_decode_seconds: float = Field(
        10,
        ge=0.1,
        le=3600,
        description="processor time for an image that is decoded in a process of its own, because its header does not "
        "say that it is quick; one that takes more is refused",
    )
    max_decode_mib: int = Field(
        1024,
        ge=16,
        le=2**20,
        description="memory for such an image, but at most a quarter of what there is; one that needs more is refused",
    )

    drain_seconds: float = Field(
        5, ge=0, le=3600, description="after TERM: report not serving, but go on answering, so long"
    )
    grace_seconds: float = Field(30, ge=0, le=3600, description="after draining: wait so long for requests in flight")

    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON elsewhere")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe that is logged")
    print_config: CliImplicitFlag[bool] = Field(False, description="print all settings as TOML and exit")

    @model_validator(mode="after")
    def _images_fit_in_messages(self) -> Self:
        if self.max_image_mib >= self.max_message_mib:
            raise ValueError(
                f"max_image_mib is {self.max_image_mib:g}; "
                f"accepted: less than max_message_mib, which is {self.max_message_mib}"
            )
        return self

    @property
    def origins(self) -> list[str]:
        """The origins of `http_origins`."""
        return [part.strip() for part in self.http_origins.split(",") if part.strip()]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _ConfigFile(settings_cls)

    def as_toml(self) -> str:
        """Return a file for --config with all settings that have a value, except `config` and `print_config`."""
        values = self.model_dump(mode="json", exclude={"config", "print_config"}, exclude_none=True)
        return "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())


def read_settings(argv: list[str]) -> Settings:
    """Return the settings from flags, environment and file.

    Raises SettingsInvalid. Exits for --help and unknown flags.
    """
    try:
        source: CliSettingsSource[Any] = CliSettingsSource(Settings, formatter_class=Help)
        return CliApp.run(Settings, cli_args=argv, cli_settings_source=source)
    except ValidationError as error:
        raise SettingsInvalid("\n".join(_line(e) for e in error.errors())) from error
    except SettingsError as error:
        raise SettingsInvalid(str(error)) from error


def unknown_variables() -> list[str]:
    """Return the environment variables with our prefix that name no setting.

    They are not an error: Kubernetes sets such variables for a service that is called vitscope.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _OF_CLIENTS
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _line(error: Any) -> str:
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        close = get_close_matches(name, Settings.model_fields, n=1)
        return f"{name}: there is no such setting" + (f"; did you mean {close[0]}?" if close else "")
    flag = "--" + name.replace("_", "-")
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name} ({flag}, {PREFIX}{name.upper()}): found {error['input']!r}; {message}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, str) else str(value)
