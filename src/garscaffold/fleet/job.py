"""The update of a fleet as a job of Cloud Run, each task of which does its part of the repositories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import yaml

TOKENS: Mapping[str, str] = MappingProxyType({"gh": "GH_TOKEN", "glab": "GITLAB_TOKEN"})
"""The variable in which each forge's program looks for its token."""
MOST_TASKS = 10_000
"""What Cloud Run takes: https://cloud.google.com/run/docs/create-jobs"""


@dataclass(frozen=True)
class Job:
    """What a job is made of.

    Args:
        name: Its name.
        image: An image with garscaffold, git and the forge's program.
        tasks: How many parts the fleet is divided into.
        arguments: What `garscaffold fleet update` is given.
        author: Name and address of who commits.
        forge: Which program signs git in: a key of `TOKENS`.
        secret: The name in Secret Manager of the forge's token.
    """

    name: str
    image: str
    tasks: int
    arguments: Sequence[str]
    author: tuple[str, str]
    forge: str
    secret: str


def definition(job: Job) -> str:
    """Write a job as `gcloud run jobs replace` reads it (https://cloud.google.com/run/docs/reference/yaml/v1).

    It names no part: tasks know theirs from the variables that Cloud Run sets.
    """
    # Settings of git as variables, so that the token is in no file and no URL (git-config, GIT_CONFIG_COUNT).
    settings = [
        ("user.name", job.author[0]),
        ("user.email", job.author[1]),
        ("credential.helper", f"!{job.forge} auth git-credential"),
    ]
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    token = {"name": TOKENS[job.forge], "valueFrom": {"secretKeyRef": {"name": job.secret, "key": "latest"}}}
    # What a task writes to its disk is in its memory (https://cloud.google.com/run/docs/container-contract#filesystem).
    container = {
        "image": job.image,
        "command": ["garscaffold"],
        "args": ["fleet", "update", "--yes", "--discard-clones", *job.arguments],
        "env": [*({"name": name, "value": value} for name, value in variables.items()), token],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    task = {"containers": [container], "maxRetries": 1, "timeoutSeconds": 3600}
    execution = {"taskCount": job.tasks, "parallelism": job.tasks, "template": {"spec": task}}
    document = {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {"name": job.name},
        "spec": {"template": {"spec": execution}},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
