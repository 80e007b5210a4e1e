"""The combinations of answers that change what is generated.

Choices are read from `copier.yml`, and so is which question applies after which answers; test_matrix_choices.py fails
where a question is in neither of the two lists here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from garscaffold.template.questions import Question, Questionnaire
from tests.support.pairs import covering

Answers = Mapping[str, object]

ROOT = Path(__file__).parents[2]
PRIVATE = ["acme-greetings>=0.1,<0.2", "Acme.Models[http]~=1.4"]
# An image that only a key can pull before the first step.
EXECUTOR = "us-docker.pkg.dev/acme-prod/docker/ci:1"
PROVIDER = "projects/123456/locations/global/workloadIdentityPools/ci-pool/providers/ci-provider"
# What a CI outside Google Cloud signs in with.
KEYLESS = {
    "wif_provider": PROVIDER,
    "build_service_account": "builder@acme-prod.iam.gserviceaccount.com",
}

# Who may only read, where a project has an account for that.
READER = "tester@acme-prod.iam.gserviceaccount.com"

# Questions with choices of which every combination is generated.
VARIED = ("kind", "index_mode", "framework", "package_manager", "image_install", "ci", "deploy", "devcontainer")
# Those that only the covering set varies, and why.
FIXED = {"python_version": "a version appears in texts, and decides on no file and no line: each pair is enough"}
# Questions without choices whose answer decides on lines: these answers stand for all others.
LEVELS: Mapping[str, Sequence[object]] = {"private_packages": ([], PRIVATE)}
UNUSUAL: Answers = {
    **KEYLESS,
    "project_name": "orders-api",
    "module_name": "orders",
    "location": "europe",
    "python_repository": "wheels",
    "python_index": "everything",
    "source_name": "acme",
    "docker_repository": "images",
    "run_service_account": "orders@acme-prod.iam.gserviceaccount.com",
    "test_service_account": READER,
    "circleci_image": EXECUTOR,
}


@cache
def questionnaire() -> Questionnaire:
    """Return the questions of the working tree's template."""
    return Questionnaire.read(ROOT)


def is_choice(question: Question) -> bool:
    """Tell whether a question is asked and has answers that can be counted."""
    return not question.is_computed and bool(question.choices or question.type == "bool")


def choices(question: Question) -> list[Any]:
    """Return the answers among which a question chooses."""
    if question.type == "bool":
        return [True, False]
    return [choice.value for choice in questionnaire().choices(question, {})]


@cache
def every_combination() -> Sequence[Answers]:
    """Return the full matrix: every combination of the choices; of those of a list, each alone, none and all."""
    return tuple(map(_completed, _walk(VARIED, _alone_none_and_all)))


@cache
def covering_combinations(**fixed: object) -> Sequence[Answers]:
    """Return few combinations that hold every two choices which can be answered together; the same in each run.

    A choice of a list counts as one that is taken or left: every two of a list, too.

    Args:
        fixed: Questions that have one answer in all of them, such as the Python that there is.
    """
    rows = list(_walk((*VARIED, *FIXED), subsets, fixed))
    return tuple(_completed(rows[index]) for index in covering([features(row) for row in rows]))


def unusual_combinations() -> Iterator[Answers]:
    """Yield the covering set with other answers than the defaults to the questions that have no choices."""
    for answers in covering_combinations():
        unusual = dict(answers)
        for question in questionnaire().questions:
            if question.name in UNUSUAL and questionnaire().applies(question, unusual):
                unusual[question.name] = UNUSUAL[question.name]
        yield unusual


def features(answers: Answers) -> list[tuple[str, object]]:
    """Return what the answers to choices have in pairs: each answer, and of a list each choice, taken or left."""
    found: list[tuple[str, object]] = []
    for question in questionnaire().questions:
        if question.name not in answers:
            continue
        value: Any = answers[question.name]
        if question.multiselect:
            found += [(f"{question.name}: {choice}", choice in value) for choice in choices(question)]
        if question.multiselect or question.name in LEVELS:
            found.append((question.name, bool(value)))
        elif is_choice(question):
            found.append((question.name, value))
    return found


def _walk(varied: Sequence[str], of_list: Any, fixed: Answers | None = None) -> Iterator[dict[str, Any]]:
    """Yield every combination of answers to some questions, those left out that do not apply after the others."""
    rows: list[dict[str, Any]] = [{}]
    asked = questionnaire()
    for question in asked.questions:
        if question.name in LEVELS:
            answers = list(LEVELS[question.name])
        elif question.name in varied:
            answers = of_list(choices(question)) if question.multiselect else choices(question)
        else:
            continue
        if fixed and question.name in fixed:
            answers = [fixed[question.name]]
        rows = [
            {**row, **given}
            for row in rows
            for given in ([{question.name: a} for a in answers] if asked.applies(question, row) else [{}])
        ]
    yield from rows


def _alone_none_and_all(values: Sequence[object]) -> list[list[object]]:
    return [[], *([value] for value in values), list(values)]


def subsets(values: Sequence[object]) -> list[list[object]]:
    """Return every list that can be chosen from values."""
    return [list(some) for some in chain.from_iterable(combinations(values, n) for n in range(len(values) + 1))]


def _completed(answers: Mapping[str, Any]) -> Answers:
    return {**answers, **(KEYLESS if set(answers["ci"]) - {"cloud-build"} else {})}


def main_combinations() -> Iterator[Answers]:
    """Yield few combinations, in which every choice of every question occurs."""
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
    yield {"kind": "service", "private_packages": PRIVATE, "ci": ["github"], "deploy": "cloud-run", **KEYLESS}
    yield {"kind": "package", "ci": ["gitlab"], "devcontainer": False, "python_version": "3.12", **KEYLESS}
    yield {"kind": "package", "package_manager": "uv", "index_mode": "virtual"}
    yield {"kind": "service", "package_manager": "uv", "private_packages": PRIVATE, "deploy": "cloud-run"}
    yield {"kind": "service", "package_manager": "uv", "image_install": "workspace", "index_mode": "virtual"}
    yield {"kind": "service", "package_manager": "uv", "ci": ["gitlab"], "private_packages": PRIVATE, **KEYLESS}
    yield {"kind": "package", "package_manager": "pip", "private_packages": PRIVATE}
    yield {"kind": "service", "package_manager": "pip", "private_packages": PRIVATE, "framework": "flask"}
    yield {"kind": "service", "package_manager": "pip", "image_install": "workspace", "index_mode": "virtual"}
    yield {
        "kind": "service",
        "package_manager": "pip",
        "python_version": "3.11",
        "private_packages": PRIVATE,
        "ci": ["circleci"],
        "circleci_image": EXECUTOR,
        **KEYLESS,
    }


def name_of(answers: Answers) -> str:
    """Return a short name for a combination, to tell tests apart."""
    return "-".join("+".join(map(str, value)) if isinstance(value, list) else str(value) for value in answers.values())
