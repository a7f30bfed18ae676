"""Bundles the pages' 3D viewer (scripts/viewer) and three.js into one file of s2hand.pages.

It needs Node.js with npm, which only this script uses: what it writes is kept in the repository. Versions are
pinned in scripts/viewer/package.json and, by hash, in package-lock.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "scripts" / "viewer"
ASSETS = ROOT / "s2hand" / "pages" / "assets"
BUNDLE, LICENSE = "viewer.min.js", "LICENSE-three.txt"
TARGET = "es2020"


def sources_sha256() -> str:
    """The SHA-256 of everything that the bundle is made from, which its first line states."""
    digest = hashlib.sha256()
    for path in [SOURCES / "package.json", SOURCES / "package-lock.json", *sorted(SOURCES.glob("src/*.js"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def banner() -> str:
    """The bundle's first line: what it holds, under which licence, and from which sources it was made."""
    version = json.loads((SOURCES / "package.json").read_text())["dependencies"]["three"]
    return f"/* s2hand viewer, with three.js {version} (MIT, {LICENSE}); sources {sources_sha256()} */"


def bundle(folder: Path) -> None:
    """Installs the pinned packages in a scratch folder and writes bundle and licence.

    Args:
        folder: where the two files go.

    Raises:
        subprocess.CalledProcessError: npm or esbuild failed; its own message stands above.
    """
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(shutil.copytree(SOURCES, Path(scratch) / "viewer"))
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=work, check=True)
        command = ["node_modules/.bin/esbuild", "src/main.js", "--bundle", "--minify", "--format=iife"]
        command += [
            f"--target={TARGET}",
            "--legal-comments=none",
            "--charset=utf8",
            f"--banner:js={banner()}",
        ]
        subprocess.run([*command, "--log-level=warning", f"--outfile={BUNDLE}"], cwd=work, check=True)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / BUNDLE, folder / BUNDLE)
        shutil.copy(work / "node_modules" / "three" / "LICENSE", folder / LICENSE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder to write to (default: the package)")
    folder = parser.parse_args().out
    if shutil.which("npm") is None:
        sys.exit("bundle_viewer.py needs Node.js with npm (Debian: apt-get install nodejs npm)")
    bundle(folder)
    print(f"{folder / BUNDLE}: {(folder / BUNDLE).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
