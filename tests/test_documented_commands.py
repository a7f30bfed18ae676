"""Every command in the README and in docs/ exists as written, and reads folders that others have written."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from s2hand.cli.dispatch import command_parser
from s2hand.demo.demo import demo_configs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.M | re.S)
SETTING = re.compile(r"^\w+=\S+ ")


def commands(page: Path) -> list[str]:
    """The lines of shell of a page that call ``s2hand``, without comments and variables in front."""
    lines = [
        line for block in BLOCK.findall(page.read_text()) for line in block.replace("\\\n", " ").splitlines()
    ]
    lines = [SETTING.sub("", line.partition(" #")[0].strip()) for line in lines]
    return [line for line in lines if line.startswith("s2hand ")]


@pytest.mark.parametrize(
    "line", sorted({line for page in PAGES for line in commands(page)}), ids=lambda line: line[:60]
)
def test_command_is_understood(line):
    words = shlex.split(line)[1:]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        parsed = command_parser().parse_args(words)
        named = [word for word in words if re.fullmatch(r"configs/\S+", word)]
        assert all((ROOT / name).exists() for name in named), named
        assert parsed.run
        return
    pytest.fail(said.getvalue())


def test_commands_were_found():
    assert len(commands(ROOT / "README.md")) > 10
    assert sum(len(commands(page)) for page in PAGES) > 25


def test_the_readme_reads_runs_that_its_commands_write(tmp_path):
    written = {json.loads(path.read_text())["base_out_path"] for path in (ROOT / "configs").glob("*/*.json")}
    written |= {"runs/demo", *(f"runs/demo/{config.run_dir.name}" for config in demo_configs(tmp_path))}
    text = (ROOT / "README.md").read_text()
    read = {path.partition("/predictions")[0] for path in re.findall(r"\bruns/[\w/-]+", text)}
    assert "runs/FreiHAND/SSL-e2e" in read
    assert read - {"runs/demo/index"} <= written


def test_the_readme_tells_how_to_get_the_small_build_and_where_losses_are_shown():
    text = (ROOT / "README.md").read_text()
    assert "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" in text
    assert "tensorboard --logdir runs" in text
    assert "--detector hourglass" in text
