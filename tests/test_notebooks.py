"""The notebooks run from top to bottom, and are stored without outputs."""

import os
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "docs/notebooks").glob("*.ipynb"))
TIMEOUT_S = 900
"""Of one cell; a machine that is busy with other work takes several times as long as an idle one."""


@pytest.fixture
def read():
    reason = "needs the extra dev: pip install '.[dev]'"
    pytest.importorskip("ipykernel", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    return lambda path: nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_stored_without_outputs(path, read):
    import nbformat

    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 3
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, read, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs the extra dev: pip install '.[dev]'")
    root = str(path.parent.parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = read(path)
    kernel = notebook.metadata.kernelspec.name
    assert (Path(sys.prefix) / "share/jupyter/kernels" / kernel).is_dir()
    client = nbclient.NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name=kernel, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 2
