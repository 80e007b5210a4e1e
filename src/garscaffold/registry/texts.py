"""Repositories as text for a terminal; pure."""

from collections.abc import Sequence

import click

from garscaffold.console import table
from garscaffold.registry.audit import Finding, readers, writers
from garscaffold.values import Format, Mode, Policy, Repository, size_text


def addresses(repositories: Sequence[Repository]) -> str:
    """Return where to publish to, install from and push to."""
    rows = []
    for each in repositories:
        if each.upload_url:
            rows.append(["publish to", each.upload_url])
        if each.mode is Mode.VIRTUAL or (each.upload_url and not _is_behind(each, repositories)):
            rows.append(["install from", each.url])
        if each.format is Format.DOCKER:
            rows.append(["images", f"{each.url}/NAME:TAG"])
    return table([], rows)


def _is_behind(repository: Repository, others: Sequence[Repository]) -> bool:
    return any(upstream.repository == repository.path for other in others for upstream in other.upstreams)


def description(repository: Repository, policy: Policy | None, findings: Sequence[Finding]) -> str:
    """Return all there is to know about a repository.

    Args:
        repository: Which one.
        policy: Who may use it; None when that could not be read.
        findings: Grants of it that reach too far.
    """
    rows = [
        ["where", repository.url],
        ["publish to", repository.upload_url],
        ["what", f"{repository.mode} {repository.format}, {size_text(repository.size_bytes)}"],
        ["description", repository.description],
        ["labels", ", ".join(f"{key}={value}" for key, value in sorted(repository.labels.items()))],
        ["key", repository.kms_key],
        ["remote of", repository.source],
        *(
            ["upstream", f"{each.repository.rpartition('/')[2]} (priority {each.priority})"]
            for each in sorted(repository.upstreams, key=lambda each: -each.priority)
        ),
        *(["cleanup", str(each)] for each in repository.cleanup_policies),
        ["", "(a dry run: nothing is deleted)" if repository.cleanup_dry_run and repository.cleanup_policies else ""],
        ["tags", "immutable" if repository.immutable_tags else ""],
        ["readers", "\n".join(readers(policy)) or "nobody by a grant on this repository" if policy else "not known"],
        ["writers", "\n".join(writers(policy)) or "nobody by a grant on this repository" if policy else "not known"],
    ]
    lines = [click.style(repository.name, bold=True)]
    for label, text in rows:
        for number, line in enumerate(text.splitlines()):
            lines.append(f"  {label if number == 0 else '':<12}{line}")
    for finding in findings:
        lines.append(f"  {click.style('warning', fg='yellow', bold=True)}     {finding.sentence}")
        lines.append(f"  {click.style('mend', fg='green', bold=True)}        {finding.mend}")
    return "\n".join(lines)
