"""The `octogym` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from octogym import __version__
from octogym.cluster.errors import OctoGymError

#: Exit codes: a user's error, and Ctrl-C.
USAGE, INTERRUPTED = 2, 130


def parser() -> argparse.ArgumentParser:
    """The command line. Every subcommand's module adds its own part and says what to run."""
    from octogym.cli import data, keys, rack, run, scenarios, train, tune

    top = argparse.ArgumentParser(
        prog="octogym", description="Train edge video-analytics policies in simulation, then step them on devices."
    )
    top.add_argument("--version", action="version", version=f"octogym {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (scenarios, run, train, tune, data, keys, rack):
        module.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. What a user can mend is one line on stderr and code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parser().parse_args(arguments)
        options.command_line = ["octogym", *arguments]
        return int(options.run(options) or 0)
    except OctoGymError as error:
        print(f"octogym: error: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader of our output has gone (`octogym scenarios | head`).
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("octogym: interrupted", file=sys.stderr)
        return INTERRUPTED
