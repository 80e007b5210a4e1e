"""The combinations of answers that change what is generated."""

from collections.abc import Iterator, Mapping
from itertools import product

Answers = Mapping[str, object]

PRIVATE = ["acme-greetings>=0.1,<0.2", "Acme.Models[http]~=1.4"]


def every_combination() -> Iterator[Answers]:
    """Yield every combination of the choices that decide on files or their content."""
    for index_mode, private, ci in product(("explicit", "virtual"), ([], PRIVATE), ([], ["cloud-build"])):
        common = {"index_mode": index_mode, "private_packages": private, "ci": ci}
        yield {"kind": "package", **common}
        for framework, image_install in product(("fastapi", "flask", "worker"), ("secret", "workspace")):
            for deploy in ("none", "cloud-run") if ci else ("none",):
                service = {"kind": "service", "framework": framework, "image_install": image_install, "deploy": deploy}
                yield {**service, **common}
        # A manager does not mind what a service is built on, nor where it is deployed.
        for manager in ("uv", "pip"):
            yield {"kind": "package", "package_manager": manager, **common}
            for image_install in ("secret", "workspace"):
                yield {"kind": "service", "package_manager": manager, "image_install": image_install, **common}


def main_combinations() -> Iterator[Answers]:
    """Yield few combinations, in which every choice occurs."""
    yield {"kind": "package"}
    yield {"kind": "package", "index_mode": "virtual", "private_packages": PRIVATE, "ci": []}
    yield {"kind": "service", "framework": "fastapi"}
    yield {
        "kind": "service",
        "framework": "flask",
        "index_mode": "virtual",
        "deploy": "cloud-run",
        "location": "europe",
    }
    yield {
        "kind": "service",
        "framework": "worker",
        "image_install": "workspace",
        "private_packages": PRIVATE,
        "deploy": "cloud-run",
        "build_service_account": "builder@acme-prod.iam.gserviceaccount.com",
    }
    yield {"kind": "service", "framework": "fastapi", "private_packages": PRIVATE, "ci": []}
    yield {"kind": "package", "package_manager": "uv", "index_mode": "virtual"}
    yield {"kind": "service", "package_manager": "uv", "private_packages": PRIVATE, "deploy": "cloud-run"}
    yield {"kind": "service", "package_manager": "uv", "image_install": "workspace", "index_mode": "virtual"}
    yield {"kind": "package", "package_manager": "pip", "private_packages": PRIVATE}
    yield {"kind": "service", "package_manager": "pip", "private_packages": PRIVATE, "framework": "flask"}
    yield {"kind": "service", "package_manager": "pip", "image_install": "workspace", "index_mode": "virtual"}


def name_of(answers: Answers) -> str:
    """Return a short name for a combination, to tell tests apart."""
    return "-".join("+".join(map(str, value)) if isinstance(value, list) else str(value) for value in answers.values())
