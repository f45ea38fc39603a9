"""The report: every experiment's table and figures, the claims, and the page, all from records."""

import json
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.core.files import write_text
from benchmarks.core.records import Record
from benchmarks.core.store import Store
from benchmarks.core.versions import versions
from benchmarks.report import calibration, claim_tables
from benchmarks.report.answer import Scope, not_run, scopes
from benchmarks.report.claims import ClaimResult, beside_plain, judge_claims
from benchmarks.report.closing import PAGE, PDF, Told, numbers_of
from benchmarks.report.comparison import latex_text, markdown_text, to_markdown, write_table
from benchmarks.report.evidence import ANY, Evidence, limit_told, read_evidence
from benchmarks.report.flips import flips
from benchmarks.report.layout import Table
from benchmarks.report.page import Page, Section, render_page
from benchmarks.report.paper import CLAIMS, Experiment, Paper
from benchmarks.report.plots import Captioned, files_of, write_figure
from benchmarks.report.tables import FORMATS

LIBRARIES = ("torch", "torchvision", "numpy", "pandas", "fvcore", "pillow", "scikit-learn", "scipy", "matplotlib")
MANIFEST, LATEX_LOG = "manifest.json", "report.log"
TEXTS = (".md", ".tex", ".csv", ".html")
Environment = Sequence[tuple[str, str]]
LATEX = r"""\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
%% Latin Modern has outlines in T1; without it LaTeX sets T1 in bitmaps, Type 3, but OT1 in outlines.
\IfFileExists{lmodern.sty}{\usepackage{lmodern}\usepackage[T1]{fontenc}}{}
\usepackage{booktabs,graphicx,hyperref,longtable}
\usepackage[paperwidth=297mm,paperheight=500mm,margin=12mm]{geometry}
\begin{document}
\section*{%s}
%s

%s
\end{document}"""


@dataclass(frozen=True)
class Wanted:
    """What of a results folder is shown.

    Attributes:
        paper: The paper.
        names: Its experiments, with ``claims`` among them where the claims are wanted.
        profile: Name of the profile, None for that of the newest record.
        models: The models, None for all.
    """

    paper: Paper
    names: tuple[str, ...]
    profile: str | None = None
    models: tuple[str, ...] | None = None

    def evidence(self, store: Store) -> Evidence:
        """The records that are shown.

        Raises:
            ValueError: There is none.
        """
        return read_evidence(store, self.paper.profiles, self.profile, self.models, self.paper.program)

    def measured(self, store: Store) -> Evidence:
        """The records that are shown, if anything of what is wanted was measured.

        Raises:
            ValueError: As :meth:`evidence`, or nothing was; the message names the command that measures it.
        """
        evidence = self.evidence(store)
        # Claims say by themselves what each of them lacks.
        if CLAIMS in self.names and evidence.of_models:
            return evidence
        if any(self.paper.experiment(name).table(evidence).has_numbers for name in self.experiments):
            return evidence
        told = evidence.told
        why = f" ({len(told)} of its cells could not be run, the first: {told[0].reason})" if told else ""
        models = ["--models", ",".join(self.models)] if self.models else []
        names = [] if self.names == self.paper.names else self.experiments
        options = ["--profile", evidence.profile.name, *models, "--results", str(store.folder)]
        command = " ".join([self.paper.program, "run", *names, *options]) + limit_told(evidence.records)
        wanted = " ".join([*names, *models])
        what = f"nothing of {wanted}" if wanted else "nothing"
        raise ValueError(f"{what} is measured in {store.folder}{why}; measure it with `{command}`")

    def with_all_measured(self, evidence: Evidence) -> "Wanted":
        """The same with the claims and every other experiment that anything was measured of."""
        measured = [
            name
            for name in self.paper.names
            if name in (*self.names, CLAIMS) or self.paper.experiment(name).table(evidence).has_numbers
        ]
        return replace(self, names=tuple(measured))

    @property
    def experiments(self) -> list[str]:
        """The experiments among the names."""
        return [name for name in self.names if name != CLAIMS]

    def judged(self, evidence: Evidence) -> list[ClaimResult]:
        """The paper's claims, if they are wanted."""
        if CLAIMS not in self.names:
            return []
        rules = self.paper.claim_rules
        return beside_plain(judge_claims(self.paper.claims(), evidence, rules), evidence, rules)


def render(wanted: Wanted, evidence: Evidence, out: Path) -> list[Path]:
    """Write tables and figures; nothing is run.

    Returns:
        The files.
    """
    files = [file for name in wanted.experiments for file in render_one(wanted.paper, name, evidence, out)]
    results = wanted.judged(evidence)
    return [*files, *(claim_tables.write(results, out) if results else [])]


def render_one(paper: Paper, name: str, evidence: Evidence, out: Path) -> list[Path]:
    """Write one experiment's table and figures."""
    return write_section(name, paper.experiment(name), evidence, out)[1]


def write_section(name: str, experiment: Experiment, evidence: Evidence, out: Path) -> tuple[Section, list[Path]]:
    """Write an experiment's table and figures.

    Returns:
        Its section, and the files.
    """
    figures = experiment.figures(evidence) if experiment.figures else ()
    return section_of(name, experiment.table(evidence), figures, out)


def section_of(name: str, table: Table, figures: Iterable[Captioned], out: Path) -> tuple[Section, list[Path]]:
    """Write a table and figures; what of the figures is not measured is said with the table's notes.

    A figure of which nothing is measured is not drawn, and what an earlier rendering left of it goes.

    Returns:
        The section, in which figures stand by their captions, and the files.
    """
    files: list[Path] = []
    shown: dict[str, Path] = {}
    lacks = []
    for one in figures:
        paths = files_of(out / "figures", one.name)
        if one.figure is None:
            for path in paths:
                path.unlink(missing_ok=True)
        else:
            files += write_figure(one.figure, out / "figures", one.name)
            shown[one.caption] = next(path for path in paths if path.suffix == ".svg")
        lacks += [one.lacks] if one.lacks else []
    table = replace(table, notes=[*table.notes, *lacks])
    return Section(name, table, shown), [*write_table(table, out / "tables"), *files]


def text_of(wanted: Wanted, name: str, evidence: Evidence) -> str:
    """One experiment's table, or the claims, for a terminal."""
    if name == CLAIMS:
        return claim_tables.text_of(wanted.judged(evidence), evidence.profile, wanted.paper.claim_rules)
    return to_markdown(wanted.paper.experiment(name).table(evidence))


def write_report(wanted: Wanted, store: Store, out: Path) -> Evidence:
    """Write everything to a folder, from records alone; compiled too where LaTeX is installed.

    Returns:
        The records that it is made from.

    Raises:
        ValueError: There is no record of what is wanted; LaTeX cannot compile what was written.
    """
    evidence = wanted.measured(store)
    write_page(wanted, evidence, store, out)
    pdf(out)
    return evidence


def write_page(wanted: Wanted, evidence: Evidence, store: Store, out: Path) -> None:
    """Write tables, figures, the page and its texts, with a manifest by which they can be verified."""
    environment = environment_of(evidence)
    files = write_texts(wanted, evidence, out, environment)
    (out / PDF).unlink(missing_ok=True)  # of other records
    manifest = {
        "paper": wanted.paper.name,
        "profile": evidence.profile.name,
        "models": wanted.models,
        "experiments": list(wanted.names),
        "environment": environment,
        "files": sorted(path.relative_to(out).as_posix() for path in files if path.suffix in TEXTS),
        "records": hashes(evidence.records, store),
    }
    write_text(out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))


def hashes(records: Iterable[Record], store: Store) -> dict[str, str]:
    """SHA-256 of each record's content, by the record's id."""
    digests = store.digests()
    return {record.id: digests[record.id] for record in records}


def write_texts(wanted: Wanted, evidence: Evidence, out: Path, environment: Environment) -> list[Path]:
    """Tables, figures, page, Markdown and LaTeX; see :func:`write_report`."""
    files: list[Path] = []
    sections = []
    for name in wanted.experiments:
        section, written = write_section(name, wanted.paper.experiment(name), evidence, out)
        sections.append(section)
        files += written
    if CLAIMS in wanted.names:
        tried, of_tried = calibration_of(evidence, out)
        sections, files = [*sections, *tried], [*files, *of_tried]
    results = wanted.judged(evidence)
    files += claim_tables.write(results, out) if results else []
    page = page_of(wanted.paper, evidence, sections, results, environment)
    texts = {
        PAGE: render_page(page),
        "report.md": markdown(page),
        "report.tex": latex(page, files, out),
    }
    texts |= {"answer.md": claim_tables.answer(results)} if results else {}
    for name, text in texts.items():
        write_text(out / name, text)
        files.append(out / name)
    return files


def calibration_of(evidence: Evidence, out: Path) -> tuple[list[Section], list[Path]]:
    """How often the rules are wrong, where that was tried: the section and its files."""
    tried = calibration.read(evidence.folder)
    if tried is None:
        return [], []
    table = calibration.table(*tried)
    section, files = section_of(calibration.NAME, table, calibration.figures(*tried), out)
    return [section], files


def environment_of(evidence: Evidence) -> Environment:
    """What the records were made on, and what renders them."""
    records, profile = evidence.records, evidence.profile.name
    devices = sorted({str(record.inputs["processor"]) for record in records if record.cell.kind == "efficiency"})
    mine = [record for record in records if record.cell.profile in (profile, ANY)]
    rendered_with = ", ".join(f"{name} {version}" for name, version in versions(*LIBRARIES).items())
    dates = sorted(record.created[:10] for record in mine)
    return [
        ("profile", profile),
        ("records", f"{len(mine)}, from {dates[0]} to {dates[-1]}" if dates else "none"),
        ("speed and memory measured on", "; ".join(devices) or "not measured"),
        ("libraries of the records", "; ".join(libraries(mine))),
        ("rendered with", f"Python {platform.python_version()}, {rendered_with}"),
    ]


def page_of(
    paper: Paper,
    evidence: Evidence,
    sections: Sequence[Section],
    results: Sequence[ClaimResult],
    environment: Environment,
) -> Page:
    """All that the page shows."""
    numbers = list(numbers_of([section.table for section in sections], evidence))
    return Page(
        title=paper.title,
        subtitle=f"{paper.cited}, profile {evidence.profile.name}, {len(evidence.records)} records",
        scopes=answer_of(paper, evidence, numbers, results),
        judged=[one.value.judgement for one in numbers if one.value.judgement is not None],
        sections=sections,
        claims=results,
        claims_summary=claim_tables.summary(results, evidence.profile, paper.claim_rules) if results else "",
        rules=paper.claim_rules,
        deviations=paper.deviations.read_text(encoding="utf-8") if paper.deviations else "",
        environment=environment,
        records={record.id: record for record in evidence.records},
        command=evidence.command,
        sources=paper.sources(),
        flips=flips(evidence),
    )


def answer_of(paper: Paper, evidence: Evidence, numbers: Sequence[Told], results: Sequence[ClaimResult]) -> list[Scope]:
    """The answer, scope by scope; last the paper's own data, where nothing was measured on them."""
    answer = scopes(results, numbers, evidence)
    others = [one for one in paper.profiles.values() if one.papers_data]
    if others and not evidence.profile.papers_data:
        answer.append(not_run(paper.program, others[0].name, others[0].trains))
    return answer


def libraries(records: Iterable[Record]) -> list[str]:
    """Library versions that records were made with."""
    used = {f"{name} {record.inputs[name]}" for record in records for name in LIBRARIES if name in record.inputs}
    return sorted(used)


def markdown(page: Page) -> str:
    """The report in Markdown."""
    parts = [f"# {page.title}", page.subtitle]
    if page.claims:
        parts += [page.claims_summary, "## Claims", FORMATS["md"]([claim_tables.row(one) for one in page.claims])]
    for section in page.sections:
        parts.append(to_markdown(section.table))
        for caption, path in section.figures.items():
            parts += [f"![{path.stem}](figures/{path.with_suffix('.png').name})", f"*Figure: {markdown_text(caption)}*"]
    parts.append("\n".join(["## Environment", "", *(f"- {name}: {value}" for name, value in page.environment)]))
    return "\n\n".join(parts)


def latex(page: Page, files: Sequence[Path], out: Path) -> str:
    """The report in LaTeX: it inputs the tables and includes the figures."""
    inputs = [rf"\input{{{path.relative_to(out).as_posix()}}}" for path in files if path.suffix == ".tex"]
    # At their own size, for which their text is made.
    figures = [
        rf"\begin{{center}}\includegraphics{{{path.with_suffix('.pdf').relative_to(out).as_posix()}}}\\[1ex]"
        rf"\parbox{{183mm}}{{\small {latex_text(caption)}}}\end{{center}}"
        for section in page.sections
        for caption, path in section.figures.items()
    ]
    return LATEX % (latex_text(page.title), latex_text(page.claims_summary), "\n\n".join([*inputs, *figures]))


def pdf(out: Path) -> None:
    """Compile the report, where LaTeX is installed; of what LaTeX writes besides, its log is kept where it fails.

    Raises:
        ValueError: LaTeX fails; the message names its log.
    """
    program = shutil.which("pdflatex")
    if program is None:
        return
    log = out / LATEX_LOG
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        done = compiled(program, out, Path(folder))
        if done.returncode == 0:
            shutil.copyfile(Path(folder) / PDF, out / PDF)
            return
        told = Path(folder) / LATEX_LOG
        log.write_bytes(told.read_bytes() if told.exists() else done.stdout.encode())
    reason = next((line for line in done.stdout.splitlines() if line.startswith("!")), "no reason given")
    raise ValueError(f"LaTeX cannot compile {out / 'report.tex'} ({reason}), see {log}; the page is {out / PAGE}")


def compiled(program: str, out: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """LaTeX's run on the report in ``out``, which reads that folder and writes to another one."""
    options = ["-interaction=nonstopmode", "-halt-on-error", f"-output-directory={folder.resolve()}"]
    command = [program, *options, "report.tex"]
    return subprocess.run(command, cwd=out, capture_output=True, text=True, errors="replace")
