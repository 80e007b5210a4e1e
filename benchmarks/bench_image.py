"""How long a service's image takes to build again, and how large it is, beside two other Dockerfiles.

Run: python benchmarks/bench_image.py   (a Docker engine has to answer, and builds reach the network as the host does)

The others: `copy-all` copies everything and installs then, as tutorials do; `plain` installs from requirements.txt
first. All three install the same packages: the generated service from a sandbox, the others from pip's own index.
It empties the engine's build cache.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from garscaffold.commands import demo
from garscaffold.sandbox import Sandbox

PYTHON = "3.13"
COPY_ALL = f"""FROM python:{PYTHON}-slim
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


@dataclass(frozen=True)
class Contender:
    """A folder with a Dockerfile, and what its build is given."""

    name: str
    folder: Path
    options: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        return f"garscaffold-bench-{self.name}"

    def build(self) -> float:
        began = time.perf_counter()
        command = ["docker", "build", "--quiet", "--network=host", f"--tag={self.image}", *self.options, "."]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return time.perf_counter() - began

    def size(self) -> float:
        """Return the size above the base image, in MB."""
        sizes = [
            int(subprocess.run(["docker", "image", "inspect", "--format", "{{.Size}}", image],
                               check=True, capture_output=True, text=True).stdout)
            for image in (self.image, f"python:{PYTHON}-slim")
        ]  # fmt: skip
        return (sizes[0] - sizes[1]) / 1e6


def contenders(folder: Path, sandbox: Sandbox) -> tuple[list[Contender], Callable[[], object]]:
    """Make the three projects, and return how the generated one locks again."""
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
    for name, dockerfile in (("copy-all", COPY_ALL), ("plain", PLAIN)):
        shutil.copytree(generated / "src", folder / name / "src")
        (folder / name / "requirements.txt").write_text(requirements)
        (folder / name / "Dockerfile").write_text(dockerfile)
        others.append(Contender(name, folder / name))
    secrets = {"ca_bundle": sandbox.bundle_file, "gar_adc": sandbox.adc_file()}
    options = (
        f"--build-arg=HTTPS_PROXY={sandbox.proxy_url}",
        *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
    )
    return [Contender("generated", generated, options), *others], lock


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Sandbox.start(Path(name) / "sandbox") as sandbox:
        every, lock = contenders(Path(name), sandbox)
        seconds: dict[str, list[float]] = {each.name: [] for each in every}
        for each in every:
            subprocess.run(["docker", "builder", "prune", "--all", "--force"], check=True, capture_output=True)
            seconds[each.name].append(each.build())
            with (each.folder / "src" / "orders" / "app.py").open("a") as source:
                source.write("\n# one more line\n")
            seconds[each.name].append(each.build())
            file = each.folder / ("pyproject.toml" if each.name == "generated" else "requirements.txt")
            file.write_text(file.read_text().replace("uvicorn>=0.54", "uvicorn>=0.53"))
            lock()
            seconds[each.name].append(each.build())
        print(f"{'':<12}{'from nothing':>14}{'source change':>15}{'dependency':>12}{'MB above base':>15}")
        for each in every:
            times = "".join(
                f"{spent:>{width}.1f}" for spent, width in zip(seconds[each.name], (14, 15, 12), strict=True)
            )
            print(f"{each.name:<12}{times}{each.size():>15.1f}")
        ratio = seconds["generated"][1] / seconds["copy-all"][1]
        smallest = min(every, key=Contender.size).name
        print(f"source change: ratio to copy-all {ratio:.2f}, bound {BOUND}; smallest image: {smallest}")
        subprocess.run(
            ["docker", "image", "rm", "--force", *(each.image for each in every)], check=False, capture_output=True
        )
    sys.exit(not (ratio <= BOUND and smallest == "generated"))


if __name__ == "__main__":
    main()
