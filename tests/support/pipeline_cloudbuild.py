"""Runs a cloudbuild.yaml as Cloud Build does: one container a step, /workspace and named volumes shared between them.

What it does with each field is what https://cloud.google.com/build/docs/build-config-file-schema says; a field that it
does not know is an error, so that nothing in a file is passed over. Steps run one at a time, and of those that need not
wait for another the one that stands last comes first: where a `waitFor` says too little, that shows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from tests.support.engine import OwnEngine

FIELDS = {"steps", "substitutions", "serviceAccount", "options", "images", "timeout", "tags"}
STEP_FIELDS = {"id", "name", "args", "env", "dir", "entrypoint", "script", "secretEnv", "volumes", "waitFor"}
# https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values: empty where there is none.
BUILT_IN = ("PROJECT_ID", "BUILD_ID", "LOCATION", "TAG_NAME", "BRANCH_NAME", "COMMIT_SHA", "SHORT_SHA", "REPO_NAME")
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|([A-Z_][A-Z0-9_]*)|)")


@dataclass(frozen=True)
class Builder:
    """What stands in for a builder's image.

    Attributes:
        image: The image that is run.
        entrypoint: The program that the builder's image runs.
        mounts: Files and folders of this machine that are in it, by their place there.
    """

    image: str
    entrypoint: str = ""
    mounts: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class CloudBuild:
    """Where builds run.

    Attributes:
        engine: The engine that steps run on, and that they talk to.
        builders: What stands in for each builder.
        variables: What a step needs to reach the sandbox from this machine: no step of a real build has them.
        mounts: The same of files.
        docker_config: The registries that the build's service account is logged in to, as the service writes it.
        secrets: Values of `secretEnv`.
        cache: A volume in which tools that install keep what they downloaded, for the next build; none if empty.
    """

    engine: OwnEngine
    builders: Mapping[str, Builder]
    variables: Mapping[str, str]
    mounts: Mapping[str, Path]
    docker_config: str = "{}"
    secrets: Mapping[str, str] = field(default_factory=dict)
    cache: str = ""

    @contextmanager
    def run(self, source: Path, file: str = "cloudbuild.yaml", **given: str) -> Iterator["Build"]:
        """Run a build of a folder; its volumes are there until the block ends.

        Args:
            source: What is uploaded: a copy of it becomes /workspace.
            file: The build's definition in it.
            given: Substitutions, built-in ones among them.
        """
        definition = yaml.safe_load((source / file).read_text())
        chosen = {name for name in given if name not in BUILT_IN}
        assert chosen <= set(definition.get("substitutions", {})), "a substitution that the file does not have"
        assert set(definition) <= FIELDS, f"a field that is not known here: {set(definition) - FIELDS}"
        steps = list(in_order(definition["steps"]))
        build = Build(self, f"cloudbuild-{uuid4().hex[:8]}", steps, {**dict.fromkeys(BUILT_IN, ""), **given})
        build.substitutions["BUILD_ID"] = given.get("BUILD_ID") or build.name
        # What the file says is a default.
        build.substitutions.update({k: v for k, v in definition.get("substitutions", {}).items() if k not in given})
        try:
            build.upload(source, self.docker_config)
            for step in steps:
                build.step(step)
            for image in definition.get("images", []):
                build.must("push", build.substitute(image))
            yield build
        finally:
            build.remove()


@dataclass
class Build:
    """A build on its way.

    Attributes:
        where: Where it runs.
        name: What its volumes are named for.
        steps: What it does, in that order.
        substitutions: The values of `$NAME`.
        said: What each step printed, by its id.
    """

    where: CloudBuild
    name: str
    steps: Sequence[Mapping[str, Any]]
    substitutions: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)
    _volumes: set[str] = field(default_factory=set)

    def substitute(self, text: str) -> str:
        """Put values in the place of `$NAME` and `${NAME}`, and one `$` in that of two."""

        def value(found: re.Match[str]) -> str:
            if found[1]:
                return "$"
            name = found[2] or found[3]
            assert name in self.substitutions, f"no substitution is named {name}: {text}"
            return self.substitutions[name]

        return _REFERENCE.sub(value, text)

    def upload(self, source: Path, docker_config: str) -> None:
        """Fill /workspace, and the home folder with what the service writes there."""
        archive = self.must(
            "create",
            "--network=none",
            *self._volume("workspace", "/workspace"),
            *self._home(),
            self._any_image(),
            "true",
        )
        container = archive.strip()
        self.must("cp", f"{source}/.", f"{container}:/workspace")
        configuration = source.parent / f"{self.name}.json"
        configuration.write_text(docker_config)
        self.must("cp", str(configuration), f"{container}:/builder/home/config.json")
        configuration.unlink()
        self.must("rm", container)
        self._shell("mkdir -p /builder/home/.docker && mv /builder/home/config.json /builder/home/.docker/config.json")

    def step(self, step: Mapping[str, Any]) -> None:
        """Run a step's container; the build fails with it."""
        assert set(step) <= STEP_FIELDS, f"a field that is not known here: {set(step) - STEP_FIELDS}"
        builder = self.where.builders[self.substitute(step["name"])]
        options = [*self._volume("workspace", "/workspace"), *self._home()]
        for volume in step.get("volumes", []):
            options += self._volume(volume["name"], volume["path"])
        for place, path in {**self.where.mounts, **builder.mounts}.items():
            options += ["--volume", f"{path}:{place}:ro"]
        variables = {**self.where.variables}
        if self.where.cache:
            options += ["--volume", f"{self.where.cache}:/cache"]
            variables |= {"PIP_CACHE_DIR": "/cache/pip", "UV_CACHE_DIR": "/cache/uv", "UV_LINK_MODE": "copy"}
        variables |= dict(self.substitute(line).split("=", 1) for line in step.get("env", []))
        variables |= {name: self.where.secrets[name] for name in step.get("secretEnv", [])}
        for name, value in variables.items():
            options += ["--env", f"{name}={value}"]
        entrypoint = self.substitute(step.get("entrypoint", builder.entrypoint))
        command = [self.substitute(argument) for argument in _listed(step.get("args", []))]
        if "script" in step:
            # Nothing is substituted in a script.
            entrypoint, command = "sh", ["-c", 'printf %s "$0" >/tmp/script; chmod +x /tmp/script; /tmp/script']
            command.append(step["script"] if step["script"].startswith("#!") else f"#!/bin/sh\n{step['script']}")
        folder = str(Path("/workspace") / self.substitute(step.get("dir", "")))
        run = ["run", "--rm", "--network=host", "--volume", f"{self.where.engine.socket}:/var/run/docker.sock"]
        run += ["--workdir", folder, *(["--entrypoint", entrypoint] if entrypoint else [])]
        name = step.get("id", f"step {len(self.said)}")
        self.said[name] = self.must(*run, *options, builder.image, *command)

    def read(self, volume: str, path: str) -> bytes:
        """Return a file of one of the build's volumes."""
        return self._shell(f"cat '/volume/{path}'", *self._volume(volume, "/volume")).encode()

    def remove(self) -> None:
        """Take the build's volumes away."""
        self.must("volume", "rm", "--force", *sorted(self._volumes))

    def must(self, *arguments: str) -> str:
        """Run docker, which has to succeed; return what it said."""
        done = self.where.engine.docker(*arguments)
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"docker {' '.join(arguments)}\nended with {done.returncode}:\n{said}"
        return said

    def _volume(self, name: str, path: str) -> Sequence[str]:
        self._volumes.add(f"{self.name}-{name}")
        return ["--volume", f"{self.name}-{name}:{path}"]

    def _home(self) -> Sequence[str]:
        return [*self._volume("home", "/builder/home"), "--env", "HOME=/builder/home"]

    def _any_image(self) -> str:
        return next(iter(self.where.builders.values())).image

    def _shell(self, line: str, *options: str) -> str:
        return self.must("run", "--rm", "--network=none", *self._home(), *options, self._any_image(), "sh", "-c", line)


def in_order(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a build, each after those that it waits for; of several that may be next, the last."""
    identifiers = [step.get("id", f"step {number}") for number, step in enumerate(steps)]
    done: set[str] = set()
    while len(done) < len(steps):
        ready = []
        for number, (name, step) in enumerate(zip(identifiers, steps, strict=True)):
            awaited = step.get("waitFor") or identifiers[:number]
            unknown = set(awaited) - set(identifiers) - {"-"}
            assert not unknown, f"{name} waits for a step that is none: {unknown}"
            if name not in done and set(awaited) - {"-"} <= done:
                ready.append(number)
        assert ready, "steps wait for each other"
        done.add(identifiers[ready[-1]])
        yield steps[ready[-1]]


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
