"""The subcommands of `target-chartmogul` (rules 7.4, 7.5). Each takes its settings as a run does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from target_chartmogul.log_lines import one_line
from target_chartmogul.settings import load
from target_chartmogul.target import TargetChartMogul

_CONFIG: Final = click.option(
    "--config",
    multiple=True,
    callback=TargetChartMogul.cb_config,
    help="File with the settings of the runs, or ENV to take them from environment variables.",
)
_FORMAT: Final = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)


def command() -> click.Group:
    """The command line: a run without a subcommand, as Singer has it."""
    plain = TargetChartMogul.cli
    group = click.Group(
        name=plain.name,
        params=plain.params,
        callback=_run,
        invoke_without_command=True,
        context_settings=plain.context_settings,
        help="Write the records of a Singer tap, which come on standard input, into ChartMogul. The commands below "
        "work from the store of earlier runs, without a tap.",
    )
    for each in (_sync, _preview, _status, _explain, _verify, _forget):
        group.add_command(each)
    return group


@click.pass_context
def _run(context: click.Context, /, **arguments: Any) -> None:
    """A run, unless a subcommand is named; a `--config` before its name is the subcommand's."""
    if context.invoked_subcommand is None:
        TargetChartMogul.invoke(**arguments)


@contextmanager
def _target(given: Any, *, needs_key: bool = False) -> Iterator[TargetChartMogul]:
    """The target with its settings and its answer to signals, without input."""
    above = click.get_current_context().parent
    if above is not None and not (given.config or given.parse_env):
        given = above.params["config"]
    with _quiet():
        target = TargetChartMogul(config=given.config, parse_env_config=given.parse_env, needs_key=needs_key)
    try:
        yield target
    finally:
        target.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """The SDK logs how it takes the settings, and that a key is missing, be it needed or not."""
    loggers = [logging.getLogger(name) for name in (TargetChartMogul.name, "singer_sdk")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def _show(found: Any, form: str, lines: Callable[[Any], Iterable[str]], output: str | None = None) -> None:
    """Print an answer, or write it into a file, as JSON or as lines of text."""
    if form == "json":
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    else:
        text = "\n".join(one_line(line) for line in lines(found))
    if output is None:
        click.echo(text)
    else:
        Path(output).write_text(f"{text}\n", encoding="utf-8")


def _end(code: int) -> None:
    if code:
        sys.exit(code)


@click.command("sync", short_help="Run without input: what is due or was refused.")
@_CONFIG
def _sync(config: Any) -> None:
    """Run without input: what is due, was refused, or follows from changed settings.

    Nothing is read from Keap. It refuses while the first read is not complete.
    """
    from target_chartmogul.checks.from_store import reading  # noqa: PLC0415

    with _target(config, needs_key=True) as target:
        with reading(target.settings, decided=True) as opened:
            source = opened.source
        target.sync(source)


@click.command("status", short_help="Show what the store holds, and what is due.")
@_CONFIG
@_FORMAT
def _status(config: Any, form: str) -> None:
    """Show what the store holds, how old it is, what is outstanding, and what is due.

    A run may continue meanwhile; no key is needed.
    """
    from target_chartmogul.checks.from_store import reading  # noqa: PLC0415
    from target_chartmogul.checks.status import status  # noqa: PLC0415
    from target_chartmogul.report.status_text import status_lines  # noqa: PLC0415

    with _target(config) as target, reading(target.settings) as opened:
        _show(status(opened), form, status_lines)


@click.command("explain", short_help="Explain a record, such as order:9071.")
@click.argument("record")
@_CONFIG
def _explain(record: str, config: Any) -> None:
    """Explain a RECORD, such as order:9071: what its source says, what is made of it by which rules, what is there.

    Any record of the store can be named: order, subscription, contact, payment, transaction, product … Names and
    addresses are not shown. A run may continue meanwhile; no key is needed.
    """
    from target_chartmogul.checks.explain import explain  # noqa: PLC0415
    from target_chartmogul.checks.from_store import reading  # noqa: PLC0415

    with _target(config) as target, reading(target.settings) as opened:
        for line in explain(opened, record):
            click.echo(one_line(line))


@click.command("verify", short_help="Compare the store with ChartMogul.")
@_CONFIG
@_FORMAT
@click.option("--all", "everything", is_flag=True, help="Show what is the same, too.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write there instead of to standard output.")
def _verify(config: Any, form: str, output: str | None, *, everything: bool) -> None:
    """Compare the store with what ChartMogul lists, by month and currency, to the cent.

    Orders, payments, refunds and cancellations. Each difference names its records, and the rule that explains it, if
    one does. Nothing is written. The exit code is 7 if a difference needs a look.
    """
    from functools import partial  # noqa: PLC0415

    from target_chartmogul.checks.from_store import connected, copied  # noqa: PLC0415
    from target_chartmogul.checks.verify import verify  # noqa: PLC0415
    from target_chartmogul.report.verify_text import verify_lines  # noqa: PLC0415

    with _target(config, needs_key=True) as target:
        stop = target.stop
        with copied(target.settings) as opened, connected(target.settings, stop.event, stop.reason) as client:
            progress = target.intake.progress
            progress.begin("compared", "accounts")
            found = verify(opened, client, check=stop.check, advance=progress.advance)
            progress.end()
        _show(found, form, partial(verify_lines, everything=everything), output)
        _end(found.exit_code)


@click.command("forget", short_help="Erase a person, such as contact:1207.")
@click.argument("contact")
@_CONFIG
@click.option("--yes", is_flag=True, help="Do not ask.")
def _forget(contact: str, config: Any, *, yes: bool) -> None:
    """Erase a person, such as contact:1207, from the store and the reports.

    Records, orders with their contact blocks, what ChartMogul has of them, notes, and the report files go. The id is
    remembered, so that the person does not return. ChartMogul's customer must be deleted there.
    """
    from target_chartmogul.checks.forgetting import files_with_people, forget, person  # noqa: PLC0415
    from target_chartmogul.checks.from_store import reading  # noqa: PLC0415

    with _target(config) as target:
        settings = target.settings
        with reading(settings) as opened:
            whom, source = person(opened, contact), opened.source
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("this cannot be undone, and there is no terminal to ask on: add `--yes`")
            files = "".join(f", and the file {name}" for name in files_with_people(settings))
            click.confirm(f"Erase {whom.record}, all records that name it{files}? This cannot be undone.", abort=True)
        erased = forget(settings, source, whom)
    total = sum(erased.records.values())
    by_stream = ", ".join(f"{number} {stream}" for stream, number in sorted(erased.records.items()))
    click.echo(f"Erased {whom.record}: {total} records ({by_stream})" if total else f"Erased {whom.record}")
    for name in erased.files:
        click.echo(f"Deleted {name}")
    if whom.customer is not None:
        click.echo(
            f"ChartMogul still has customer {whom.customer}: delete it there. From now on this target neither changes "
            "nor deletes it, not with `hard_delete` either."
        )


@click.command("preview", short_help="Show what other settings would change.")
@_CONFIG
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting to try; as often as needed.")
@_FORMAT
@click.option("--report", type=click.Path(dir_okay=False), help="Write the report, too: .json, or .html for the page.")
def _preview(config: Any, assignments: tuple[str, ...], form: str, report: str | None) -> None:
    """Show what other settings would change, from the store alone: MRR by month before and after.

    Nothing is written, neither to ChartMogul nor to the store, and no key is needed. A run may continue meanwhile.
    """
    from target_chartmogul.checks.assignments import assigned  # noqa: PLC0415
    from target_chartmogul.checks.from_store import copied  # noqa: PLC0415
    from target_chartmogul.checks.preview import preview, rehearsal_report, save_report  # noqa: PLC0415
    from target_chartmogul.report.preview_text import preview_lines  # noqa: PLC0415

    with _target(config) as target:
        tried = load({**target.config, **assigned(assignments)}, needs_key=False)
        with copied(tried) as opened:
            collected = rehearsal_report(opened)
            try:
                progress = target.intake.progress
                progress.begin("decided", "accounts")
                found = preview(opened, collected, check=target.stop.check, advance=progress.advance)
                progress.end()
                if report is not None:
                    save_report(collected, report)
            finally:
                collected.close()
    _show(found, form, preview_lines)
