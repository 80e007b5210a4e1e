"""How long a service's image takes to build again, and how large it is, beside two other Dockerfiles.

Run: python benchmarks/bench_image.py   (a Docker engine has to answer, and builds reach the network as the host does)

The others: `seed` copies everything and installs then, as the recipe did that this project began with; `plain` installs
from requirements.txt first. All three install the same packages: the generated service from a sandbox, the others from
pip's own index. Each is built from nothing, then by turns after a change of the source and after one of a dependency.
It empties the caches that builds mount in the engine.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from garscaffold.commands import demo
from garscaffold.sandbox import Sandbox

PYTHON = "3.13"
SEED = f"""FROM python:{PYTHON}-slim
WORKDIR /code
ENV PYTHONUNBUFFERED=1 PYTHONPATH=/code/src
COPY . /code/
RUN pip install --upgrade -r /code/requirements.txt
CMD ["python", "-m", "orders"]
"""
PLAIN = f"""FROM python:{PYTHON}-slim
WORKDIR /app
ENV PYTHONUNBUFFERED=1 PYTHONPATH=/app/src
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY src src
CMD ["python", "-m", "orders"]
"""
BOUND = 0.25
ROUNDS = 5
FROM_NOTHING = "from nothing"
SOURCE = "after a source change"
DEPENDENCY = "after a dependency change"


@dataclass(frozen=True)
class Contender:
    """A folder with a Dockerfile, and what its build is given."""

    name: str
    folder: Path
    options: tuple[str, ...] = ()
    lock: Callable[[], object] | None = None

    @property
    def image(self) -> str:
        return f"garscaffold-bench-{self.name}"

    def build(self, *options: str) -> float:
        """Build the image, and return how many seconds that took."""
        command = ["docker", "build", "--quiet", "--network=host", f"--tag={self.image}", *self.options, *options, "."]
        began = time.perf_counter()
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return time.perf_counter() - began

    def change_source(self, number: int) -> None:
        with (self.folder / "src/orders/app.py").open("a") as source:
            source.write(f"\n# line {number}\n")

    def change_dependency(self, number: int) -> None:
        """Lower a bound, so that what is installed stays the same for all."""
        file = self.folder / ("pyproject.toml" if self.lock else "requirements.txt")
        text, changes = re.subn(r"uvicorn( ?\(?)>=[\d.]+", rf"uvicorn\g<1>>=0.{50 - number}", file.read_text())
        assert changes == 1
        file.write_text(text)
        if self.lock:
            self.lock()

    def size(self) -> float:
        """Return the size above the base image, in MB."""
        sizes = [
            int(subprocess.run(["docker", "image", "inspect", "--format", "{{.Size}}", image],
                               check=True, capture_output=True, text=True).stdout)
            for image in (self.image, f"python:{PYTHON}-slim")
        ]  # fmt: skip
        return (sizes[0] - sizes[1]) / 1e6


def contenders(folder: Path, sandbox: Sandbox) -> list[Contender]:
    """Make the three projects, the generated one first."""
    for name, mode, upstreams in (("python", "standard", []), ("pypi", "remote", []), ("all", "virtual", ["pypi"])):
        sandbox.create_python_repository(demo.PROJECT, demo.LOCATION, name, mode, upstreams)
    (folder / "home").mkdir()
    environment = {**demo.clean_environment(folder, demo.installed_tools()), **sandbox.environment()}

    def run(*command: str, cwd: Path) -> None:
        subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    where = ("--gcp-project", demo.PROJECT, "--location", demo.LOCATION, "--index-mode", "virtual")
    names = (
        "--python-index",
        "all",
        "--python-version",
        PYTHON,
        "--author-name",
        "A",
        "--author-email",
        "a@example.com",
    )
    run("garscaffold", "new", "service", "orders", "--defaults", *where, *names, cwd=folder)
    generated = folder / "orders"

    def lock() -> None:
        run("poetry", "lock", cwd=generated)

    lock()
    requirements = "\n".join(["fastapi>=0.165,<1.0", "uvicorn>=0.54,<1.0"]) + "\n"
    others = []
    for name, dockerfile in (("seed", SEED), ("plain", PLAIN)):
        shutil.copytree(generated / "src", folder / name / "src")
        (folder / name / "requirements.txt").write_text(requirements)
        (folder / name / "Dockerfile").write_text(dockerfile)
        others.append(Contender(name, folder / name))
    secrets = {"ca_bundle": sandbox.bundle_file, "gar_adc": sandbox.adc_file()}
    options = (
        f"--build-arg=HTTPS_PROXY={sandbox.proxy_url}",
        *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
    )
    return [Contender("generated", generated, options, lock), *others]


def measure(every: Sequence[Contender]) -> Mapping[str, Mapping[str, list[float]]]:
    """Return the seconds of each build, by what came before it and by contender."""
    seconds: dict[str, dict[str, list[float]]] = {
        what: {each.name: [] for each in every} for what in (FROM_NOTHING, SOURCE, DEPENDENCY)
    }
    for _ in range(2):
        for each in every:
            prune = ["docker", "builder", "prune", "--force", "--filter=type=exec.cachemount"]
            subprocess.run(prune, check=True, capture_output=True)
            seconds[FROM_NOTHING][each.name].append(each.build("--no-cache"))
    for number in range(ROUNDS):
        for each in every:
            each.change_source(number)
            seconds[SOURCE][each.name].append(each.build())
        for each in every:
            each.change_dependency(number)
            seconds[DEPENDENCY][each.name].append(each.build())
    return seconds


def version_of(project: Path) -> str:
    """Return the version of the template that a project was made from."""
    (version,) = re.findall(r"^_commit: (.*)$", (project / ".copier-answers.yml").read_text(), re.MULTILINE)
    return str(version)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox.start(Path(name) / "sandbox") as sandbox:
        every = contenders(Path(name), sandbox)
        ours, *others = every
        print(f"template {version_of(ours.folder)}")
        try:
            seconds = measure(every)
            sizes = {each.name: each.size() for each in every}
        finally:
            images = [each.image for each in every]
            subprocess.run(["docker", "image", "rm", "--force", *images], check=False, capture_output=True)
    ratios: dict[tuple[str, str], float] = {}
    for what, times in seconds.items():
        print(what)
        for each in every:
            print(f"  {each.name:<12} {statistics.median(times[each.name]):7.1f} s")
        for other in others:
            found = [a / b for a, b in zip(times[ours.name], times[other.name], strict=True)]
            ratios[what, other.name] = statistics.median(found)
            spread = f"from {min(found):.2f} to {max(found):.2f}"
            bound = f"; bound {BOUND}" if (what, other.name) == (SOURCE, "seed") else ""
            print(f"  ratio to {other.name} {ratios[what, other.name]:.2f} ({spread}){bound}")
    print("size above the base image")
    for each in every:
        print(f"  {each.name:<12} {sizes[each.name]:7.2f} MB")
    smallest = min(sizes, key=lambda name: sizes[name])
    print(f"  smallest: {smallest}; bound: generated")
    sys.exit(not (ratios[SOURCE, "seed"] <= BOUND and smallest == ours.name))


if __name__ == "__main__":
    main()
