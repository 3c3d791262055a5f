"""The command `vitscope serve`, also `python -m vitscope.server`: read the settings, run."""

import sys

from vitscope.server.host.descriptors import fill_standard_descriptors
from vitscope.server.host.signals import ended_at_once


def main(argv: list[str] | None = None) -> int:
    """Serve, and return 0 when told to stop, 1 if nothing can be served, 2 for settings that cannot be used."""
    fill_standard_descriptors()
    with ended_at_once():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: list[str]) -> int:
    # Imported here: it takes a second or more, in which signals are handled already.
    import structlog

    from vitscope.server.app import StartupError, run
    from vitscope.server.host.logs import configure_logging
    from vitscope.server.host.memory import keep_freed_memory
    from vitscope.server.settings import SettingsInvalid, read_settings, unknown_variables

    try:
        settings = read_settings(argv)
    except SettingsInvalid as error:
        print(f"vitscope serve: {error}", file=sys.stderr)
        return 2
    if settings.print_config:
        print(settings.as_toml(), end="")
        return 0
    restore_output = configure_logging(settings.log_format, settings.log_level, alone=True)
    log = structlog.get_logger()
    if unknown := unknown_variables():
        log.warning("environment variables name no setting and are ignored", variables=unknown)
    keep_freed_memory()
    try:
        run(settings)
    except StartupError as error:
        restore_output()
        if settings.log_format == "json":
            log.error("the server cannot start", reason=str(error))
        else:
            print(f"vitscope serve: {error}", file=sys.stderr)
        return 1
    finally:
        restore_output()
    return 0


if __name__ == "__main__":
    sys.exit(main())
