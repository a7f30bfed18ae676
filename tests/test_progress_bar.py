"""Progress in logs."""

import io

from s2hand import progress_bar
from s2hand.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_one_whole_line_a_minute_however_many_bars_there_are(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ProgressBar, "_last_line_s", 1000.0)
    monkeypatch.setattr(ProgressBar, "_interval_s", progress_bar.LOG_INTERVAL_S)
    log = io.StringIO()
    for epoch in range(5):  # five bars of 50 seconds each
        with ProgressBar(total=500, desc=f"epoch {epoch}", file=log, mininterval=0, miniters=1) as bar:
            for step in range(500):
                clock[0] += 0.1
                bar.update()
                bar.set_postfix_str(f"loss {step}")
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]


def test_the_first_lines_of_a_log_come_soon(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ProgressBar, "_last_line_s", 1000.0)
    monkeypatch.setattr(ProgressBar, "_interval_s", progress_bar.FIRST_INTERVAL_S)
    log, times = io.StringIO(), []
    with ProgressBar(total=200, file=log, mininterval=0, miniters=1) as bar:
        for _ in range(200):
            clock[0] += 1
            bar.update()
            if len(log.getvalue().splitlines()) > len(times):
                times.append(clock[0] - 1000)
    assert times == [5, 15, 35, 75, 135, 195]


def test_a_terminal_has_a_bar_that_moves(monkeypatch):
    terminal = Terminal()
    with ProgressBar(total=3, file=terminal, mininterval=0, miniters=1) as bar:
        for _ in range(3):
            bar.update()
    assert terminal.getvalue().count("\r") >= 3
