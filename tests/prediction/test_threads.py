import threading
import time

import pytest

from s2hand.prediction.threads import MOST_READ, MOST_WAITING, DoneLater, read_ahead


def test_items_are_read_a_few_ahead_and_in_order():
    read = []
    answers = read_ahead(lambda item: read.append(item) or 2 * item, iter(range(10)))
    item, answer = next(answers)
    assert (item, answer.result()) == (0, 0)
    assert len(read) <= 1 + MOST_READ
    assert [answer.result() for _, answer in answers] == [2 * item for item in range(1, 10)]
    assert read == list(range(10))


def test_an_error_in_reading_belongs_to_its_item():
    for item, answer in read_ahead(lambda item: 1 / item, [1, 0, 2]):
        if item:
            assert answer.result() == 1 / item
        else:
            with pytest.raises(ZeroDivisionError):
                answer.result()


def test_tasks_are_done_in_order_in_another_thread():
    done = []
    with DoneLater() as later:
        for number in range(3 * MOST_WAITING):
            later(lambda number: done.append((number, threading.get_ident())), number)
    assert [number for number, _ in done] == list(range(3 * MOST_WAITING))
    assert {thread for _, thread in done} != {threading.get_ident()}


def test_only_so_many_tasks_wait():
    gate, added = threading.Event(), []

    def add():
        with DoneLater() as later:
            for number in range(MOST_WAITING + 5):
                later(gate.wait)
                added.append(number)

    adding = threading.Thread(target=add)
    adding.start()
    while len(added) < MOST_WAITING:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(added) == MOST_WAITING
    gate.set()
    adding.join()
    assert len(added) == MOST_WAITING + 5


def fail():
    raise OSError("disk full")


def do(*tasks):
    with DoneLater() as later:
        for task in tasks:
            later(task)


@pytest.mark.parametrize("after", [0, 2 * MOST_WAITING])
def test_a_tasks_error_is_raised_and_ends_the_work(after):
    done = []
    with pytest.raises(OSError, match="disk full"):
        do(fail, *[lambda: done.append(0)] * after)
    assert len(done) < max(after, 1)


def test_an_error_of_the_callers_leaves_out_what_waits():
    done, started, gate = [], threading.Event(), threading.Event()

    def wait():
        started.set()
        gate.wait()

    def interrupted():
        with DoneLater() as later:
            later(wait)
            later(done.append, 1)
            started.wait()
            threading.Timer(0.02, gate.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == []
