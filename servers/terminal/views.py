"""How a run looks in a terminal: alive where there is one, as plain lines where there is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TextIO

from graph import events as ev
from servers.terminal.board import WORKING, Board, Row

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_WIDTH = 60


class View(Protocol):
    """Shows events as they come. Call `close` whatever happens."""

    def show(self, event: ev.Event) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Shows nothing."""

    def show(self, event: ev.Event) -> None:
        pass

    def close(self) -> None:
        pass


class Answer:
    """The answer as it is produced, on standard output: messages are parted by a blank line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._message: str | None = None

    def show(self, event: ev.TextDelta) -> None:
        if self._message not in (None, event.message_id):
            self._out.write("\n\n")
        self._message = event.message_id
        self._out.write(printable(event.text))
        self._out.flush()

    def close(self) -> None:
        if self._message is not None:
            self._out.write("\n")
            self._out.flush()


class Lines:
    """Plain lines: what agents do on standard error, the answer on standard output."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._answer = Answer(out or sys.stdout)
        self._err = err or sys.stderr
        self._board = Board()

    def show(self, event: ev.Event) -> None:
        before, self._board = self._board, self._board.after(event)
        for call_id, row in self._board.rows.items():
            known = before.rows.get(call_id)
            if known is None or known.status != row.status:
                self._err.write(_line(row) + "\n")
                self._err.flush()
        if isinstance(event, ev.TextDelta):
            self._answer.show(event)

    def close(self) -> None:
        self._answer.close()


class Alive:
    """A table that moves while agents work; the answer below it."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._answer = Answer(out or sys.stdout)
        self._board = Board()
        self._shown: set[str] = set()
        self._live: Live | None = None

    def show(self, event: ev.Event) -> None:
        self._board = self._board.after(event)
        if isinstance(event, ev.TextDelta):
            self._stop()
            self._answer.show(event)
        elif self._board.busy and self._board.rows.keys() - self._shown:
            self._start()

    def close(self) -> None:
        self._stop()
        self._answer.close()

    def __rich__(self) -> Table:
        """The rows that no earlier table has shown."""
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        now = ev.now_ms()
        for call_id, row in self._board.rows.items():
            if call_id not in self._shown:
                table.add_row(_sign(row), row.agent, _short(row.task), f"{row.seconds(now):.1f} s", _tokens(row))
        return table

    def _start(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(self, refresh_per_second=8)
            self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._shown.update(self._board.rows)


def printable(text: str) -> str:
    """Text without the control characters that could steer a terminal."""
    return "".join(each for each in text if each in "\n\t" or each.isprintable())


def _line(row: Row) -> str:
    if row.status == WORKING:
        return f"{row.agent}: {_short(row.task)}"
    tools = f", used {', '.join(row.tools)}" if row.tools else ""
    tokens = f", {_tokens(row)}" if row.tokens else ""
    return f"{row.agent}: {row.status} after {row.seconds(row.started_at):.1f} s{tokens}{tools}"


def _sign(row: Row) -> str:
    return {WORKING: "…", "ok": "✓"}.get(row.status, "✗")


def _tokens(row: Row) -> str:
    return f"{row.tokens} tokens" if row.tokens else ""


def _short(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
