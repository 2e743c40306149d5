"""Every command: its path, the module and name that implement it, and one line of help.

Only this table is read to find a command, so a call imports nothing but what its own command needs.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("ai_workflow.cli.workspace:INIT", "set a workspace up in this repository"),
    "migrate": ("ai_workflow.cli.migrate:MIGRATE", "take a workspace of aiw 0.1.0 over"),
    "doctor": ("ai_workflow.cli.doctor:DOCTOR", "examine the workspace, and repair what is safe to repair"),
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
    "milestone cancel": ("ai_workflow.cli.milestone:CANCEL", "give a milestone up"),
    "milestone pr": ("ai_workflow.cli.milestone:PR", "write the text of a milestone's pull request"),
    "task list": ("ai_workflow.cli.task:LIST", "list the tasks"),
    "task show": ("ai_workflow.cli.task:SHOW", "show one task"),
    "task claim": ("ai_workflow.cli.task:CLAIM", "claim the next task, or one by its id"),
    "task start": ("ai_workflow.cli.task:START", "claim a task by its id and hand its prompt out"),
    "task done": ("ai_workflow.cli.task_work:DONE", "finish a task: the same as `agent finish`"),
    "task block": ("ai_workflow.cli.task_work:BLOCK", "let a task wait for a person"),
    "task unblock": ("ai_workflow.cli.task_work:UNBLOCK", "let a blocked task be taken again"),
    "task skip": ("ai_workflow.cli.task_work:SKIP", "count a task as not needed"),
    "task cancel": ("ai_workflow.cli.task_work:CANCEL", "give a task up"),
    "task edit": ("ai_workflow.cli.task_work:EDIT", "change a task's words, scope or dependencies"),
    "task adhoc": ("ai_workflow.cli.task_work:ADHOC", "add a task that no plan has, e.g. a hotfix"),
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
    "lane pause": ("ai_workflow.cli.lane:PAUSE", "hand nothing more out"),
    "lane resume": ("ai_workflow.cli.lane:RESUME", "hand tasks out again"),
    "lane finish": ("ai_workflow.cli.lane:FINISH", "close a lane that has nothing to do"),
    "lane cleanup": ("ai_workflow.cli.lane:CLEANUP", "free a lane of its task and milestone"),
    "run list": ("ai_workflow.cli.run:LIST", "list the runs"),
    "run show": ("ai_workflow.cli.run:SHOW", "show one run with its checks"),
    "run start": ("ai_workflow.cli.run:START", "start a run record by hand"),
    "run finish": ("ai_workflow.cli.run:FINISH", "end a run record by hand"),
    "recovery list": ("ai_workflow.cli.recovery:LIST", "list the recoveries"),
    "recovery show": ("ai_workflow.cli.recovery:SHOW", "show one recovery"),
    "recovery start": ("ai_workflow.cli.recovery:START", "hand a recovery's task out, or try it again"),
    "recovery resolve": ("ai_workflow.cli.recovery:RESOLVE", "check and commit what a recovery repaired"),
    "recovery abort": ("ai_workflow.cli.recovery:ABORT", "give a recovery up"),
    "prompt next": ("ai_workflow.cli.prompt:NEXT", "write the prompt of the next task"),
    "prompt task": ("ai_workflow.cli.prompt:TASK", "write the prompt of one task"),
    "prompt milestone": ("ai_workflow.cli.prompt:MILESTONE", "write a whole milestone with its prompts"),
    "prompt print": ("ai_workflow.cli.prompt:PRINT", "print the prompt of the next task"),
    "agent plan-prompt": ("ai_workflow.cli.plan_prompt:PLAN_PROMPT", "make a prompt for a planning model"),
    "agent bootstrap": ("ai_workflow.cli.agent:BOOTSTRAP", "import the plan and start the next milestone"),
    "agent task": ("ai_workflow.cli.agent:TASK", "hand out the next task, or one by its id"),
    "agent run": ("ai_workflow.cli.agent:RUN", "do whatever is missing, then hand out the next task"),
    "agent finish": ("ai_workflow.cli.agent:FINISH", "check the active task and commit it"),
    "agent audit": ("ai_workflow.cli.task_work:AUDIT", "record what a reviewer says of a task"),
    "workpackage install": ("ai_workflow.cli.workpackage:INSTALL", "keep a pack, its prompts and its plan"),
    "completion": ("ai_workflow.cli.completion:COMPLETION", "print a completion script for bash, zsh or fish"),
    "git branch": ("ai_workflow.cli.git:BRANCH", "make or find a milestone's branch and check it out"),
    "git commit": ("ai_workflow.cli.git:COMMIT", "commit a task: the same as agent finish"),
    "git push": ("ai_workflow.cli.git:PUSH", "push a milestone's branch"),
    "git pr": ("ai_workflow.cli.git:PR", "open a milestone's pull request, or bring it up to date"),
    "pr sync": ("ai_workflow.cli.pr:SYNC", "take over what people did to pull requests on the forge"),
    "pr task": ("ai_workflow.cli.pr:TASK", "make a task of what reviewers wrote"),
    "git sync": ("ai_workflow.cli.git:SYNC", "follow the remote's base and notice merges by people"),
    "git cleanup": ("ai_workflow.cli.git:CLEANUP", "show, and with flags delete, merged branches"),
    "report all": ("ai_workflow.cli.report:ALL", "bring every generated document up to date"),
    "report status": ("ai_workflow.cli.report:STATUS", "write and print the report on the whole"),
    "report tasks": ("ai_workflow.cli.report:TASKS", "write and print the report on tasks"),
    "report milestones": ("ai_workflow.cli.report:MILESTONES", "write and print the report on milestones"),
    "report lanes": ("ai_workflow.cli.report:LANES", "write and print the report on lanes and runs"),
    "report git": ("ai_workflow.cli.report:GIT", "write and print the report on branches"),
    "workspace reset": ("ai_workflow.cli.reset:RESET", "archive the workspace and begin anew"),
    "workspace restore": ("ai_workflow.cli.reset:RESTORE", "bring an archived workspace back"),
    "state rebuild": ("ai_workflow.cli.state:REBUILD", "restore a state that is gone, from plan and commits"),
    "config show": ("ai_workflow.cli.config:SHOW", "show settings and where each comes from"),
    "config set": ("ai_workflow.cli.config:SET", "change one setting and leave every other byte"),
    "config accept": ("ai_workflow.cli.config:ACCEPT", "record the settings and checks as accepted by a person"),
    "trust": ("ai_workflow.cli.trust:TRUST", "let commands that this repository brings run"),
    "undo": ("ai_workflow.cli.operation:UNDO", "take back the latest operation, or everything back to one"),
    "op log": ("ai_workflow.cli.operation:LOG", "list what was done, by whom and when"),
    "op show": ("ai_workflow.cli.operation:SHOW", "show what one operation changed"),
    "uninstall": ("ai_workflow.cli.uninstall:UNINSTALL", "remove exactly what aiw put into this repository"),
    "version": ("ai_workflow.cli.status:VERSION", "print the version"),
}

GROUPS: dict[str, str] = {
    "plan": "validate, optimise and import plans",
    "milestone": "look at and drive milestones",
    "task": "look at tasks and decide about them",
    "lane": "look at the lane, pause it, free it",
    "run": "the record of each execution",
    "recovery": "repairs of tasks whose checks failed",
    "prompt": "what an agent is told",
    "backlog": "keep ideas, and make plans of them",
    "adr": "record decisions that bind later tasks",
    "agent": "what an agent, or who drives one, calls",
    "workpackage": "install packs of work",
    "git": "the parts of the loop that touch branches, each by itself",
    "pr": "pull requests on the forge",
    "report": "write reports for people, from the state",
    "op": "the log of what was done",
    "workspace": "begin the workspace anew, bring it back",
    "state": "the state folder as a whole",
    "config": "look at settings and change them",
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
        "  --show-completion    print the completion script of this shell, as `aiw completion SHELL` does",
        "  --install-completion",
        "                       say how to load it; no file of the shell is edited",
        "  -h, --help           print this help",
    ]
