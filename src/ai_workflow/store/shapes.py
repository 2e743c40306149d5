"""The fields of state files and what JSON gives for them, for reading without the record library (spec §1, §7.5).

`store.codec` is the judge. What fits here is taken as it is; what does not is shown to the judge, which costs its
import. `tests/store/test_shapes.py` compares the table with the records.
"""

from __future__ import annotations

_TYPES = {"s": str, "i": int, "f": float, "b": bool, "n": type(None), "l": list, "d": dict}
FIELDS: dict[str, dict[str, str]] = {
    "project": {
        "i": "schema_version serial",
        "s": "project_name workspace_version base_branch status lineage created_at updated_at",
        "d": "counters documents",
        "dn": "workpackage accepted",
        "ns": "scaffold_commit",
        "l": "pending_edits",
    },
    "milestone": {
        "i": "schema_version workpackage",
        "s": "id title goal status base_branch created_at updated_at",
        "ns": "lane_id branch start_sha stacked_on worktree accepted_unproven",
        "l": "task_ids adr_ids",
        "d": "pr",
        "dn": "recovery closeout blocker",
    },
    "task": {
        "i": "schema_version workpackage attempts",
        "s": "id title description status milestone_id priority key created_at updated_at",
        "ns": "lane_id branch worktree commit_sha audit_path unproven no_change_reason claimed_at started_at"
        " finished_at blocked_reason",
        "l": "depends_on conflict_scopes acceptance_criteria verify notes run_ids decisions",
        "d": "plan_values",
        "dn": "parked blocker",
    },
    "lane": {
        "i": "schema_version",
        "s": "id status created_at updated_at",
        "ns": "milestone_id current_task_id unfinished_task_id branch worktree last_run_id",
        "l": "locked_scopes",
    },
    "adr": {
        "i": "schema_version",
        "s": "id title status decision created_at updated_at",
        "l": "applies_to consequences",
        "ns": "superseded_by reason",
    },
    "run": {
        "i": "schema_version",
        "s": "id status actor started_at summary",
        "ns": "lane_id milestone_id task_id prompt_path finished_at tree commit_sha audit_path",
        "l": "changed_files checks also_present attempts",
    },
    "blocker": {
        "i": "schema_version",
        "s": "id class step message since next_command status",
        "l": "evidence",
        "ns": "retry_at blocked_milestone_id blocked_task_id resolved_at",
    },
}
"""Kind → letters of the types that a field may have (`_TYPES`) → names of the fields with these."""
_KNOWN: dict[str, dict[str, frozenset[type]]] = {}


def fits(kind: str, row: dict[str, object]) -> bool:
    """Whether the row has exactly the fields of its kind, each of a type that it may have."""
    known = _KNOWN.get(kind)
    if known is None:
        groups = FIELDS.get(kind, {}).items()
        known = {name: frozenset(_TYPES[one] for one in letters) for letters, names in groups for name in names.split()}
        _KNOWN[kind] = known
    return row.keys() == known.keys() and all(type(value) in known[name] for name, value in row.items())
