import io
import re

import pytest

from rtickets.platform import console


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr("rtickets.platform.console.time.monotonic", clock)
    return clock


def open_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def plain(screen):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_say_prints_to_standard_error_alone(capsys):
    console.say("cell 1 of 3")
    assert capsys.readouterr() == ("", "cell 1 of 3\n")


def test_a_task_in_a_pipe_ends_with_one_line(capsys, clock):
    with console.task("pretrain", 1000) as task:
        clock.now += 2
        task.advance(500)
        task.advance(500)
    assert capsys.readouterr() == ("", "pretrain: 2.0 s, 500 images/s\n")


def test_the_note_is_in_the_last_line(capsys, clock):
    with console.task("pretrain", 10) as task:
        clock.now += 1
        task.advance(10)
        task.note("accuracy 91.0%")
    assert capsys.readouterr().err == "pretrain: 1.0 s, 10 images/s, accuracy 91.0%\n"


def test_the_note_is_told_in_a_pipe_while_it_goes_on(capsys, clock):
    with console.task("restoring", 400) as task:
        clock.now += 20
        task.note("PSNR 20.00 dB")
        task.advance(200)
        assert capsys.readouterr().err == "restoring: 50%, 10 images/s, 20 s left, PSNR 20.00 dB\n"


def test_a_long_task_in_a_pipe_tells_how_far_it_is_now_and_then(capsys, clock):
    with console.task("pretrain", 400) as task:
        for _ in range(4):
            clock.now += 10
            task.advance(100)
    assert capsys.readouterr().err.splitlines() == [
        "pretrain: 50%, 10 images/s, 20 s left",
        "pretrain: 100%, 10 images/s, 0 s left",
        "pretrain: 40.0 s, 10 images/s",
    ]


def test_what_an_earlier_run_did_counts_as_done_but_not_for_the_rate(capsys, clock):
    with console.task("pretrain", 400, done=300) as task:
        clock.now += 20
        task.advance(40)
        assert task.rate == pytest.approx(2)
        assert task.seconds == pytest.approx(20)
    assert capsys.readouterr().err.startswith("pretrain: 85%, 2 images/s, 30 s left\n")


def test_a_task_without_images_or_time_does_not_divide_by_zero(capsys, clock):
    with console.task("nothing", 0) as task:
        assert task.rate == 0
        clock.now += 20
        task.advance(0)
    assert "nothing: 0%, 0 images/s, 0 s left" in capsys.readouterr().err


def test_a_task_that_raises_is_not_reported_as_done(capsys):
    with pytest.raises(KeyboardInterrupt), console.task("pretrain", 10):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_then_one_line(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with console.task("pretrain", 10, done=4) as task:
        task.note("loss 0.5")
        task.advance(6)
    shown = plain(terminal)
    assert "100%" in shown
    assert "\x1b[2K" in terminal.getvalue().rpartition("100%")[2]  # the bar is erased at last
    assert re.search(r"pretrain: \d+\.\d s, [\d,]+ images/s, loss 0\.5\n", shown)


def test_a_terminal_is_left_clean_by_a_task_that_raises(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), console.task("pretrain", 10):
        raise KeyboardInterrupt
    assert "images/s," not in plain(terminal)
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") > 0


def test_brackets_in_names_and_notes_are_shown_as_they_are(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with console.task("pretrain [robust]", 10) as task:
        task.note("[/x] 95% [1, 2]")
        task.advance(10)
    shown = plain(terminal)
    assert shown.count("pretrain [robust]") > 1
    assert shown.rstrip().endswith("[/x] 95% [1, 2]")
