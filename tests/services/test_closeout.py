"""A finished milestone lands by direct merge, whatever base and the remote do meanwhile (spec §6.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.landing import (
    BRANCH,
    SUBJECT,
    assert_blocked,
    assert_landed,
    configure,
    head,
    origin_tip,
    prepare_worked,
    push_from_elsewhere,
)
from support.prepared import prepared
from support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One `finish` away from the closeout, with an origin."""
    return prepared(prepare_worked, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """The same without a remote."""
    return prepared(prepare_worked, tmp_path, remote=False)


def hook(project: Project, name: str, script: str) -> Path:
    """A hook of origin."""
    assert project.origin is not None
    path = project.origin / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def land_again(project: Project, *, code: int = 0) -> str:
    return project.aiw("milestone", "finish", "M01", code=code).stdout


def test_a_moved_base_is_merged_onto_and_the_merged_tree_tested(project: Project) -> None:
    moved = push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    result = project.finish()
    assert "testing M01 merged with origin/main" in result.stderr
    assert_landed(project)
    assert project.git("rev-parse", "main^1") == moved
    seen = (project.path.parent / "seen").read_text().split("\n\n")
    assert seen[-2:] == ["keep.txt\nparser.py\ntheirs.txt\ndetached", ""]


def test_a_merged_tree_that_fails_is_not_pushed_and_lands_once_repaired(project: Project) -> None:
    moved = push_from_elsewhere(project, {"broken": "x\n"})
    result = project.finish(code=3)
    assert "Done: TASK-001" in result.stdout
    assert "M01 is finished but not merged (base, test-merge)" in result.stdout
    command = assert_blocked(project, "base", "passes alone, but not merged with origin/main")
    assert "ended with exit code 1" in project.state("blockers/BLK-0001.json")["evidence"][0]
    assert command.startswith(f"git switch {BRANCH} && git merge origin/main")
    assert origin_tip(project) == moved
    project.git("merge", "--quiet", "--no-edit", "origin/main")
    project.git("rm", "--quiet", "broken")
    project.git("commit", "--quiet", "-m", "Repair")
    land_again(project)
    assert_landed(project)


def test_base_that_moves_during_the_push_is_merged_onto_again(project: Project) -> None:
    push_from_elsewhere(project, {"src/first.txt": "1\n"})
    once = project.path.parent / "once"
    once.write_text("")
    project.write(
        ".git/hooks/pre-push",
        f"#!/bin/sh\ngrep -q refs/heads/main || exit 0\ntest -e {once} || exit 0\nrm {once}\n"
        f"cd {project.path.parent}/other && unset GIT_DIR && echo 2 > second && git add second && "
        "git commit -qm second && git push -q origin HEAD:main\n",
        mode=0o755,
    )
    project.finish()
    assert not once.exists()
    assert project.read("second") == "2\n"
    assert_landed(project)
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1


def test_base_that_never_stands_still_is_a_blocker(project: Project) -> None:
    # Each push to main is answered by another commit there, and refused because of it.
    hook(
        project,
        "update",
        'test "$1" = refs/heads/main || exit 0\n'
        "unset GIT_QUARANTINE_PATH\n"
        'new=$(git commit-tree -p "$2" -m moved "$2^{tree}") || exit 1\n'
        'git update-ref refs/heads/main "$new" && exit 1',
    )
    result = project.finish(code=3)
    assert "Done: TASK-001" in result.stdout
    assert_blocked(project, "base", "main kept moving while M01 was merged")
    hook(project, "update", "exit 0")
    land_again(project)
    assert_landed(project)


def test_a_conflict_in_user_files_names_them_and_lands_once_resolved(project: Project) -> None:
    push_from_elsewhere(project, {"src/parser.py": "theirs\n"})
    project.finish(code=3)
    command = assert_blocked(project, "merge", f"{BRANCH} and main conflict in src/parser.py")
    assert "git merge origin/main" in command
    project.git("merge", "--quiet", "origin/main", ok=(1,))
    land_again(project, code=3)
    assert "a merge is in progress" in project.milestone()["blocker"]["message"]
    project.write("src/parser.py", "parsed\n")
    project.git("commit", "--quiet", "--all", "--no-edit")
    land_again(project)
    assert_landed(project)


def test_a_conflict_in_the_handoffs_alone_needs_no_person(project: Project) -> None:
    path = "docs/ai/workspace/current-status.md"
    assert project.origin is not None
    project.git("push", "--quiet", "origin", "main")
    push_from_elsewhere(project, {path: "somebody's scribble\n"})
    project.finish()
    assert_landed(project)
    project.aiw("report", "all", code=None)
    assert "scribble" not in project.read(path)
    assert "TASK-001" in project.read(path)


@pytest.mark.parametrize("ref", ["refs/heads/main", f"refs/heads/{BRANCH}"])
def test_a_push_that_a_server_hook_refuses(project: Project, ref: str) -> None:
    refusing = hook(
        project,
        "pre-receive",
        f"while read old new ref; do test $ref != {ref} || {{ echo not today >&2; exit 1; }}; done",
    )
    before = origin_tip(project)
    project.finish(code=3)
    assert_blocked(project, "push", "not today")
    assert origin_tip(project) == before
    refusing.unlink()
    land_again(project)
    assert_landed(project)
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1


def test_an_unreachable_remote(project: Project) -> None:
    assert project.origin is not None
    hidden = project.origin.rename(project.origin.with_name("hidden.git"))
    project.finish(code=3)
    assert_blocked(project, "infra", "origin (")
    hidden.rename(project.origin)
    land_again(project)
    assert_landed(project)


def test_base_that_was_never_pushed(project: Project) -> None:
    project.git("update-ref", "-d", "refs/heads/main", cwd=project.origin)
    project.finish(code=3)
    command = assert_blocked(project, "base", "main does not exist on origin yet")
    assert command == "git push -u origin main; then aiw milestone finish M01"
    project.git("push", "--quiet", "-u", "origin", "main")
    land_again(project)
    assert_landed(project)


def test_unpushed_commits_of_the_user_on_base_are_theirs_to_push(project: Project) -> None:
    worktree = project.path.parent / "wt"
    project.git("worktree", "add", "--quiet", str(worktree), "main")
    (worktree / "mine.txt").write_text("mine\n")
    project.git("add", "mine.txt", cwd=worktree)
    project.git("commit", "--quiet", "-m", "My own work", cwd=worktree)
    project.git("worktree", "remove", str(worktree))
    before = origin_tip(project)
    project.finish(code=3)
    command = assert_blocked(project, "base", "main has 1 commit(s) of your own that are not on origin")
    assert command.startswith("git push origin main; then ")
    assert "My own work" in project.state("blockers/BLK-0001.json")["evidence"][0]
    assert origin_tip(project) == before
    project.git("push", "--quiet", "origin", "main")
    land_again(project)
    assert_landed(project)


def test_the_users_tags_are_not_pushed(project: Project) -> None:
    project.git("config", "push.followTags", "true")
    project.git("tag", "-a", "-m", "mine", "mine")
    project.finish()
    assert_landed(project)
    assert project.git("tag", "--list", cwd=project.origin) == ""


def test_squash_keeps_the_task_commits_reachable(project: Project) -> None:
    configure(project, merge_strategy="squash")
    project.finish()
    assert_landed(project)
    assert project.subjects("main") == ["Begin", "aiw: set up workspace", "M01: Parser cleanup"]
    assert project.git("rev-list", "--merges", "main") == ""
    assert project.task(1)["commit_sha"] == project.git("rev-parse", f"refs/aiw/landed/{BRANCH}")


def test_squash_onto_a_moved_base(project: Project) -> None:
    configure(project, merge_strategy="squash")
    moved = push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    project.finish()
    assert_landed(project)
    assert project.git("rev-parse", "main^1") == moved
    assert SUBJECT not in project.subjects("main")


def test_a_squash_does_not_take_the_place_of_commits_kept_before(local: Project) -> None:
    configure(local, merge_strategy="squash")
    earlier = local.git("rev-parse", "main")
    local.git("update-ref", f"refs/aiw/landed/{BRANCH}", earlier)
    local.finish()
    assert_landed(local)
    kept = local.git("for-each-ref", "--format=%(objectname)", "refs/aiw/landed").split("\n")
    assert sorted(kept) == sorted([earlier, local.task(1)["commit_sha"]])


def test_fast_forward_only(project: Project) -> None:
    configure(project, merge_strategy="ff")
    project.finish()
    assert_landed(project)
    assert project.git("rev-parse", "main") == project.task(1)["commit_sha"]


def test_fast_forward_of_a_moved_base_takes_a_rebase(project: Project) -> None:
    configure(project, merge_strategy="ff")
    push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    project.finish(code=3)
    command = assert_blocked(project, "merge", f"main moved on, so it cannot be fast-forwarded to {BRANCH}")
    script, _, then = command.partition("; then ")
    assert script == f"git switch main && git rebase origin/main && git switch {BRANCH} && git rebase main"
    assert then == "aiw milestone finish M01"
    project.git("update-index", "--no-assume-unchanged", ".ai-workflow.yaml")
    project.git("config", "rebase.autoStash", "true")
    for step in script.split(" && "):
        project.git(*step.split()[1:], "--quiet")
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
    land_again(project)
    assert_landed(project)
    assert project.git("rev-list", "--merges", "main") == ""


def test_another_strategy_after_a_refusal_does_not_use_the_old_merge(project: Project) -> None:
    refusing = hook(project, "pre-receive", "while read o n r; do test $r != refs/heads/main || exit 1; done")
    project.finish(code=3)
    refusing.unlink()
    configure(project, merge_strategy="squash")
    land_again(project)
    assert_landed(project)
    assert project.git("rev-list", "--merges", "main") == ""


def test_an_integration_branch_is_made_from_base_and_carries_what_landed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from support.project import THREE_MILESTONES, make_planned

    project = make_planned(tmp_path, plan=THREE_MILESTONES, remote=False)
    project.write(
        ".ai-workflow.yaml",
        project.read(".ai-workflow.yaml").replace("git:\n", "git:\n  integration_branch: develop\n"),
    )
    for path in ("src/parser.py", "tests/test_parser.py", "src/errors.py"):
        project.next()
        project.write(path, "x\n")
        project.finish()
    assert head(project) == "develop"
    assert project.git("ls-tree", "--name-only", "develop", "src/").split("\n") == [
        "src/errors.py",
        "src/keep.txt",
        "src/parser.py",
    ]
    assert project.subjects("main") == ["Begin"]


def test_a_failing_post_checkout_hook_stops_nothing(project: Project) -> None:
    push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    project.write(".git/hooks/post-checkout", "#!/bin/sh\nexit 2\n", mode=0o755)
    project.finish()
    assert_landed(project)


def test_a_base_with_another_history_is_a_blocker_and_no_crash(project: Project) -> None:
    other = project.path.parent / "alien"
    project.git("init", "--quiet", str(other), cwd=project.path.parent)
    project.git("commit", "--quiet", "--allow-empty", "-m", "Alien", cwd=other)
    project.git("push", "--quiet", "--force", str(project.origin), "HEAD:main", cwd=other)
    project.git("update-ref", "-d", "refs/heads/main")
    result = project.finish(code=3)
    assert "Done: TASK-001" in result.stdout
    assert project.milestone()["status"] == "blocked"
    assert head(project) == BRANCH
