"""What action.yml runs after the gate: its table as one comment on the pull request, which later runs edit.

The comment is a courtesy: where it cannot be written, as with the read-only token of a pull request from a fork, a line
says so and the step passes. The verdict is the gate's, and its table is in the step summary too.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
LONGEST = 60_000  # characters: GitHub takes 65,536
PAGES = 20  # of a hundred comments each, to look for ours in
SECONDS = 30


def main() -> int:
    """Write or edit the comment, or say why not; always 0."""
    sys.path.insert(0, str(ROOT))
    number = pull_request()
    if number is None:
        return say("this is no pull request, so there is nothing to comment on")
    # the jobs of a matrix have artifacts of different names, and comments of their own
    mark = f"<!-- microgpt-bench: {''.join(filter(str.isalnum, os.environ.get('COMMENT_NAME', '')))} -->"
    try:
        body = f"{mark}\n{table(pathlib.Path(os.environ['COMMENT_JSON']))}"
        comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{number}/comments"
        ours = find(comments, mark)
        if ours is None:
            ask("POST", comments, {"body": body})
        else:
            ask("PATCH", f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{ours}", {"body": body})
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            return say(
                "the token may not comment: give the job `pull-requests: write`; a pull request from a fork never has that."
                " The table is in the step summary"
            )
        return say(f"GitHub answers {error.code} to the comment; the table is in the step summary")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return say(f"no comment is written ({type(error).__name__}: {error}); the table is in the step summary")
    return 0


def pull_request() -> int | None:
    """Its number, None where the workflow was started by something else."""
    try:
        event = json.loads(pathlib.Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return int(event["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def table(path: pathlib.Path) -> str:
    """The gate's table as Markdown, from its answer for programs."""
    from bench.host.pages import rendering
    from bench.host.results.table import Table

    answer = json.loads(path.read_text(encoding="utf-8"))
    text = f"{rendering.render_table(Table(**answer['table']), 'github')}\n\n{answer['summary']}"
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n\n(cut: the whole table is in the step summary)"


def find(comments: str, mark: str) -> int | None:
    """The identifier of the comment that begins with the mark and was written by a program; anybody may copy the mark."""
    for page in range(1, PAGES + 1):
        answer = ask("GET", f"{comments}?per_page=100&page={page}")
        for comment in answer:
            if comment["body"].startswith(mark) and comment["user"]["type"] == "Bot":
                return int(comment["id"])
        if len(answer) < 100:
            return None
    return None


def ask(method: str, path: str, content: dict[str, str] | None = None) -> Any:
    """GitHub's answer. Raises OSError, HTTPError among them, and ValueError."""
    request = urllib.request.Request(
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        data=None if content is None else json.dumps(content).encode(),
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['COMMENT_TOKEN']}",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def say(line: str) -> int:
    """A line in the log, and where the workflow is looked at."""
    # what ends a command of the workflow's is told by its signs alone
    print("::notice title=microgpt-bench::" + line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
