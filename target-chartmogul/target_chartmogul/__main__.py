"""Command line of `target-chartmogul`: quick answers without the SDK, one line and an exit code for every failure."""

from __future__ import annotations

import contextlib
import os
import sys
from traceback import walk_tb

from target_chartmogul.singer.pipes import widen_input


def main() -> None:
    """Run the command line and end the process with one of `exit_codes`."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415  keeps --version quick

        print(f"target-chartmogul v{version('target-chartmogul')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    widen_input()
    code = _run(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a thread may still wait for an answer that nobody needs any more.
    os._exit(code)


def _run(arguments: list[str]) -> int:
    import click  # noqa: PLC0415

    from target_chartmogul import exit_codes  # noqa: PLC0415
    from target_chartmogul.failures import TargetChartMogulError  # noqa: PLC0415

    try:
        from target_chartmogul.cli import command  # noqa: PLC0415

        result = command().main(arguments, prog_name="target-chartmogul", standalone_mode=False)
    except TargetChartMogulError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), exit_codes.CONFIGURATION)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", exit_codes.INTERRUPTED)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else exit_codes.UNEXPECTED
    except BrokenPipeError:
        return _fail("the reader of this target's STATE is gone", exit_codes.UNEXPECTED)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(what, exit_codes.CONFIGURATION)
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback with data in it
        return _unexpected(error)
    return result if isinstance(result, int) else exit_codes.OK


def _unexpected(error: BaseException) -> int:
    """A defect: where it happened, without the values that may stand in its message."""
    from target_chartmogul import exit_codes  # noqa: PLC0415

    name = type(error).__name__
    if name in {"JSONDecodeError", "UnicodeDecodeError"}:
        return _fail("the config file is not valid JSON", exit_codes.CONFIGURATION)
    if name in {"OperationalError", "DatabaseError"}:  # SQLite's, while records arrive
        return _fail("the scratch files of the run cannot be written; is the disk full?", exit_codes.SERVICE)
    if name == "RecordsWithoutSchemaException":
        return _fail("a RECORD came before the SCHEMA of its stream: is the input from a Singer tap?", 1)
    if stream := _stream_with_a_bad_map(error):
        return _fail(f"setting `stream_maps`: a record of {stream} cannot be mapped ({name})", exit_codes.CONFIGURATION)
    places = [f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return _fail(f"unexpected {name} at {' > '.join(places[-4:])}", exit_codes.UNEXPECTED)


def _stream_with_a_bad_map(error: BaseException) -> str | None:
    """The stream whose map failed, if that is where the error comes from: a mistake in the user's expression."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == "singer_sdk.mapper":
            return str(getattr(frame.f_locals.get("self"), "stream_alias", "a stream"))
    return None


def _fail(message: str, code: int) -> int:
    print(f"target-chartmogul: {message}", file=sys.stderr)  # noqa: T201  the one line for the user
    return code


if __name__ == "__main__":
    main()
