"""How long garscaffold takes to start and to make a project, beside Copier. Run: python benchmarks/bench_new.py"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import Contender, compare

BIN = Path(sys.executable).parent
SOURCE = "~/.local/share/garscaffold/template.bundle"
ANSWERS = ("gcp_project=acme-prod", "author_name=Ada Lovelace", "author_email=ada@example.com", "project_name=orders")


def main() -> None:
    subprocess.run([BIN / "garscaffold", "template", "install", "-q"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "orders"

        def clean() -> None:
            shutil.rmtree(target, ignore_errors=True)

        data = [f"--data={answer}" for answer in ANSWERS]
        ours = [str(BIN / "garscaffold"), "new", "service", str(target), "--defaults", *data]
        copier = [
            str(BIN / "copier"),
            "copy",
            "--quiet",
            "--defaults",
            "--data=kind=service",
            *data,
            SOURCE,
            str(target),
        ]
        print("help")
        within = [
            compare(
                Contender("garscaffold --help", [str(BIN / "garscaffold"), "--help"]),
                Contender("copier --help", [str(BIN / "copier"), "--help"]),
                bound=0.2,
            )
        ]
        print("a new service, no commit")
        within.append(
            compare(
                Contender("garscaffold new --defaults --no-git", [*ours, "--no-git"], clean),
                Contender("copier copy --defaults", copier, clean),
                bound=1.0,
            )
        )
        print("a new service with its commit (no bound)")
        compare(
            Contender("garscaffold new --defaults", ours, clean),
            Contender("copier copy --defaults", copier, clean),
            bound=float("inf"),
        )
    sys.exit(not all(within))


if __name__ == "__main__":
    main()
