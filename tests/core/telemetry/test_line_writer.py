import io
import subprocess
import sys
import threading
import time

from undercroft.core.telemetry.line_writer import MAX_PENDING, LineWriter


def wait_for_text(stream: io.StringIO, text: str) -> None:
    limit = time.monotonic() + 10
    while text not in stream.getvalue():
        assert time.monotonic() < limit, "the line was not written in time"
        time.sleep(0.02)


def test_line_is_flushed_automatically() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.write("first")
    wait_for_text(stream, "first\n")
    writer.write("second")
    wait_for_text(stream, "second\n")


def test_urgent_line_flushes_the_buffer() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.write("before")
    writer.write("urgent", urgent=True)

    assert stream.getvalue() == "before\nurgent\n"


def test_buffer_is_flushed_when_it_is_full() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    for _ in range(MAX_PENDING):
        writer.write("x")

    assert stream.getvalue().count("x") == MAX_PENDING


def test_concurrent_writes_lose_no_lines() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)

    def write(name: int) -> None:
        for number in range(2000):
            writer.write(f"{name}-{number}", urgent=number % 97 == 0)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()

    assert sorted(stream.getvalue().split()) == sorted(
        f"{name}-{number}" for name in range(4) for number in range(2000)
    )


def test_write_to_a_closed_stream_does_not_raise() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    stream.close()

    writer.write("lost", urgent=True)


def test_buffer_is_flushed_at_exit() -> None:
    program = (
        "from undercroft.core.telemetry.line_writer import LineWriter\n"
        "WRITER = LineWriter()\n"
        "WRITER.write('last words')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stderr == "last words\n"


def test_forked_process_writes_only_its_own_lines() -> None:
    program = (
        "import os, time\n"
        "from undercroft.core.telemetry.line_writer import LineWriter\nWRITER = LineWriter()\n"
        "WRITER.write('parent')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    WRITER.write('child')\n"
        "    time.sleep(1.5)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    quiet = ["-W", "ignore::DeprecationWarning"]  # newer Python versions warn about forking with threads
    run = subprocess.run([sys.executable, *quiet, "-c", program], capture_output=True, text=True, check=True)

    assert sorted(run.stderr.split()) == ["child", "parent"]
