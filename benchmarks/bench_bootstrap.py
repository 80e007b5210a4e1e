"""How long `repo bootstrap` takes on the sandbox, in fresh processes. Run: python benchmarks/bench_bootstrap.py

Four repositories and six grants, beside the floor: a fresh process that loads Google's client and makes one call.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from garscaffold.sandbox import Sandbox

BOUND_SECONDS = 2.0
ROUNDS = 9
PLACE = ("--location", "europe-west1")
MEMBERS = ("--reader", "group:developers@acme.com", "--writer", "serviceAccount:b@acme-prod.iam.gserviceaccount.com")
FLOOR = """
from garscaffold.registry.gar import connect
connect().repositories("acme-floor", "europe-west1")
"""


def seconds(command: Sequence[str], environment: dict[str, str]) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    times: dict[str, list[float]] = {"floor: one call": [], "bootstrap": [], "bootstrap again": []}
    calls: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(Path(folder) / "sandbox") as sandbox:
        environment = {**os.environ, **sandbox.environment()}
        for number in range(ROUNDS + 1):
            project = f"acme-{uuid.uuid4().hex[:12]}"
            bootstrap = [sys.executable, "-m", "garscaffold", "repo", "bootstrap", "--gcp-project", project, *PLACE]
            commands = {
                "floor: one call": [sys.executable, "-c", FLOOR],
                "bootstrap": [*bootstrap, *MEMBERS, "-y", "--json"],
                "bootstrap again": [*bootstrap, *MEMBERS, "-y", "--json"],
            }
            for name, command in commands.items():
                took, said = seconds(command, environment)
                if said:
                    calls[name] = json.loads(said)["api_calls"]
                if number:  # the first round only warms the disk cache and the compiled files
                    times[name].append(took)
    for name, took_each in times.items():
        made = f"{calls[name]:3} calls" if name in calls else "  1 call"
        print(f"  {name:<18} {statistics.median(took_each):5.2f} s (to {max(took_each):.2f} s) {made}")
    ratio = statistics.median(a / b for a, b in zip(times["bootstrap"], times["floor: one call"], strict=True))
    print(f"  ratio to the floor {ratio:.2f}; bound {BOUND_SECONDS} s")
    sys.exit(statistics.median(times["bootstrap"]) > BOUND_SECONDS)


if __name__ == "__main__":
    main()
