"""Objects as GitHub's REST API writes them, whole: every field that its description requires."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from support.github_state import Check, Comment, Project, Protection, Pull, Review

_LONG_AGO = "2020-01-01T00:00:00Z"
_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_COUNTS = (
    "forks",
    "forks_count",
    "network_count",
    "open_issues",
    "open_issues_count",
    "size",
    "stargazers_count",
    "subscribers_count",
    "watchers",
    "watchers_count",
)


class Writer:
    """Writes what a project holds.

    Attributes:
        web: where pages are. api: where the REST API is. Both without a final slash.
    """

    def __init__(self, project: Project, *, web: str, api: str) -> None:
        self.project = project
        self.web = web
        self.api = api
        self._repositories: dict[str, dict[str, Any]] = {}

    @property
    def here(self) -> str:
        """The address of the repository in the API."""
        return f"{self.api}/repos/{self.project.name}"

    @property
    def page(self) -> str:
        """The repository's page."""
        return f"{self.web}/{self.project.name}"

    def user(self, login: str) -> dict[str, Any]:
        """Anybody (`simple-user`)."""
        path = quote(login)
        url = f"{self.api}/users/{path}"
        number = sum(login.encode()) + 10 * len(login)
        return {
            "login": login,
            "id": number,
            "node_id": f"U_{number}",
            "avatar_url": f"{self.web}/avatars/u/{number}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{path}",
            **{name: url + path for name, path in _USER_LINKS.items()},
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def user_or_none(self, login: str | None) -> dict[str, Any] | None:
        """None for nobody."""
        return None if login is None else self.user(login)

    def private_user(self, login: str) -> dict[str, Any]:
        """The one who asks (`private-user`)."""
        unknown = ("name", "company", "location", "email", "hireable", "bio")
        counts = ("public_repos", "public_gists", "followers", "following", "private_gists", "total_private_repos")
        return {
            **self.user(login),
            **dict.fromkeys(unknown),
            **dict.fromkeys((*counts, "owned_private_repos", "disk_usage", "collaborators"), 0),
            "blog": "",
            "created_at": _LONG_AGO,
            "updated_at": _LONG_AGO,
            "two_factor_authentication": True,
            "user_view_type": "private",
        }

    def repository(self, owner: str) -> dict[str, Any]:
        """The project, or the fork of another owner."""
        if owner in self._repositories:
            return self._repositories[owner]
        name = self.project.name.partition("/")[2]
        url, page = f"{self.api}/repos/{owner}/{name}", f"{self.web}/{owner}/{name}"
        number = 100 + len(owner)
        self._repositories[owner] = {
            "id": number,
            "node_id": f"R_{number}",
            "name": name,
            "full_name": f"{owner}/{name}",
            "owner": self.user(owner),
            "private": True,
            "html_url": page,
            "description": None,
            "fork": owner != self.project.owner,
            "url": url,
            **{key: url + path for key, path in _REPOSITORY_LINKS.items()},
            **dict.fromkeys(_COUNTS, 0),
            "git_url": f"git:{page.partition(':')[2]}.git",
            "ssh_url": f"git@{self.web.partition('//')[2].partition(':')[0]}:{owner}/{name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "license": None,
            "default_branch": self.project.default_branch,
            **dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads"), True),
            **dict.fromkeys(("has_pages", "has_discussions", "archived", "disabled"), False),
            "visibility": "private",
            "pushed_at": _LONG_AGO,
            "created_at": _LONG_AGO,
            "updated_at": _LONG_AGO,
        }
        return self._repositories[owner]

    def full_repository(self, access: str) -> dict[str, Any]:
        """With the settings of the project, and what the one who asks may do."""
        methods = self.project.allowed_methods
        return {
            **self.repository(self.project.owner),
            "permissions": {
                "admin": False,
                "maintain": False,
                "push": access == "write",
                "triage": access == "write",
                "pull": True,
            },
            # GitHub shows these to people who may push only.
            **(
                {
                    "allow_merge_commit": "merge" in methods,
                    "allow_squash_merge": "squash" in methods,
                    "allow_rebase_merge": "rebase" in methods,
                    "allow_auto_merge": self.project.allows_auto_merge,
                    "delete_branch_on_merge": self.project.deletes_branches,
                }
                if access == "write"
                else {}
            ),
        }

    def pull_simple(self, pull: Pull) -> dict[str, Any]:
        """As an element of a list."""
        url, page = f"{self.here}/pulls/{pull.number}", f"{self.page}/pull/{pull.number}"
        issue = f"{self.here}/issues/{pull.number}"
        statuses = f"{self.here}/statuses/{pull.head_sha}"
        is_merged = pull.state == "merged"
        return {
            "url": url,
            "id": pull.id,
            "node_id": pull.node_id,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "commits_url": f"{url}/commits",
            "review_comments_url": f"{url}/comments",
            "review_comment_url": f"{self.here}/pulls/comments{{/number}}",
            "comments_url": f"{issue}/comments",
            "statuses_url": statuses,
            "number": pull.number,
            "state": "open" if pull.state == "open" else "closed",
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.login),
            "body": pull.body,
            "labels": [self.label(name) for name in pull.labels],
            "milestone": None if pull.milestone is None else self.milestone(pull.milestone),
            "active_lock_reason": None,
            "created_at": pull.created_at,
            "updated_at": pull.updated_at,
            "closed_at": pull.closed_at,
            "merged_at": pull.closed_at if is_merged else None,
            "merge_commit_sha": pull.merged_sha if is_merged else self.project.test_merge_sha(pull),
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [self.user(login) for login in pull.reviewers],
            "requested_teams": [],
            "head": self._end(pull.head_owner, pull.branch, pull.head_sha),
            "base": self._end(self.project.owner, pull.base, pull.base_sha),
            "_links": {
                "self": {"href": url},
                "html": {"href": page},
                "issue": {"href": issue},
                "comments": {"href": f"{issue}/comments"},
                "review_comments": {"href": f"{url}/comments"},
                "review_comment": {"href": f"{self.here}/pulls/comments{{/number}}"},
                "commits": {"href": f"{url}/commits"},
                "statuses": {"href": statuses},
            },
            "author_association": "COLLABORATOR",
            "auto_merge": None
            if pull.auto_merge is None
            else {
                "enabled_by": self.user(pull.auto_merge[1]),
                "merge_method": pull.auto_merge[0],
                "commit_title": pull.title,
                "commit_message": "",
            },
            "draft": pull.is_draft,
        }

    def _end(self, owner: str, branch: str, sha: str) -> dict[str, Any]:
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repository(owner),
        }

    def pull(self, pull: Pull, *, counts: bool) -> dict[str, Any]:
        """As a whole; `counts` as in `Project.read_mergeability`."""
        mergeable, state = self.project.read_mergeability(pull, counts=counts)
        added, removed, files = self.project.repository.size(pull.base_sha, pull.head_sha)
        document = {
            **self.pull_simple(pull),
            "merged": pull.state == "merged",
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": state,
            "merged_by": self.user_or_none(pull.merged_by),
            "comments": sum(one.path is None for one in pull.comments),
            "review_comments": sum(one.path is not None for one in pull.comments),
            "maintainer_can_modify": False,
            "commits": len(self.project.repository.commits(pull.base_sha, pull.head_sha)),
            "additions": added,
            "deletions": removed,
            "changed_files": files,
        }
        if mergeable is None and pull.state == "open":
            document["merge_commit_sha"] = None
        return document

    def issue(self, pull: Pull) -> dict[str, Any]:
        """The pull request as an issue."""
        url, page = f"{self.here}/issues/{pull.number}", f"{self.page}/pull/{pull.number}"
        return {
            "id": pull.id + 500_000,
            "node_id": pull.node_id,
            "url": url,
            "repository_url": self.here,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": page,
            "number": pull.number,
            "state": "open" if pull.state == "open" else "closed",
            "title": pull.title,
            "body": pull.body,
            "user": self.user(pull.login),
            "labels": [self.label(name) for name in pull.labels],
            "assignee": None,
            "assignees": [],
            "milestone": None if pull.milestone is None else self.milestone(pull.milestone),
            "locked": False,
            "comments": sum(one.path is None for one in pull.comments),
            "pull_request": {
                "url": f"{self.here}/pulls/{pull.number}",
                "html_url": page,
                "diff_url": f"{page}.diff",
                "patch_url": f"{page}.patch",
            },
            "created_at": pull.created_at,
            "updated_at": pull.updated_at,
            "closed_at": pull.closed_at,
            "author_association": "COLLABORATOR",
        }

    def label(self, name: str) -> dict[str, Any]:
        """One of the repository."""
        number = 1 + self.project.labels.index(name)
        return {
            "id": number,
            "node_id": f"LA_{number}",
            "url": f"{self.here}/labels/{number}",
            "name": name,
            "description": "",
            "color": "ededed",
            "default": name == "bug",
        }

    def milestone(self, number: int) -> dict[str, Any]:
        """One of the repository."""
        url = f"{self.here}/milestones/{number}"
        return {
            "url": url,
            "html_url": f"{self.page}/milestone/{number}",
            "labels_url": f"{url}/labels",
            "id": 9000 + number,
            "node_id": f"MI_{number}",
            "number": number,
            "state": "open",
            "title": self.project.milestones[number],
            "description": None,
            "creator": self.user(self.project.owner),
            "open_issues": 0,
            "closed_issues": 0,
            "created_at": _LONG_AGO,
            "updated_at": _LONG_AGO,
            "closed_at": None,
            "due_on": None,
        }

    def review(self, pull: Pull, review: Review) -> dict[str, Any]:
        """One of a pull request."""
        page = f"{self.page}/pull/{pull.number}#pullrequestreview-{review.id}"
        url = f"{self.here}/pulls/{pull.number}"
        return {
            "id": review.id,
            "node_id": f"PRR_{review.id}",
            "user": self.user(review.login),
            "body": review.body,
            "state": review.state,
            "html_url": page,
            "pull_request_url": url,
            "author_association": "MEMBER",
            "_links": {"html": {"href": page}, "pull_request": {"href": url}},
            "submitted_at": review.at,
            "commit_id": review.sha,
        }

    def comment(self, pull: Pull, comment: Comment) -> dict[str, Any]:
        """Of the conversation, or on a line."""
        page = f"{self.page}/pull/{pull.number}"
        shared = {
            "id": comment.id,
            "user": self.user(comment.login),
            "body": comment.body,
            "created_at": comment.at,
            "updated_at": comment.at,
            "author_association": "MEMBER",
        }
        if comment.path is None:
            return {
                **shared,
                "node_id": f"IC_{comment.id}",
                "url": f"{self.here}/issues/comments/{comment.id}",
                "html_url": f"{page}#issuecomment-{comment.id}",
                "issue_url": f"{self.here}/issues/{pull.number}",
            }
        url, html = f"{self.here}/pulls/comments/{comment.id}", f"{page}#discussion_r{comment.id}"
        request = f"{self.here}/pulls/{pull.number}"
        place = {"line": comment.line, "original_line": comment.line, "side": "RIGHT", "subject_type": "line"}
        return {
            **shared,
            "node_id": f"PRRC_{comment.id}",
            "url": url,
            "pull_request_review_id": comment.id + 700_000,
            "diff_hunk": "@@ -1 +1 @@",
            "path": comment.path,
            "commit_id": pull.head_sha,
            "original_commit_id": comment.sha,
            "html_url": html,
            "pull_request_url": request,
            "_links": {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": request}},
            **(place if comment.line is not None else {"subject_type": "file"}),
            **({"in_reply_to_id": comment.reply_to} if comment.reply_to else {}),
        }

    def check_run(self, check: Check) -> dict[str, Any]:
        """A check of an app."""
        page = f"{self.page}/runs/{check.id}"
        return {
            "id": check.id,
            "node_id": f"CR_{check.id}",
            "head_sha": check.sha,
            "external_id": "",
            "url": f"{self.here}/check-runs/{check.id}",
            "html_url": page,
            "details_url": page,
            "status": check.status,
            "conclusion": check.conclusion,
            "started_at": check.at,
            "completed_at": check.at if check.status == "completed" else None,
            "output": {
                "title": None,
                "summary": None,
                "text": None,
                "annotations_count": 0,
                "annotations_url": f"{self.here}/check-runs/{check.id}/annotations",
            },
            "name": check.name,
            "check_suite": {"id": 5},
            "app": None,
            "pull_requests": [],
        }

    def status(self, check: Check) -> dict[str, Any]:
        """A commit status."""
        return {
            "id": check.id,
            "node_id": f"SC_{check.id}",
            "url": f"{self.here}/statuses/{check.sha}",
            "avatar_url": None,
            "state": check.status,
            "description": None,
            "target_url": f"{self.web}/status/{check.id}",
            "context": check.name,
            "created_at": check.at,
            "updated_at": check.at,
        }

    def combined_status(self, sha: str, statuses: list[Check], page: list[Check]) -> dict[str, Any]:
        """All statuses of a commit; without any it is `pending`."""
        outcomes = {one.outcome for one in statuses}
        state = "failure" if "failed" in outcomes else "pending" if outcomes != {"passed"} else "success"
        url = f"{self.here}/commits/{sha}"
        return {
            "state": state,
            "statuses": [self.status(one) for one in page],
            "sha": sha,
            "total_count": len(statuses),
            "repository": self.repository(self.project.owner),
            "commit_url": url,
            "url": f"{url}/status",
        }

    def branch(self, name: str, sha: str) -> dict[str, Any]:
        """A branch with what people who are no administrators see of its protection."""
        classic = [one for one in self.project.protections_of(name) if one.kind == "classic"]
        checks = [context for one in classic for context in one.checks]
        url = f"{self.here}/branches/{name}"
        return {
            "name": name,
            "commit": self.commit(sha),
            "_links": {"self": url, "html": f"{self.page}/tree/{name}"},
            "protected": bool(self.project.protections_of(name)),
            "protection": {
                "enabled": bool(classic),
                "required_status_checks": {
                    "enforcement_level": "non_admins" if checks else "off",
                    "contexts": checks,
                    "checks": [{"context": context, "app_id": None} for context in checks],
                },
            },
            "protection_url": f"{url}/protection",
        }

    def commit(self, sha: str) -> dict[str, Any]:
        """A commit of git."""
        url = f"{self.here}/commits/{sha}"
        text = self.project.repository.git(
            "show", "--no-patch", "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B", sha
        )
        tree, parents, author, mail, at, committer, committer_mail, committed_at, message = text.split("\0")
        return {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": url,
            "html_url": f"{self.page}/commit/{sha}",
            "comments_url": f"{url}/comments",
            "commit": {
                "url": f"{self.here}/git/commits/{sha}",
                "author": {"name": author, "email": mail, "date": at},
                "committer": {"name": committer, "email": committer_mail, "date": committed_at},
                "message": message.strip("\n"),
                "tree": {"sha": tree, "url": f"{self.here}/git/trees/{tree}"},
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "author": None,
            "committer": None,
            "parents": [
                {"sha": one, "url": f"{self.here}/commits/{one}", "html_url": f"{self.page}/commit/{one}"}
                for one in parents.split()
            ],
        }

    def rules(self, branch: str) -> list[dict[str, Any]]:
        """What active rulesets ask of the branch."""
        found: list[dict[str, Any]] = []
        for number, one in enumerate(self.project.protections_of(branch), start=1):
            source = {"ruleset_source_type": "Repository", "ruleset_source": self.project.name, "ruleset_id": number}
            found += [{**rule, **source} for rule in _rules(one)]
        return found

    def workflow(self, name: str) -> dict[str, Any]:
        """One of GitHub Actions."""
        number = 300 + self.project.workflows.index(name)
        path = f".github/workflows/{name}.yml"
        return {
            "id": number,
            "node_id": f"W_{number}",
            "name": name,
            "path": path,
            "state": "active",
            "created_at": _LONG_AGO,
            "updated_at": _LONG_AGO,
            "url": f"{self.here}/actions/workflows/{number}",
            "html_url": f"{self.page}/blob/{self.project.default_branch}/{path}",
            "badge_url": f"{self.page}/workflows/{name}/badge.svg",
        }


def _rules(protection: Protection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if protection.queue:
        parameters = {
            "check_response_timeout_minutes": 60,
            "grouping_strategy": "ALLGREEN",
            "max_entries_to_build": 5,
            "max_entries_to_merge": 5,
            "merge_method": protection.queue.upper(),
            "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        }
        found.append({"type": "merge_queue", "parameters": parameters})
    if protection.kind == "classic":
        return found
    if protection.checks:
        parameters = {
            "strict_required_status_checks_policy": protection.is_strict,
            "do_not_enforce_on_create": False,
            "required_status_checks": [{"context": name} for name in protection.checks],
        }
        found.append({"type": "required_status_checks", "parameters": parameters})
    if protection.approvals or protection.conversations or len(protection.methods) < 3:
        parameters = {
            "required_approving_review_count": protection.approvals,
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": False,
            "require_last_push_approval": False,
            "required_review_thread_resolution": protection.conversations,
            "allowed_merge_methods": list(protection.methods),
        }
        found.append({"type": "pull_request", "parameters": parameters})
    if protection.linear:
        found.append({"type": "required_linear_history"})
    if protection.signatures:
        found.append({"type": "required_signatures"})
    return found
