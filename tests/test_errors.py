"""What messages show of hostile values and of other libraries' errors: one short line, whatever they are."""

import pytest

from s2hand.errors import one_line, reason_of, shown


def shared(levels):
    """A list whose repr has 2 ** levels entries."""
    value = [0, 0]
    for _ in range(levels):
        value = [value, value]
    return value


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (shared(60), "a value of type list"),
        (nested(100_000), "a value of type list"),
        ({"a": nested(100_000)}, "a value of type dict"),
        (10**5000, "a number of 16610 bits"),
        (-(1 << 64), "a number of 65 bits"),
        (-3, "-3"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        ("left\n", r"'left\n'"),
        ("\ud800", r"'\ud800'"),
        ("x" * 81, f"'{'x' * 80}'..."),
        (b"\0" * 10**6, "b'" + r"\x00" * 80 + "'..."),
    ],
    ids=range(13),
)
def test_values_are_shown_in_short(value, text):
    assert shown(value) == text


def test_reasons_are_one_short_line():
    assert reason_of(ValueError("a\n  b")) == "a b"
    assert reason_of(KeyError()) == "KeyError"
    assert reason_of(ValueError("(" * 10**6)) == "(" * 200


def test_names_of_files_stay_on_their_line():
    assert one_line("a\nb.jpg: \x1b[31mred\x07 \u202eend") == r"a b.jpg: \x1b[31mred\x07 \u202eend"
    assert one_line("Hände 1.mp4") == "Hände 1.mp4"
