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
    "milestone pr": ("ai_workflow.cli.milestone:PR", "write the text of a milestone's pull request"),
    "task list": ("ai_workflow.cli.task:LIST", "list the tasks"),
    "task show": ("ai_workflow.cli.task:SHOW", "show one task"),
    "task claim": ("ai_workflow.cli.task:CLAIM", "claim the next task, or one by its id"),
    "task start": ("ai_workflow.cli.task:START", "claim a task by its id and hand its prompt out"),
    "lane list": ("ai_workflow.cli.lane:LIST", "list the lanes"),
    "lane show": ("ai_workflow.cli.lane:SHOW", "show one lane"),
    "lane start": ("ai_workflow.cli.lane:START", "start a milestone in a lane"),
    "agent bootstrap": ("ai_workflow.cli.agent:BOOTSTRAP", "import the plan and start the next milestone"),
    "agent task": ("ai_workflow.cli.agent:TASK", "hand out the next task, or one by its id"),
    "agent run": ("ai_workflow.cli.agent:RUN", "do whatever is missing, then hand out the next task"),
    "agent finish": ("ai_workflow.cli.agent:FINISH", "check the active task and commit it"),
    "git branch": ("ai_workflow.cli.git:BRANCH", "make or find a milestone's branch and check it out"),
    "git commit": ("ai_workflow.cli.git:COMMIT", "commit a task: the same as agent finish"),
    "git push": ("ai_workflow.cli.git:PUSH", "push a milestone's branch"),
    "git pr": ("ai_workflow.cli.git:PR", "write a pull request's text and say how to open it"),
    "git sync": ("ai_workflow.cli.git:SYNC", "follow the remote's base and notice merges by people"),
    "git cleanup": ("ai_workflow.cli.git:CLEANUP", "show, and with flags delete, merged branches"),
    "report all": ("ai_workflow.cli.report:ALL", "bring every generated document up to date"),
    "report status": ("ai_workflow.cli.report:STATUS", "write and print the report on the whole"),
    "report tasks": ("ai_workflow.cli.report:TASKS", "write and print the report on tasks"),
    "report milestones": ("ai_workflow.cli.report:MILESTONES", "write and print the report on milestones"),
    "report lanes": ("ai_workflow.cli.report:LANES", "write and print the report on lanes and runs"),
    "report git": ("ai_workflow.cli.report:GIT", "write and print the report on branches"),
    "version": ("ai_workflow.cli.status:VERSION", "print the version"),
}

GROUPS: dict[str, str] = {
    "plan": "validate, optimise and import plans",
    "milestone": "look at and drive milestones",
    "task": "look at and claim tasks",
    "lane": "look at and start lanes",
    "agent": "what an agent, or who drives one, calls",
    "git": "the parts of the loop that touch branches, each by itself",
    "report": "write reports for people, from the state",
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
