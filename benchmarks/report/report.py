"""The report: every experiment's table and figures, the claims, and the page, all from records."""

import json
import platform
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.papers.tdam.all_claims import ClaimResult
from benchmarks.papers.tdam import EXPERIMENTS, find
from benchmarks.papers.tdam import claims as claims_experiment
from benchmarks.core.identity import versions
from benchmarks.core.records import Record, file_hash, write_text
from benchmarks.report.comparison import to_markdown
from benchmarks.report.page import Page, Section, render_page
from benchmarks.report.selection import recorded_seeds
from benchmarks.work.session import Session

ROOT = Path(__file__).resolve().parents[2]
TITLE = "Does TDAM reproduce, here?"
LIBRARIES = ("torch", "torchvision", "numpy", "pandas", "fvcore", "pillow", "scikit-learn", "scipy")
MANIFEST = "manifest.json"
TEXTS = (".md", ".tex", ".csv", ".html")
Environment = Sequence[tuple[str, str]]
LATEX = r"""\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx,hyperref,longtable}
\usepackage[paperwidth=297mm,paperheight=420mm,margin=12mm]{geometry}
\begin{document}
\section*{%s}
%s

%s
\end{document}"""


def write_report(session: Session, out: Path, experiments: Sequence[str] = EXPERIMENTS) -> list[Path]:
    """Write everything to a folder, from records alone, with a manifest by which it can be verified.

    Args:
        session: Profile, seeds (used where an experiment has no complete one) and results folder.
        out: The report's folder.
        experiments: Which of them; the claims are always there.

    Returns:
        The files.
    """
    environment = environment_of(session, session.store.records())
    files = write_texts(session, out, environment, experiments)
    write_text(
        out / MANIFEST, json.dumps(manifest(session, out, files, environment, experiments), indent=1, sort_keys=True)
    )
    return [*files, out / MANIFEST, *pdf(out)]


def manifest(
    session: Session, out: Path, files: Sequence[Path], environment: Environment, experiments: Sequence[str]
) -> dict[str, Any]:
    """What a report was made from: settings, text files, and the hash of every record that was there."""
    found = {record.id: session.store.record_path(record.cell, record.id) for record in session.store.records()}
    return {
        "profile": session.profile.name,
        "seeds": list(session.seeds),
        "environment": environment,
        "experiments": list(experiments),
        "files": sorted(path.relative_to(out).as_posix() for path in files if path.suffix in TEXTS),
        "records": {identity: file_hash(path) for identity, path in sorted(found.items())},
    }


def write_texts(session: Session, out: Path, environment: Environment, experiments: Sequence[str]) -> list[Path]:
    """Tables, figures, page, Markdown and LaTeX; see :func:`write_report`."""
    records = session.store.records()
    newest = {record.cell: record for record in records}
    claims = claims_experiment.results(session, records)
    files: list[Path] = []
    sections = []
    for name in experiments:
        if name == claims_experiment.NAME:
            files += claims_experiment.write(claims, out)
            continue
        experiment: Any = find(name)
        seen = replace(session, seeds=recorded_seeds(experiment.cells, session, newest))
        written = experiment.render(seen, records, out)
        files += written
        figures = {alt_of(experiment.TITLE, path): path for path in written if path.suffix == ".svg"}
        sections.append(Section(name, experiment.TITLE, experiment.table(seen, records), figures))
    page = page_of(session, records, sections, claims, environment)
    texts = {
        "index.html": render_page(page),
        "report.md": markdown(page),
        "report.tex": latex(page, [path for path in files if path.suffix == ".tex"], files, out),
    }
    for name, text in texts.items():
        write_text(out / name, text)
        files.append(out / name)
    return files


def alt_of(title: str, path: Path) -> str:
    """What a figure shows, in words."""
    return f"{title}: {path.stem.replace('-', ' ').replace('_', ' ')}"


def environment_of(session: Session, records: Sequence[Record]) -> Environment:
    """What the records were made on, and what renders them."""
    devices = sorted({str(record.inputs["device"]) for record in records if record.cell.task == "efficiency"})
    mine = [record for record in records if record.cell.profile in (session.profile.name, "any")]
    rendered_with = ", ".join(f"{name} {version}" for name, version in versions(*LIBRARIES).items())
    dates = sorted(record.created[:10] for record in mine)
    return [
        ("profile", session.profile.name),
        ("records", f"{len(mine)}, from {dates[0]} to {dates[-1]}" if dates else "none"),
        ("speed and memory measured on", "; ".join(devices) or "not measured"),
        ("libraries of the records", "; ".join(libraries(mine))),
        ("rendered with", f"Python {platform.python_version()}, {rendered_with}"),
    ]


def page_of(
    session: Session,
    records: Sequence[Record],
    sections: Sequence[Section],
    claims: list[ClaimResult],
    environment: Environment,
) -> Page:
    """All that the page shows."""
    return Page(
        TITLE,
        f"TDAM (ECCV 2022), profile {session.profile.name}, {len(records)} records",
        sections,
        claims,
        claims_experiment.summary(claims, session),
        (ROOT / "tdam" / "DEVIATIONS.md").read_text(),
        environment,
        {record.id: record for record in records},
    )


def libraries(records: Iterable[Record]) -> list[str]:
    """Library versions that records were made with."""
    found = {f"{name} {record.inputs[name]}" for record in records for name in LIBRARIES if name in record.inputs}
    return sorted(found)


def markdown(page: Page) -> str:
    """The report in Markdown."""
    from benchmarks.report.tables import FORMATS

    parts = [f"# {page.title}", page.subtitle, page.claims_summary, "## Claims"]
    parts.append(FORMATS["md"]([claims_experiment.row(result) for result in page.claims]))
    for section in page.sections:
        parts += [to_markdown(section.table)] if section.table is not None else [f"## {section.title}"]
        parts += [f"![{alt}](figures/{path.with_suffix('.png').name})" for alt, path in section.figures.items()]
    parts += ["## Environment", *(f"- {name}: {value}" for name, value in page.environment)]
    return "\n\n".join(parts)


def latex(page: Page, tables: Sequence[Path], files: Sequence[Path], out: Path) -> str:
    """The report in LaTeX: it inputs the tables and includes the figures."""
    inputs = [rf"\input{{{path.relative_to(out).as_posix()}}}" for path in tables]
    figures = [
        rf"\par\includegraphics[width=.8\linewidth]{{{path.relative_to(out).as_posix()}}}"
        for path in files
        if path.suffix == ".pdf"
    ]
    summary = page.claims_summary.replace("%", r"\%").replace("_", r"\_")
    return LATEX % (page.title, summary, "\n\n".join([*inputs, *figures]))


def pdf(out: Path) -> list[Path]:
    """The compiled report, where LaTeX is installed.

    Raises:
        ValueError: LaTeX fails; the message names its log.
    """
    program = shutil.which("pdflatex")
    if program is None:
        return []
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, errors="replace")
    if done.returncode:
        reason = next((line for line in done.stdout.splitlines() if line.startswith("!")), "no reason given")
        raise ValueError(f"LaTeX cannot compile {out / 'report.tex'} ({reason}); see {out / 'report.log'}")
    return [out / "report.pdf"]
