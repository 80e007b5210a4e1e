"""What no judge sees in a pipeline: names that it refers to and that are not there, and a `$` that is not the shell's.

The rules are those of each CI's own documentation: Cloud Build's build configuration file schema and "Substituting
variable values", GitHub's workflow syntax, GitLab's CI/CD YAML reference, CircleCI's configuration reference.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Pipeline = Mapping[Any, Any]

# Cloud Build's own substitutions.
BUILT_IN = (
    r"(PROJECT|BUILD|REVISION)_ID|PROJECT_NUMBER|LOCATION|SERVICE_ACCOUNT(_EMAIL)?|(COMMIT|SHORT)_SHA"
    r"|(TRIGGER|REPO|REPO_FULL|BRANCH|TAG|REF)_NAME|TRIGGER_BUILD_CONFIG_PATH"
)
# Variables that the machine of a CI has, and the shell.
GIVEN = r"(GITHUB|RUNNER|CI|CIRCLE|DOCKER)_\w+|CI|HOME|PATH|PWD|BASH_ENV"
NO_JOB = r"after_script|before_script|cache|default|image|include|services|spec|stages|variables|workflow|[.].*"


def cloud_build(pipeline: Pipeline, text: str) -> Iterator[str]:
    """Yield what is wrong in a `cloudbuild.yaml`."""
    steps = pipeline["steps"]
    before: list[str] = []
    for step in steps:
        name = step.get("id", "")
        if not name or name in before:
            yield f"a step has no id of its own: {name!r}"
        for waited in step.get("waitFor", []):
            if waited != "-" and waited not in before:
                yield f"{name} waits for {waited}, and no step before it has that id"
        before.append(name)
    yield from _substitutions(pipeline, text)
    yield from _volumes(steps)
    for step in steps:
        # What is left of a line once Cloud Build has put its substitutions in.
        shell = [re.sub(r"\$(\$)|\$(?:\{\w+\}|\w+)", r"\1", line) for line in step.get("args", [])]
        known = {each.partition("=")[0] for each in [*step.get("env", []), *pipeline.get("options", {}).get("env", [])]}
        yield from _variables(step.get("id", ""), shell, known | set(step.get("secretEnv", [])))
    secrets = pipeline.get("availableSecrets", {})
    available = {each["env"] for each in secrets.get("secretManager", [])}
    available |= {name for each in secrets.get("inline", []) for name in each.get("envMap", {})}
    wanted = {name for step in steps for name in step.get("secretEnv", [])}
    yield from (f"the secret {name} is not available" for name in sorted(wanted - available))
    yield from (f"the secret {name} is used by no step" for name in sorted(available - wanted))


def _substitutions(pipeline: Pipeline, text: str) -> Iterator[str]:
    declared = set(pipeline.get("substitutions", {}))
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    used = set()
    # `$$` is a `$` of the shell; every other one begins a substitution.
    for match in re.finditer(r"\$(?P<shell>\$)?(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))?", body):
        name = match["braced"] or match["plain"]
        if match["shell"]:
            continue
        if name is None or not re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name):
            yield f"a $ of the shell is not written $$: {body[match.start() : match.start() + 20]!r}"
        elif not re.fullmatch(BUILT_IN, name):
            used.add(name)
    yield from (f"the substitution {name} has no value" for name in sorted(used - declared))
    yield from (f"the substitution {name} is used by nothing" for name in sorted(declared - used))
    yield from (f"a substitution's name begins with _: {name}" for name in sorted(declared) if name[0] != "_")


def _volumes(steps: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    mounted: list[str] = []
    for step in steps:
        volumes = step.get("volumes", [])
        mounted += [volume["name"] for volume in volumes]
        paths = [volume["path"] for volume in volumes]
        if len(set(paths)) < len(paths):
            yield f"{step['id']} mounts two volumes at one path"
        yield from (f"{step['id']} hides {path}" for path in paths if path.startswith("/workspace"))
    # Cloud Build refuses a volume that one step alone mounts.
    yield from (f"one step alone mounts {name}" for name in sorted(set(mounted)) if mounted.count(name) < 2)


def github(pipeline: Pipeline, text: str) -> Iterator[str]:
    """Yield what is wrong in a workflow."""
    jobs = pipeline["jobs"]
    yield from _order(jobs, {name: _listed(job.get("needs")) for name, job in jobs.items()})
    for name, job in jobs.items():
        known = {**pipeline.get("env", {}), **job.get("env", {})}
        earlier: set[str] = set()
        for step in job["steps"]:
            for wanted in re.findall(r"steps\.(\w+)\.", repr(step)):
                if wanted not in earlier:
                    yield f"{name} reads what the step {wanted} said, and no step before it has that id"
            earlier |= {step["id"]} if "id" in step else set()
            yield from _variables(name, [step.get("run", "")], {*known, *step.get("env", {})})
        uncalled = earlier - set(re.findall(r"steps\.(\w+)\.", repr(job)))
        yield from (f"nothing reads what the step {step} of {name} said" for step in sorted(uncalled))


def gitlab(pipeline: Pipeline, text: str) -> Iterator[str]:
    """Yield what is wrong in a `.gitlab-ci.yml`."""
    jobs = {name: job for name, job in pipeline.items() if not re.fullmatch(NO_JOB, name)}
    needs = {
        name: [each["job"] if isinstance(each, dict) else each for each in job.get("needs", [])]
        + list(job.get("dependencies", []))
        for name, job in jobs.items()
    }
    yield from _order(jobs, needs)
    stages = pipeline.get("stages", [])
    for name, job in jobs.items():
        if job.get("stage") not in stages:
            yield f"{name} is in the stage {job.get('stage')}, which is not there"
        yield from (f"{name} extends {each}" for each in _listed(job.get("extends")) if each not in pipeline)
        for other in needs[name]:
            if other in jobs and stages.index(jobs[other]["stage"]) > stages.index(job["stage"]):
                yield f"{name} needs {other} of a later stage"
        identities = {**pipeline.get("default", {}).get("id_tokens", {}), **job.get("id_tokens", {})}
        known = {*pipeline.get("variables", {}), *job.get("variables", {}), *identities}
        script = [*job.get("before_script", []), *job.get("script", [])]
        yield from _variables(name, ["\n".join(script)], known)
    yield from (f"no job is in the stage {each}" for each in stages if each not in [j["stage"] for j in jobs.values()])


def circleci(pipeline: Pipeline, text: str) -> Iterator[str]:
    """Yield what is wrong in a `.circleci/config.yml`."""
    jobs = pipeline["jobs"]
    run: set[str] = set()
    for workflow in pipeline["workflows"].values():
        entries = [each if isinstance(each, dict) else {each: {}} for each in workflow["jobs"]]
        settings = {name: details for entry in entries for name, details in entry.items()}
        yield from (f"a workflow runs {name}, which is no job" for name in settings if name not in jobs)
        yield from _order(settings, {name: details.get("requires", []) for name, details in settings.items()})
        run |= set(settings)
    yield from (f"no workflow runs {name}" for name in jobs if name not in run)
    for name, job in jobs.items():
        yield from _variables(name, ["\n".join(_commands(job["steps"]))], set(job.get("environment", {})))


SOUND: Mapping[str, Callable[[Pipeline, str], Iterator[str]]] = {
    "cloud-build": cloud_build,
    "github": github,
    "gitlab": gitlab,
    "circleci": circleci,
}


def _commands(steps: Any) -> Iterator[str]:
    """Yield the commands of steps, those that run on a condition included."""
    for step in steps:
        if isinstance(step, dict) and "run" in step:
            yield step["run"] if isinstance(step["run"], str) else step["run"]["command"]
        elif isinstance(step, dict) and "when" in step:
            yield from _commands(step["when"]["steps"])


def _order(jobs: Mapping[str, Any], needs: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for name, needed in needs.items():
        yield from (f"{name} needs {each}, which is not there" for each in needed if each not in jobs)
    done: set[str] = set()
    while ready := {name for name in jobs if name not in done and done.issuperset(set(needs[name]) & set(jobs))}:
        done |= ready
    yield from (f"{name} waits for itself" for name in jobs if name not in done)


def _variables(job: str, scripts: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Yield the variables of the environment that shell reads and nothing sets."""
    for script in scripts:
        assigned = set(re.findall(r"(?:^|[\s;(])(?:export )?([A-Z_][A-Z0-9_]*)=", script))
        read = set(re.findall(r"\$\{?([A-Z_][A-Z0-9_]*)\b(?!:?[-+])", script))
        for name in sorted(read - assigned - set(known)):
            if not re.fullmatch(GIVEN, name):
                yield f"{job} reads ${name}, which nothing sets"


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
