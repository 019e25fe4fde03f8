"""The pipeline's own command line: no database, no web, no Celery.

::

    python -m curation.pipeline run --recipe fineweb --out DIR [--workers N] [--limit N] [--json]
                                    [--set step.key=value] SOURCE…
    python -m curation.pipeline steps [--json]       what a recipe can use
    python -m curation.pipeline job JOB_DIR          the child program of a ``curate`` job
    python -m curation.pipeline probe JOB_DIR        the child program of a ``probe`` job
"""

import argparse
import json
import os
import sys

from tilth.errors import TilthError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a fault goes to stderr and gives exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except TilthError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m curation.pipeline", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="curate sources into Parquet files under a folder")
    run.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="path, folder, glob, URL or cc:CRAWL[:RANGE]"
    )
    run.add_argument("--recipe", required=True, help="built-in name or TOML file")
    run.add_argument("--out", required=True, metavar="DIR", help="where the Parquet files go")
    run.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)"
    )
    run.add_argument("--limit", type=int, default=0, help="read that many documents at most")
    run.add_argument("--set", action="append", default=[], metavar="step.key=value", dest="assignments")
    run.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the funnel's table"
    )
    run.set_defaults(command=_run)
    steps = commands.add_parser("steps", help="list the steps that a recipe can use, and their settings")
    steps.add_argument("--json", action="store_true")
    steps.set_defaults(command=_steps)
    for name, help_text in (("job", "the child program of a curate job"), ("probe", "… of a probe job")):
        child = commands.add_parser(name, help=help_text)
        child.add_argument("job_dir", metavar="JOB_DIR")
        child.set_defaults(command=_job if name == "job" else _probe)
    return parser


def _run(options: argparse.Namespace) -> None:
    from curation.pipeline.folder_run import run_into_folder
    from curation.pipeline.funnel import Funnel, table

    answer = run_into_folder(
        options.sources,
        options.recipe,
        options.out,
        workers=options.workers,
        limit=options.limit,
        assignments=options.assignments,
        quiet=options.json,
    )
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    print(table(Funnel.from_json(answer["funnel"])))
    print(f"{len(answer['shards'])} files in {options.out}, {answer['seconds']:.1f} s")


def _steps(options: argparse.Namespace) -> None:
    from curation.pipeline.recipe import describe_steps

    found = describe_steps()
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for step in found:
        print(f"{step['name']}: {step['title']} ({step['source']})")
        for setting in step["settings"]:
            print(f"    {setting['name']} = {json.dumps(setting['default'])}   {setting['help']}")


def _job(options: argparse.Namespace) -> None:
    from curation.pipeline.job import curate
    from tilth.jobs.reporting import run_program

    run_program(curate, options.job_dir)


def _probe(options: argparse.Namespace) -> None:
    from curation.pipeline.probe import probe_job
    from tilth.jobs.reporting import run_program

    run_program(probe_job, options.job_dir)


if __name__ == "__main__":
    sys.exit(main())
