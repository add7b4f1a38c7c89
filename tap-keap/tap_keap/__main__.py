"""Command line of `tap-keap`: quick answers without the SDK, one line and an exit code for every failure."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from traceback import walk_tb


def main() -> None:
    """Run the command line and end the process with one of `exit_codes`."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415 - keeps --version quick

        print(f"tap-keap v{version('tap-keap')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    logging.setLogRecordFactory(OneLineRecord)
    code = _run_and_note(arguments)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    # Not sys.exit: background threads may still wait for an answer of Keap that nobody needs any more.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


class OneLineRecord(logging.LogRecord):
    """A log message in which nothing that Keap or a file says can begin another line or change a terminal."""

    def getMessage(self) -> str:  # noqa: N802 - the base class names it so
        """The message, with control characters escaped."""
        text = super().getMessage()
        if text.isprintable():
            return text
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def exit_code_file(arguments: list[str]) -> str | None:
    """The setting, read before all others are, so that their errors can be noted too."""
    found = os.environ.get("TAP_KEAP_EXIT_CODE_FILE") if "ENV" in arguments else None
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        path = flag.removeprefix("--config=") if flag.startswith("--config=") else value if flag == "--config" else ""
        with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
            named = json.loads(Path(path).read_text(encoding="utf-8")).get("exit_code_file")
            found = named if isinstance(named, str) else found
    return found


def _run_and_note(arguments: list[str]) -> int:
    """Run, and write the exit code where `exit_code_file` says."""
    from tap_keap.errors import ConfigurationError  # noqa: PLC0415
    from tap_keap.settings import writable_exit_code_file  # noqa: PLC0415

    path = exit_code_file(arguments)
    try:
        file = writable_exit_code_file(path) if path else None
    except ConfigurationError as error:
        return _fail(str(error), error.exit_code)
    code = _run(arguments)
    if file is not None:
        try:
            file.write_text(f"{code}\n", encoding="utf-8")
        except OSError as error:
            _logger().error("The exit code could not be written to `exit_code_file`: %s.", error.strerror)
    return code


def _run(arguments: list[str]) -> int:
    import click  # noqa: PLC0415

    from tap_keap.errors import TapKeapError  # noqa: PLC0415
    from tap_keap.exit_codes import ExitCode  # noqa: PLC0415

    try:
        if arguments[:1] == ["auth"]:
            from tap_keap.credentials.login import auth_command  # noqa: PLC0415

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
        return _fail(error.format_message(), ExitCode.CONFIGURATION)
    except (click.Abort, KeyboardInterrupt):
        return _fail("Stopped.", ExitCode.INTERRUPTED)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else ExitCode.UNEXPECTED
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        what = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        return _fail(what, ExitCode.CONFIGURATION)
    except (ValueError, RecursionError) as error:
        if type(error).__name__ in {"JSONDecodeError", "UnicodeDecodeError", "RecursionError"}:
            return _fail("The config, catalog or state file is not valid JSON.", ExitCode.CONFIGURATION)
        return _unexpected(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback with data in it
        return _unexpected(error)
    return ExitCode.OK


def _unexpected(error: BaseException) -> int:
    """A defect: where it happened, without the values that may be in its message."""
    from tap_keap.exit_codes import ExitCode  # noqa: PLC0415

    name = type(error).__name__
    if stream := _stream_with_a_bad_map(error):
        return _fail(f"Setting stream_maps: a record of {stream} cannot be mapped ({name}).", ExitCode.CONFIGURATION)
    places = [f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return _fail(f"Unexpected {name} at {' > '.join(places[-4:])}.", ExitCode.UNEXPECTED)


def _stream_with_a_bad_map(error: BaseException) -> str | None:
    """The stream whose map failed, if that is where the error comes from: a mistake in the user's expression."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == "singer_sdk.mapper":
            return str(getattr(frame.f_locals.get("self"), "stream_alias", "a stream"))
    return None


def _fail(message: str, code: int) -> int:
    """The last line of a failed run."""
    _logger().error("%s (exit code %d)", message, code)
    return code


def _logger() -> logging.Logger:
    """The tap's log, on stderr also where the failure came before the SDK set it up."""
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    return logging.getLogger("tap-keap")


if __name__ == "__main__":
    main()
