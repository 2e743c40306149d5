"""Whose files are whose: what the repository keeps, what is generated and ignored, and the block in `.gitignore`.

All paths are POSIX text relative to the root. Everything follows the configured folders (spec §2). Pure.
"""

from __future__ import annotations

from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.config.schema import Config

BLOCK_START = "# >>> aiw runtime files (managed by aiw) >>>"
BLOCK_END = "# <<< aiw runtime files <<<"

_RUNTIME_FOLDERS = ("state", "locks", "runs", "tasks", "milestones", "archive", "generated-packs")
_HANDOFFS = ("active-roadmap.md", "current-status.md", "next-handoff.md")


def plan_path(config: Config) -> str:
    """The plan, `docs/ai/plan/milestones.md`."""
    return f"{config.plan_dir}/milestones.md"


def backlog_path(config: Config) -> str:
    """The backlog, `docs/ai/plan/backlog.md`."""
    return f"{config.plan_dir}/backlog.md"


def prompt_path(config: Config, lane_id: str) -> str:
    """The prompt of a lane's next task, `docs/ai/workspace/prompts/next-core.md`."""
    return f"{config.ai.prompt_dir}/next-{lane_id}.md"


def readme_path(config: Config) -> str:
    """The description of the folder that agents start in, beside the entry point."""
    return _beside(config.ai.entrypoint, "README.md")


def handoff_paths(config: Config) -> tuple[str, str, str]:
    """The three handoff files: roadmap, status, next."""
    roadmap, status, following = (f"{config.workspace_dir}/{name}" for name in _HANDOFFS)
    return roadmap, status, following


def owned_paths(config: Config) -> tuple[str, ...]:
    """The durable files of the repository that aiw writes, without those in `adr.dir`; each once, in a fixed order."""
    paths = [
        CONFIG_NAME,
        config.ai.entrypoint,
        readme_path(config),
        backlog_path(config),
        config.agent.operator_prompt,
        config.agent.plan_builder_prompt,
        config.agent.codex_agent_prompt,
        *handoff_paths(config),
    ]
    if config.plan.commit:
        paths.append(plan_path(config))
    return tuple(dict.fromkeys(paths))


def runtime_paths(config: Config) -> tuple[str, ...]:
    """What is generated: folders with a `/` at the end, files without; each once, in a fixed order."""
    folders = [f"{config.workspace_dir}/{name}" for name in _RUNTIME_FOLDERS]
    paths = [f"{folder}/" for folder in (*folders, config.ai.prompt_dir, config.reports.dir)]
    if not config.plan.commit:
        paths.append(plan_path(config))
    paths.append(config.agent.queue_prompt)
    return tuple(dict.fromkeys(paths))


def is_handoff(config: Config, rel: str) -> bool:
    """Whether the path is one of the three handoff files."""
    return rel in handoff_paths(config)


def is_owned(config: Config, rel: str) -> bool:
    """Whether the path is a durable file of aiw's: one of `owned_paths`, or a decision record."""
    folder, _, name = rel.rpartition("/")
    return rel in owned_paths(config) or (folder == config.adr.dir and name.endswith(".md"))


def is_runtime(config: Config, rel: str) -> bool:
    """Whether the path is generated and never committed. A folder counts with or without its `/`."""
    bare = rel.rstrip("/")
    return any(
        bare == path.rstrip("/") or (path.endswith("/") and rel.startswith(path)) for path in runtime_paths(config)
    )


def runtime_patterns(config: Config) -> tuple[str, ...]:
    """The gitignore patterns for `runtime_paths`, anchored at the root, which is where the file lies."""
    return tuple(f"/{_escape(path)}" for path in runtime_paths(config))


def render_gitignore_block(config: Config) -> str:
    """The managed lines with their markers, each line ended by a line feed."""
    return "".join(f"{line}\n" for line in (BLOCK_START, *runtime_patterns(config), BLOCK_END))


def update_gitignore(text: str, block: str) -> str:
    """The text with the managed block in it, every other byte as before. Again it changes nothing.

    A block that is there is replaced where it stands, further ones are taken out; else it is put at the end, after an
    empty line. It takes the line ends of the text. A marker without its partner is the user's line.

    Args:
        text: the whole file, empty when there is none.
        block: from `render_gitignore_block`.
    """
    line_end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    own = block.replace("\n", line_end)
    lines = _split_lines(text)
    spans = _find_blocks(lines)
    if not spans:
        return f"{text}{line_end}{own}" if text else own
    for start, end in reversed(spans[1:]):
        del lines[start:end]
    start, end = spans[0]
    if not lines[end - 1].endswith("\n"):
        own = own.removesuffix(line_end)
    return "".join((*lines[:start], own, *lines[end:]))


_OLD_FOLDERS = ("state", "tasks", "milestones", "prompts", "runs", "reports", "archive", "generated-packs")


def replace_old_gitignore_lines(text: str, config: Config) -> str:
    """The text with the lines that aiw 0.1.0 put there replaced by the managed block, every other byte as before.

    The block comes where the first of them stood; without any it is put as `update_gitignore` does.
    """
    old = {f"{config.workspace_dir}/{name}/" for name in _OLD_FOLDERS} | {config.agent.queue_prompt}
    lines = _split_lines(text)
    found = [number for number, line in enumerate(lines) if line.rstrip("\r\n") in old]
    block = render_gitignore_block(config)
    if not found or _find_blocks(lines):
        kept = [line for number, line in enumerate(lines) if number not in found]
        return update_gitignore("".join(kept), block)
    first = "\r\n" if lines[found[0]].endswith("\r\n") else "\n"
    lines[found[0]] = block.replace("\n", first)
    return "".join(line for number, line in enumerate(lines) if number not in found[1:])


def remove_gitignore_block(text: str) -> str:
    """The text without the managed block: byte for byte what it was before `update_gitignore` put it there."""
    lines = _split_lines(text)
    for start, end in reversed(_find_blocks(lines)):
        line_end = "\r\n" if lines[start].endswith("\r\n") else "\n"
        before = "".join(lines[:start])
        after = lines[end:]
        without = before.removesuffix(line_end)
        # Text below the block was added later: then the line end may be that of the user's last line above it.
        if not after or not without or without.endswith("\n"):
            before = without
        lines = [*_split_lines(before), *after]
    return "".join(lines)


def _split_lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends one, unlike `str.splitlines`."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _find_blocks(lines: list[str]) -> list[tuple[int, int]]:
    """First line and line after the last of every complete block."""
    found = []
    start = None
    for number, line in enumerate(lines):
        if line.strip() == BLOCK_START:
            start = number
        elif line.strip() == BLOCK_END and start is not None:
            found.append((start, number + 1))
            start = None
    return found


def _beside(rel: str, name: str) -> str:
    folder = rel.rpartition("/")[0]
    return f"{folder}/{name}" if folder else name


def _escape(path: str) -> str:
    """The path as a gitignore pattern that matches nothing else. Source: gitignore(5)."""
    escaped = "".join(f"\\{char}" if char in "\\*?[" else char for char in path)
    return f"{escaped[:-1]}\\ " if escaped.endswith(" ") else escaped
