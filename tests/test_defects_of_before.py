"""The defects that were observed in 0.1.0, each with the tests that show the better behaviour, or why there is none.

A row that names a test which does not exist fails; so does one that names nothing.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# What went wrong → the tests, `file::test`, that fail when it goes wrong again; or a sentence that begins "n/a".
DEFECTS: dict[str, tuple[str, ...]] = {
    # Documented, and absent or wrong
    "backlog promote took neither --output nor ids": (
        "cli/test_backlog.py::test_quick_start_works_as_published_even_without_a_commit",
        "cli/test_surface_of_before.py::test_arguments_and_options_are_taken",
    ),
    "workpackage install took no slug in its place": (
        "cli/test_surface_of_before.py::test_arguments_and_options_are_taken",
    ),
    "milestones.md was not ignored": ("cli/test_init.py::test_runtime_files_are_ignored_and_owned_ones_are_not",),
    "`uv run` was printed without uv": ("cli/test_init.py::test_checks_are_what_the_repository_has",),
    "after an import nothing could be claimed until a bootstrap": (
        "services/test_loop.py::test_the_public_example_from_init_to_merged",
    ),
    # Concurrency and crashes
    "many `agent task` at once tore the state and made many runs": (
        "faults/test_races.py::test_one_of_many_claims_wins_and_the_others_are_told_who_holds_it",
    ),
    "many `task claim` at once all said Claimed": (
        "faults/test_races.py::test_one_of_many_claims_wins_and_the_others_are_told_who_holds_it",
    ),
    "many `backlog add` at once lost items and gave ids twice": (
        "cli/test_backlog.py::test_many_adds_at_once_give_different_ids_and_lose_nothing",
    ),
    "many `task adhoc` at once gave ids twice": (
        "faults/test_races.py::test_many_tasks_added_at_once_have_their_own_ids",
    ),
    "many `plan import` at once corrupted the state": ("faults/test_races.py::test_many_imports_import_once",),
    "many `agent bootstrap` at once tore a milestone": ("faults/test_races.py::test_many_bootstraps_start_once",),
    "many `agent finish` at once": ("faults/test_races.py::test_many_starts_and_finishes_make_one_commit",),
    "a finish killed between commit and record": ("faults/test_kill_points.py::test_the_same_command_again_heals",),
    "an import killed half way left a truncated plan": (
        "faults/test_kill_points.py::test_the_same_command_again_heals",
    ),
    "a lock file left by a kill locked for ever": ("store/test_transaction.py::test_the_lock_goes_with_its_process",),
    # Damaged or unusual input
    "one damaged task file stopped every command": (
        "cli/test_reading.py::test_a_damaged_file_is_named_and_the_rest_is_shown",
        "services/test_finish_gates.py::test_a_damaged_task_is_named_instead_of_nothing_claimable",
    ),
    "a damaged decision broke an import half way": (
        "cli/test_adr.py::test_damaged_decisions_are_named_and_the_others_listed",
        "plan/test_reconcile.py::test_damaged_state_is_refused",
    ),
    "a state written by a newer version was a traceback": (
        "store/test_transaction.py::test_a_newer_file_is_refused_and_kept",
    ),
    "a torn events file": ("store/test_transaction.py::test_events_are_appended_even_behind_a_torn_line",),
    "bad YAML was a traceback": ("cli/test_plan_commands.py::test_a_bad_config_is_one_line_for_every_command",),
    "slugs dropped every script but ASCII": ("models/test_ids.py::test_slugs_keep_any_script",),
    "markup in a title raised after the state had changed": (
        "cli/test_hostile_text.py::test_it_is_inert_on_a_terminal_and_whole_in_json",
    ),
    "a very long title broke import and branch": (
        "cli/test_hostile_text.py::test_it_is_inert_on_a_terminal_and_whole_in_json",
        "models/test_ids.py::test_a_slug_is_short_and_a_legal_part_of_a_ref",
    ),
    "file names that are not ASCII lost the commit": (
        "services/test_finish_gates.py::test_hostile_file_names_renames_deletions_and_modes",
    ),
    "a file staged and then removed lost the commit": (
        "services/test_defects.py::test_a_file_staged_and_then_removed_is_no_obstacle",
    ),
    "checks that hang": ("services/test_finish_gates.py::test_a_check_that_hangs_is_ended_with_its_children",),
    "the output of checks was stored whole": ("test_process.py::test_thirty_megabytes_stay_bounded_in_memory",),
    "output that is not UTF-8 was a traceback": ("checks/test_runner.py::test_output_of_any_encoding_becomes_text",),
    "an id could be a path": ("cli/test_reading.py::test_ids_that_are_no_ids_never_become_paths",),
    "a full disk locked for ever": ("store/test_transaction.py::test_a_full_disk_is_a_sentence_and_loses_nothing",),
    "a state that cannot be written was a traceback": (
        "services/test_defects.py::test_a_state_that_cannot_be_written_is_a_sentence",
    ),
    # Plan and loop
    "duplicate ids of milestones": ("plan/test_quality.py::test_rules",),
    "a dependency cycle was accepted": ("cli/test_plan_commands.py::test_a_cycle_is_printed",),
    "an unknown dependency blocked the whole queue": (
        "plan/test_reconcile.py::test_faulty_dependencies_are_refused",
        "policy/test_claiming.py::test_an_unknown_dependency_is_never_met",
    ),
    "M10 came before M2": ("services/test_loop.py::test_three_milestones_in_numeric_order_respecting_dependencies",),
    "an edited plan made duplicates or orphans": ("plan/test_reconcile.py::test_edited_plan_is_reconciled",),
    "the same plan again made duplicates": (
        "cli/test_plan_commands.py::test_import_is_idempotent_and_a_dry_run_writes_nothing",
    ),
    "a new plan after the last milestone was ignored, and M01 re-opened": (
        "services/test_loop.py::test_a_new_plan_after_the_old_one_is_finished_archives_the_old_one",
    ),
    "the optimiser deleted work": (
        "cli/test_plan_commands.py::test_the_micro_tasks_become_one_task_and_nothing_is_lost",
    ),
    "failing checks ended with exit 0": ("services/test_finish_gates.py::test_a_failing_check_shows_its_tail",),
    "recoveries of recoveries without end": ("services/test_recovery.py::test_it_never_nests_and_ends_with_a_person",),
    "the fix was committed under the recovery's title": (
        "services/test_recovery.py::test_whatever_is_named_the_task_gets_its_one_commit",
    ),
    "a commit of handoffs alone when nothing was done": ("services/test_finish_gates.py::test_nothing_changed",),
    "finishing another task than the active one": (
        "services/test_finish_gates.py::test_another_task_than_the_active_one",
    ),
    "an ad-hoc task could never be executed": (
        "services/test_parking.py::test_a_hotfix_in_the_middle_of_a_dirty_task",
    ),
    "the queue did not go on after a milestone": (
        "services/test_loop.py::test_three_milestones_in_numeric_order_respecting_dependencies",
    ),
    "a done task could be blocked, and a cancelled one finished": (
        "policy/test_decisions_about_tasks.py::test_every_decision_from_every_status",
    ),
    # Git
    "a workspace in a sub-folder": ("services/test_loop.py::test_a_workspace_in_a_sub_folder_leaves_the_rest_alone",),
    "commands did not work from sub-folders": ("services/test_loop.py::test_commands_work_from_any_sub_folder",),
    "commits on a detached HEAD were lost": ("services/test_finish_gates.py::test_a_detached_head",),
    "commits went to whatever branch was checked out": ("services/test_finish_gates.py::test_another_branch",),
    "unpushed commits of base were dropped": (
        "services/test_start.py::test_local_base_ahead_of_its_remote_is_said",
        "services/test_closeout.py::test_unpushed_commits_of_the_user_on_base_are_theirs_to_push",
    ),
    "a renamed base was made anew": ("services/test_defects.py::test_a_renamed_base_is_named_and_not_made_anew",),
    "base that moved on the remote": (
        "services/test_closeout.py::test_a_moved_base_is_merged_onto_and_the_merged_tree_tested",
    ),
    "clean-up deleted the only copy of commits": (
        "services/test_cleanup.py::test_no_combination_of_flags_loses_a_commit",
    ),
    "no commit yet": ("services/test_loop.py::test_the_work_survives_a_repository_without_a_commit",),
    "outside of git": ("cli/test_init.py::test_outside_a_repository",),
    "no remote: never past M01": ("services/test_loop.py::test_the_public_example_from_init_to_merged",),
    "a dirty submodule stuck the closeout": (
        "services/test_finish_gates.py::test_a_submodule_bump_is_committed_and_dirt_inside_one_is_not",
    ),
    "the config vanished with a switch of branches": (
        "services/test_loop.py::test_the_public_example_from_init_to_merged",
    ),
    ".env and caches were committed": ("services/test_finish_gates.py::test_by_products_are_left_out_and_named",),
    "unrelated files went into the commit": ("services/test_finish_gates.py::test_a_file_outside_the_scope",),
    "a refusing hook left the task done without a commit": ("services/test_finish_gates.py::test_a_rejecting_hook",),
    "a missing identity left the task done without a commit": (
        "services/test_finish_gates.py::test_a_missing_identity",
    ),
    "a blocked closeout made the next one impossible": (
        "services/test_closeout.py::test_a_merged_tree_that_fails_is_not_pushed_and_lands_once_repaired",
    ),
    "UNSTABLE pull requests were merged": ("n/a: no pull request is merged by aiw yet; a person does",),
    "no command recorded a merge by a person": (
        "services/test_closeout_forges.py::test_a_pull_request_merged_by_a_person_is_recorded",
        "services/test_git_commands.py::test_sync_notices_a_merge_by_a_person",
    ),
    # Files and documents
    "backlog edits lost hand-written text": (
        "cli/test_backlog.py::test_edit_touches_the_named_fields_only_in_any_line_ends",
    ),
    "promotion took archived and finished items": ("cli/test_backlog.py::test_promote_takes_open_items_only",),
    "promotion overwrote the plan without asking": (
        "cli/test_backlog.py::test_promote_refuses_to_overwrite_unfinished_work",
    ),
    "handoffs always said blocked": ("rendering/test_handoffs.py::test_claiming_or_blocking_changes_nothing",),
    "handoffs grew with the plan": ("rendering/test_handoffs.py::test_handoffs_of_a_large_plan_are_small_and_stable",),
    "reading commands wrote": ("cli/test_reading.py::test_it_works_on_a_read_only_checkout_and_prints_one_document",),
    "every report carried the time of its making": (
        "cli/test_report_commands.py::test_all_brings_everything_up_to_date_and_prints_where",
    ),
    "start-up imported everything": ("test_startup.py::test_version_imports_three_small_modules",),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_has_its_test(defect: str) -> None:
    assert DEFECTS[defect]
    for entry in DEFECTS[defect]:
        if entry.startswith("n/a: "):
            continue
        name, _, test = entry.partition("::")
        tree = ast.parse((TESTS / name).read_text())
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, entry
