"""The command: measures rows and prints the table."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks import beside, cores, costs, report
from benchmarks.bench import Bench
from benchmarks.beside import Beside
from benchmarks.client import Unanswered
from benchmarks.figures import Result
from benchmarks.machine import disturbance, yardstick
from benchmarks.processes import ROOT, Failed, scripted_upstream
from benchmarks.rows import ROWS

PAGE = ROOT / "docs" / "benchmarks.md"
QUICK = 0.1
STREAMS = {False: (200, 500, 1000), True: (200,)}  # open at the same time, without and with peers


def main() -> int:
    """Measure. Exits with 0 whatever the figures are, with 1 where something could not be measured."""
    args = _parser().parse_args()
    try:
        print(uvloop.run(_measured(args)))
    except (Failed, Unanswered) as error:
        print(f"{error}\n{''.join(getattr(error, '__notes__', ()))}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:10}{row.title}" for name, row in ROWS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measures the product beside its direct upstream. The rows:\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "rows",
        nargs="*",
        type=_row,
        metavar="ROW",
        help="default: all but grow, wide and those that need databases; with --peers: what the peers can do",
    )
    parser.add_argument("--rounds", type=_count, default=5, help="default: 5")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests: to see that it runs")
    parser.add_argument(
        "--streams", type=_count, nargs="+", help="the numbers of the row wide (default: 200 500 1000; with peers: 200)"
    )
    parser.add_argument("--write", action="store_true", help=f"also into {PAGE.relative_to(ROOT)}")
    parser.add_argument(
        "--peers", action="store_true", help="measure the peers too (those that `python -m benchmarks.peers` installed)"
    )
    parser.add_argument("--profile", action="store_true", help="tell where the product's CPU goes instead, row by row")
    return parser


def _row(name: str) -> str:
    if name not in ROWS:
        raise argparse.ArgumentTypeError(f"there is no row {name!r}")
    return name


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


async def _measured(args: argparse.Namespace) -> str:
    rows = args.rows or [name for name, row in ROWS.items() if (row.peers if args.peers else row.usual)]
    chosen = cores.choose()
    cores.pin(chosen.others)
    results, compared, speed = list[Result](), list[Beside](), list[float]()
    with disturbance() as others:
        async with scripted_upstream() as port:
            bench = Bench(
                port,
                chosen,
                args.rounds,
                QUICK if args.quick else 1.0,
                open_streams=args.streams or STREAMS[args.peers],
            )
            if args.profile:
                return "\n\n".join([await _profiled(bench, name) for name in rows])
            for name in rows:
                speed.append(_speed(chosen))
                results.append(await _result(bench, name))
                if args.peers and ROWS[name].peers:
                    compared.append(await beside.measure(bench, ROWS[name], results[-1]))
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    how = report.Circumstances(command, args.rounds, chosen, others.share, speed)
    text = report.report(results, how, compared)
    if args.write:
        report.write(PAGE, text)
    return text


def _speed(chosen: cores.Cores) -> float:
    with cores.on(chosen.product):
        return yardstick()


async def _result(bench: Bench, name: str) -> Result:
    row = ROWS[name]
    print(f"{name}: {row.title} ...", file=sys.stderr, flush=True)
    return Result(name, row.title, await row.measure(bench))


async def _profiled(bench: Bench, name: str) -> str:
    """Where the CPU goes during a row."""
    with TemporaryDirectory(prefix="cortex-flow-profile-") as folder:
        await _result(replace(bench, profiles=Path(folder)), name)
        return f"# {name}: {ROWS[name].title}\n\n{costs.table(costs.read(Path(folder)))}"


if __name__ == "__main__":
    sys.exit(main())
