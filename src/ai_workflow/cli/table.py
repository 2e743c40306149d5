"""Every command: its path, the module and name that implement it, and one line of help.

Only this table is read to find a command, so a call imports nothing but what its own command needs.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("ai_workflow.cli.workspace:INIT", "set a workspace up in this repository"),
    "demo": ("ai_workflow.cli.demo:DEMO", "watch the whole loop in a throw-away repository"),
    "status": ("ai_workflow.cli.status:STATUS", "show where things stand, in one screen"),
    "next": ("ai_workflow.cli.agent:NEXT", "claim the next task and write its prompt"),
    "plan validate": ("ai_workflow.cli.plan:VALIDATE", "check a plan and score it"),
    "plan optimize": ("ai_workflow.cli.plan:OPTIMIZE", "propose (or apply) a better cut of a plan"),
    "plan import": ("ai_workflow.cli.plan:IMPORT", "take a plan over into the state"),
    "plan show": ("ai_workflow.cli.plan:SHOW", "print a plan as it is understood"),
    "milestone list": ("ai_workflow.cli.milestone:LIST", "list the milestones"),
    "milestone show": ("ai_workflow.cli.milestone:SHOW", "show one milestone"),
    "milestone start": ("ai_workflow.cli.milestone:START", "start a milestone on its branch"),
    "milestone finish": ("ai_workflow.cli.milestone:FINISH", "close a finished milestone, or retry that"),
    "task list": ("ai_workflow.cli.task:LIST", "list the tasks"),
    "task show": ("ai_workflow.cli.task:SHOW", "show one task"),
    "task claim": ("ai_workflow.cli.task:CLAIM", "claim the next task, or one by its id"),
    "task start": ("ai_workflow.cli.task:START", "claim a task by its id and hand its prompt out"),
    "backlog list": ("ai_workflow.cli.backlog:LIST", "list the backlog's items"),
    "backlog show": ("ai_workflow.cli.backlog:SHOW", "show one item"),
    "backlog add": ("ai_workflow.cli.backlog:ADD", "add an idea"),
    "backlog edit": ("ai_workflow.cli.backlog:EDIT", "change fields of an item"),
    "backlog select": ("ai_workflow.cli.backlog:SELECT", "mark items for the next plan"),
    "backlog unselect": ("ai_workflow.cli.backlog:UNSELECT", "make items ideas again"),
    "backlog archive": ("ai_workflow.cli.backlog:ARCHIVE", "put items aside"),
    "backlog promote": ("ai_workflow.cli.backlog:PROMOTE", "make a plan of items"),
    "adr list": ("ai_workflow.cli.adr:LIST", "list the decisions"),
    "adr show": ("ai_workflow.cli.adr:SHOW", "show one decision"),
    "adr new": ("ai_workflow.cli.adr:NEW", "propose a decision"),
    "adr accept": ("ai_workflow.cli.adr:ACCEPT", "put a decision in force"),
    "adr deprecate": ("ai_workflow.cli.adr:DEPRECATE", "take a decision out of force"),
    "adr supersede": ("ai_workflow.cli.adr:SUPERSEDE", "replace a decision by another"),
    "lane list": ("ai_workflow.cli.lane:LIST", "list the lanes"),
    "lane show": ("ai_workflow.cli.lane:SHOW", "show one lane"),
    "lane start": ("ai_workflow.cli.lane:START", "start a milestone in a lane"),
    "agent bootstrap": ("ai_workflow.cli.agent:BOOTSTRAP", "import the plan and start the next milestone"),
    "agent task": ("ai_workflow.cli.agent:TASK", "hand out the next task, or one by its id"),
    "agent run": ("ai_workflow.cli.agent:RUN", "do whatever is missing, then hand out the next task"),
    "agent finish": ("ai_workflow.cli.agent:FINISH", "check the active task and commit it"),
    "version": ("ai_workflow.cli.status:VERSION", "print the version"),
}

GROUPS: dict[str, str] = {
    "plan": "validate, optimise and import plans",
    "milestone": "look at and drive milestones",
    "task": "look at and claim tasks",
    "backlog": "keep ideas, and make plans of them",
    "adr": "record decisions that bind later tasks",
    "lane": "look at and start lanes",
    "agent": "what an agent, or who drives one, calls",
}


def format_help() -> str:
    """The text of `aiw --help`."""
    lines = [
        "usage: aiw [-C DIR] [--json] [-q] [-v] COMMAND …",
        "",
        "Hands the tasks of a Markdown plan to coding agents one at a time, checks each result itself, and makes one",
        "commit of each task and one branch of each milestone.",
        "",
        "start here:",
        "  aiw demo                             watch the whole loop in a throw-away repository",
        "  aiw init                             set a workspace up in this repository",
        "  aiw agent run --lane core --mode queue",
        "",
        "commands:",
        *_rows([(path, text) for path, (_, text) in COMMANDS.items()]),
        "",
        *_options(),
        "",
        "`aiw COMMAND --help` shows a command's options and an example.",
    ]
    return "\n".join(lines) + "\n"


def format_group_help(group: str) -> str:
    """The text of `aiw GROUP`."""
    rows = [(path, text) for path, (_, text) in COMMANDS.items() if path.startswith(f"{group} ")]
    lines = [f"usage: aiw {group} COMMAND …", "", f"{GROUPS[group]}", "", *_rows(rows), ""]
    return "\n".join(lines)


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    return [f"  {path:<20} {text}" for path, text in rows]


def _options() -> list[str]:
    return [
        "options:",
        "  -C DIR, --root DIR   work as if started in DIR",
        "  --json               print one JSON document on stdout",
        "  -q, --quiet          no notes and no progress",
        "  -v, --verbose        the output of checks as it comes, even without a terminal",
        "  --version            print the version",
        "  -h, --help           print this help",
    ]
