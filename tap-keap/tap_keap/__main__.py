"""Command line of `tap-keap`: quick answers without the SDK, one line and an exit code for every failure."""

from __future__ import annotations

import contextlib
import os
import sys
from traceback import walk_tb


def main() -> None:
    """Run the command line and end the process with one of `exit_codes`."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415 - keeps --version quick

        print(f"tap-keap v{version('tap-keap')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    code = _run(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    # Not sys.exit: background threads may still wait for an answer of Keap that nobody needs any more.
    sys.stderr.flush()
    os._exit(code)


def _run(arguments: list[str]) -> int:
    import click  # noqa: PLC0415

    from tap_keap import exit_codes  # noqa: PLC0415
    from tap_keap.errors import TapKeapError  # noqa: PLC0415

    try:
        if arguments[:1] == ["auth"]:
            from tap_keap.login import auth_command  # noqa: PLC0415

            auth_command.main(arguments[1:], prog_name="tap-keap auth", standalone_mode=False)
        else:
            from tap_keap.tap import TapKeap  # noqa: PLC0415

            result = TapKeap.cli.main(arguments, prog_name="tap-keap", standalone_mode=False)
            if isinstance(result, int):
                return result
    except TapKeapError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), exit_codes.CONFIGURATION)
    except (click.Abort, KeyboardInterrupt):
        return _fail("Stopped.", exit_codes.INTERRUPTED)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else exit_codes.UNEXPECTED
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        what = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        return _fail(what, exit_codes.CONFIGURATION)
    except ValueError as error:
        if type(error).__name__ in {"JSONDecodeError", "UnicodeDecodeError"}:
            return _fail("The config, catalog or state file is not valid JSON.", exit_codes.CONFIGURATION)
        return _unexpected(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback with data in it
        return _unexpected(error)
    return exit_codes.OK


def _unexpected(error: BaseException) -> int:
    """A defect: where it happened, without the values that may stand in its message."""
    from tap_keap import exit_codes  # noqa: PLC0415

    name = type(error).__name__
    if stream := _stream_with_a_bad_map(error):
        return _fail(f"Setting stream_maps: a record of {stream} cannot be mapped ({name}).", exit_codes.CONFIGURATION)
    places = [f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return _fail(f"Unexpected {name} at {' > '.join(places[-4:])}.", exit_codes.UNEXPECTED)


def _stream_with_a_bad_map(error: BaseException) -> str | None:
    """The stream whose map failed, if that is where the error comes from: a mistake in the user's expression."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == "singer_sdk.mapper":
            return str(getattr(frame.f_locals.get("self"), "stream_alias", "a stream"))
    return None


def _fail(message: str, code: int) -> int:
    print(f"tap-keap: {message}", file=sys.stderr)  # noqa: T201 - the one line for the user
    return code


if __name__ == "__main__":
    main()
