"""补录 on the command line: the options of a late entry, and the workflow that counts as having received then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganchu_workflow.cli.terminal import actor_of, instant_of

if TYPE_CHECKING:
    from ganchu_workflow.workflow import Workflow

Received = Annotated[
    str | None,
    typer.Option(
        "--received-at",
        help="补录:纸件收到的时刻,写到时分 / entered late: when it was received on paper, with its hour",
    ),
]
EnteredBy = Annotated[
    str,
    typer.Option("--entered-by", help="补录人 / who enters it: role or role#person, for example office#u-17"),
]
Reason = Annotated[str | None, typer.Option("--reason", help="补录理由(另存) / why it is entered late; kept apart")]
Proof = Annotated[
    Path | None,
    typer.Option("--evidence", help="收件凭证,记其摘要 / a scan of the receipt; its digest is kept"),
]
ProofAt = Annotated[
    str | None, typer.Option("--evidence-uri", help="凭证存放处,默认为文件路径 / where it is kept; default: the path")
]


def entering(
    workflow: Workflow, received: str | None, by: str, reason: str | None, proof: Path | None, uri: str | None
) -> Workflow:
    """The workflow itself; or, with `received`, the one whose acts count as received then.

    Raises `Invalid` where one of the three is missing, the hour is, or the file cannot be read.
    """
    from hashlib import sha256

    from ganchu_workflow.errors import Invalid

    if received is None:
        if reason is not None or proof is not None:
            raise Invalid("--reason and --evidence are of a late entry: give --received-at as well")
        return workflow
    if reason is None or proof is None:
        raise Invalid("--received-at: a late entry states why (--reason) and what shows it (--evidence FILE)")
    at = instant_of(received, "--received-at")
    try:
        digest = sha256(proof.read_bytes()).hexdigest()
    except OSError as error:
        raise Invalid(f"--evidence: {proof} cannot be read: {error.strerror or error}") from error
    role, _, person = by.partition("#")
    evidence = {"name": proof.name, "sha256": digest, "uri": uri or str(proof)}
    by_whom = actor_of(role, person, option="--entered-by")
    return workflow.entering_late(at, by=by_whom, reason=reason, evidence=evidence)
