"""Programs that a repository or its git configuration names: which of them aiw starts, and when (ADR 0036)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_planned, make_ready, make_under_way
from support.secret_corpus import Secrets

READING = (
    ("status",), ("doctor",), ("trust", "--status"), ("op", "log"), ("git", "cleanup"), ("config", "show"),
    ("plan", "show"), ("plan", "validate"), ("plan", "optimize", "--dry-run"), ("plan", "import", "--dry-run"),
    *((group, "list") for group in ("task", "milestone", "lane", "backlog", "adr", "run", "recovery")),
    ("task", "show", "2"), ("milestone", "show", "1"), ("report", "git"),
    ("agent", "plan-prompt", "--print"), ("__complete", "bash", "1", "task", ""), ("prompt", "task", "2"),
)  # fmt: skip
HOOKS = (
    "applypatch-msg", "post-checkout", "post-index-change", "post-merge", "pre-auto-gc", "pre-commit", "pre-push",
    "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction", "fsmonitor-watchman",
)  # fmt: skip


def make_trap(project: Project) -> tuple[Path, Path]:
    """A program that leaves a mark, and the mark."""
    mark = project.path.parent / "started"
    return project.write("../trap", f'#!/bin/sh\necho "$0 $*" >> "{mark}"\nexec cat\n', mode=0o755), mark


def set_traps(project: Project, *keys: str, trap: Path) -> None:
    for key in keys:
        project.git("config", key, str(trap))


def test_commands_that_look_start_nothing_that_the_local_configuration_names(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    trap, mark = make_trap(project)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        (hooks / name).symlink_to(trap)
    set_traps(
        project, "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "diff.external",
        "sequence.editor", "diff.trap.command", "diff.trap.textconv", "merge.trap.driver", "pager.log", "pager.status",
        "credential.helper", "gpg.program", "gpg.ssh.program", "interactive.diffFilter", "uploadpack.packObjectsHook",
        "core.alternateRefsCommand", "trailer.aiw.cmd", "trailer.aiw.command", "core.gitProxy", "web.browser",
        "remote.origin.uploadpack", "remote.origin.receivepack", "browser.trap.cmd", "man.trap.cmd", trap=trap,
    )  # fmt: skip
    for key, value in (
        ("core.hooksPath", str(hooks)), ("log.showSignature", "true"), ("status.submoduleSummary", "true"),
        ("submodule.trap.update", f"!{trap}"), ("alias.status", f"!{trap}"), ("protocol.ext.allow", "always"),
        ("remote.origin.url", f"ext::{trap}"), ("branch.main.remote", "origin"), ("color.ui", "always"),
    ):  # fmt: skip
        project.git("config", key, value)
    project.write(".gitattributes", "* diff=trap merge=trap\n")
    project.write(".gitmodules", f'[submodule "trap"]\n\tpath = sub\n\turl = ext::{trap}\n\tupdate = !{trap}\n')
    project.write("src/keep.txt", "changed\n")
    for words in READING:
        shown = project.aiw(*words, code=None)
        assert not mark.exists(), (words, mark.read_text())
        assert shown.code in (0, 1), (words, shown)


def test_a_signature_that_git_shows_does_not_stand_in_the_way_of_reading(tmp_path: Path) -> None:
    """`log.showSignature` writes what the signing program says among the lines that are read."""
    project = prepared(make_under_way, tmp_path)
    program = project.write("../gpg", "#!/bin/sh\necho '[GNUPG:] GOODSIG'; echo noise >&2; exit 0\n", mode=0o755)
    sha = project.git("rev-parse", "HEAD")
    raw = project.git("cat-file", "commit", "HEAD")
    header, _, message = raw.partition("\n\n")
    signed = f"{header}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n{message}\n"
    project.write("../commit", signed)
    made = project.git("hash-object", "-t", "commit", "-w", str(project.path.parent / "commit"))
    project.git("update-ref", "refs/heads/ai/m01-parser-cleanup", made, sha)
    project.git("config", "gpg.program", str(program))
    project.git("config", "log.showSignature", "true")
    from ai_workflow.git.commits import find_commit_of_operation
    from ai_workflow.git.runner import Git

    operation = next(line for line in message.split("\n") if line.startswith("Aiw-Op: ")).removeprefix("Aiw-Op: ")
    assert find_commit_of_operation(Git(str(project.path)), operation, start=None, tip=made) == made


def make_embedded(project: Project, folder: str, mark: Path) -> None:
    """Files that git takes for a bare repository whose work tree is the folder itself, with programs in its config."""
    trap = f"echo started >> {mark}; cat"
    project.git("init", "--quiet", "--bare", str(project.path / folder))
    there = ("--git-dir", str(project.path / folder), "--work-tree", str(project.path / folder))
    project.write(f"{folder}/.gitattributes", "*.txt filter=trap\n")
    project.write(f"{folder}/a.txt", "text\n")
    project.git(*there, "add", "a.txt", ".gitattributes")
    project.git(*there, "commit", "--quiet", "-m", "x")
    project.write(f"{folder}/a.txt", "TEXT\n")
    project.write(
        f"{folder}/config",
        f'[core]\n\tbare = false\n\tworktree = .\n\trepositoryformatversion = 0\n\tfsmonitor = "{trap}"\n'
        f'[filter "trap"]\n\tclean = "{trap}"\n\tsmudge = "{trap}"\n',
    )
    shutil.copytree(project.path / "docs", project.path / folder / "docs")
    project.write(f"{folder}/.ai-workflow.yaml", "version: 1\n")


def test_a_bare_repository_among_the_files_is_not_used(tmp_path: Path) -> None:
    """Git can be led to take a folder of a clone for a repository, with whatever its config says."""
    project = make_ready(tmp_path, remote=False)
    mark = tmp_path / "started"
    make_embedded(project, "evil", mark)
    for words in (("status",), ("doctor",), ("init",), ("agent", "run"), ("plan", "validate"), ("report", "all")):
        shown = project.aiw("-C", "evil", *words, code=None)
        assert not mark.exists(), (words, shown)
    refused = project.aiw("-C", "evil", "agent", "run", code=1)
    assert "bare repository" in refused.stderr
    assert "git init" not in refused.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_named_as_git_names_it(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=PARSER_PLAN, remote=False)
    for path in (project.path, project.path / ".git"):
        os.chown(path, 12345, 12345)
    refused = project.aiw("agent", "run", code=1)
    assert "dubious ownership" in refused.stderr
    assert "git init" not in refused.stderr


def test_what_a_hook_says_is_told_without_its_secrets(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    secret = Secrets().github()
    project.write(".git/hooks/pre-commit", f"#!/bin/sh\necho 'bad token: {secret}' >&2\nexit 1\n", mode=0o755)
    project.write("docs/parser.md", "x\n")
    refused = project.finish(code=1)
    assert "bad token: [secret:" in refused.stderr
    for path in (project.path / "docs").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_variables_that_bind_git_elsewhere_bind_nothing_here(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    trap, mark = make_trap(project)
    other = tmp_path / "other"
    project.git("init", "--quiet", str(other), cwd=tmp_path)
    env = {
        "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(other / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"), "GIT_EXTERNAL_DIFF": str(trap), "GIT_PAGER": str(trap),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": str(trap),
    }  # fmt: skip
    project.write("docs/parser.md", "x\n")
    project.aiw("agent", "finish", "--lane", "core", "--commit", env=env)
    assert project.task(2)["status"] == "done"
    assert not mark.exists()
    assert not list((other / ".git/objects").glob("??"))
