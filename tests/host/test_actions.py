"""The action as a workflow of another repository runs it: its step's own script and environment, in a folder of theirs."""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

from tests.host.conftest import SMALL, engine_file

yaml = pytest.importorskip("yaml")
ROOT = pathlib.Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
ELSEWHERE = ("artifact", "comment", "token")  # inputs that other steps than the gate's take
COMMENT = next(step for step in STEPS if "comment.py" in step.get("run", ""))
GATE = next(step for step in STEPS if step.get("id") == "gate")
WORKFLOWS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / ".github/workflows").glob("*.yml")]
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


@pytest.fixture
def theirs(tmp_path):
    """A repository of engines with one committed in it, in a folder named as ours is, with a space on the way."""
    root = tmp_path / "their repository"
    (root / "engines").mkdir(parents=True)
    (root / "engines" / "__init__.py").write_text(
        "raise RuntimeError('theirs is not to be imported in place of ours')\n"
    )
    engine_file(root / "engines", "mine", "ENGINE = replace()")
    (root / "documents.txt").write_text("ab\na\ncabbage\nbead\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "before"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    return root


@pytest.fixture
def gate(theirs, tmp_path):
    """Run the gate's step in that repository with the inputs given: exit status, outputs, step summary, log."""

    def run(environment=(), **inputs):
        given = {name: about["default"] for name, about in ACTION["inputs"].items()}
        given |= {"engines": "engines/*.py", "against": "HEAD", "data": "documents.txt"}
        given |= {"arguments": " ".join([*SMALL, "--steps", "3", "--no-instructions"])}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        values = {f"inputs.{name}": value for name, value in given.items()}
        values["steps.install.outputs.python"] = values["steps.python.outputs.python-path"] = sys.executable

        def evaluate(text):  # of the language of expressions, only what the step uses: NAME and NAME || NAME
            return EXPRESSION.sub(lambda found: next(filter(None, map(values.get, found[1].split())), ""), text)

        files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", GATE["run"]],
            cwd=theirs,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")},
                **{name: str(path) for name, path in files.items()},
                "GITHUB_ACTION_PATH": str(ROOT),
                "RUNNER_TEMP": str(tmp_path),
                **{name: evaluate(text) for name, text in GATE["env"].items()},
                **dict(environment),
            },
            capture_output=True,
            text=True,
        )
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        assert set(outputs) <= set(ACTION["outputs"]) and outputs["status"] == str(done.returncode), done.stderr
        assert not list(tmp_path.rglob("pwned"))
        return done.returncode, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), done.stdout + done.stderr

    return run


def test_an_engine_as_it_was_passes(gate, theirs):
    status, outputs, summary, log = gate(threshold="9", budget="5m", strict="true")
    assert (status, outputs["verdict"]) == (0, "pass"), log
    assert set(outputs) == set(ACTION["outputs"]), log
    assert summary.startswith("### Against") and re.search(r"\| mine +\| +PASS", summary)
    answer = json.loads(pathlib.Path(outputs["json"]).read_text())
    assert {cell["engine"]: cell["word"] for cell in answer["cells"]} == {"mine": "PASS"}
    assert "mine" in pathlib.Path(outputs["junit"]).read_text()
    assert pathlib.Path(outputs["report"]).read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    left = subprocess.run(["git", "status", "--porcelain"], cwd=theirs, capture_output=True, text=True).stdout
    assert left == ""  # nothing is written among their files


def test_a_wrong_engine_fails(gate, theirs):
    engine_file(theirs / "engines", "mine", "ENGINE = replace(relu=lambda x: [xi.relu() * 1.000001 for xi in x])")
    status, outputs, summary, log = gate(budget="1s")
    assert (status, outputs["verdict"]) == (1, "fail"), log
    assert "DIVERGED" in summary and pathlib.Path(outputs["report"]).exists()


def test_a_build_of_python_against_another(gate):
    status, outputs, summary, log = gate(
        engines="tape",
        python=f"head={sys.executable}",
        against="",
        against_python=f"base={sys.executable}",
        threshold="9",
        budget="1s",
    )
    assert (status, outputs["verdict"]) == (0, "pass"), log
    assert "Against base" in summary and "| tape" in summary


PROGRAMS = ['"; touch pwned #', "$(touch pwned)`touch pwned`'; touch pwned; '"]


@pytest.mark.parametrize("value", PROGRAMS)
@pytest.mark.parametrize("names", [[*ACTION["inputs"]], ["against"], ["data"]], ids=["all", "against", "data"])
def test_an_input_is_never_part_of_a_program(gate, names, value):
    status, outputs, summary, log = gate(**dict.fromkeys(names, value))
    assert (status, outputs["verdict"]) == (2, "error"), log
    assert "json" not in outputs and log.strip().partition(": ")[2] in summary
    assert log.startswith("microgpt-bench: ") and log.count("\n") == 1


@pytest.mark.parametrize(
    "inputs, words",
    [
        ({"engines": "engines/none*.py"}, "no file is named 'engines/none*.py'"),
        ({"strict": "yes"}, "write true or false"),
        ({"arguments": "--rounds '"}, "not quoted as in a shell"),
        ({"against": "HEAD", "baseline": "x"}, "give only one"),
    ],
)
def test_bad_input_is_one_line(gate, inputs, words):
    status, outputs, summary, log = gate(**inputs)
    assert (status, outputs["verdict"]) == (2, "error") and words in summary
    assert words in log and log.startswith("microgpt-bench: ") and log.count("\n") == 1


class GitHub(http.server.BaseHTTPRequestHandler):
    """Comments as GitHub keeps them, of one pull request."""

    comments, said, status = [], [], 200

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.said.append((self.command, self.path, self.headers["Authorization"]))
        status = self.status if self.command != "GET" else 200
        if status == 200 and self.command == "POST":
            self.comments.append({"id": 7 + len(self.comments), "user": {"type": "Bot"}, **body})
        if status == 200 and self.command == "PATCH":
            next(c for c in self.comments if str(c["id"]) == self.path.split("/")[-1]).update(body)
        text = json.dumps(self.comments if self.command == "GET" else {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def comment(tmp_path):
    """Run the comment's step on a pull request: GitHub's side of it, and the log."""
    github = type("Other", (GitHub,), {"comments": [], "said": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), github)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    table = {
        "title": "Against abc",
        "above": [],
        "headers": ["engine", "verdict"],
        "rows": [["mine", "PASS"]],
        "below": [],
    }

    def run(event='{"pull_request": {"number": 12}}', word="PASS", name="gate", **environment):
        table["rows"][0][1] = word
        (tmp_path / "gate.json").write_text(json.dumps({"table": table, "summary": f"{word}: 1"}))
        (tmp_path / "event.json").write_text(event)
        done = subprocess.run(
            ["bash", "-c", COMMENT["run"]],
            env={
                "PYTHON": sys.executable,
                "PATH": os.environ["PATH"],
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
                "GITHUB_REPOSITORY": "they/theirs",
                "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
                "COMMENT_JSON": str(tmp_path / "gate.json"),
                "COMMENT_NAME": name,
                "COMMENT_TOKEN": "secret",
                **environment,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "secret" not in done.stdout + done.stderr, done.stderr
        return github, done.stdout

    yield run
    server.shutdown()
    server.server_close()


def test_one_comment_is_written_and_then_edited(comment):
    github, log = comment()
    assert log == "" and [said[0] for said in github.said] == ["GET", "POST"]
    assert github.said[1][1:] == ("/repos/they/theirs/issues/12/comments", "Bearer secret")
    # somebody else's with the same mark is not ours to edit
    github.comments.insert(0, {"id": 1, "user": {"type": "User"}, "body": github.comments[0]["body"]})
    comment(word="REGRESSED")
    assert [c["id"] for c in github.comments] == [1, 7]
    assert "| mine" in github.comments[1]["body"] and "REGRESSED: 1" in github.comments[1]["body"]
    assert "PASS: 1" in github.comments[0]["body"]
    comment(name="other job")  # of a matrix: one of its own
    assert len(github.comments) == 3


def test_a_fork_may_not_comment_and_the_step_passes(comment):
    github, _ = comment()
    github.status = 403
    assert "a pull request from a fork never has that" in comment()[1]
    github.status = 500
    assert "GitHub answers 500" in comment()[1]
    assert "no comment is written" in comment(GITHUB_API_URL="http://127.0.0.1:9")[1]
    assert "this is no pull request" in comment(event="{}")[1]


def test_every_input_reaches_the_script_or_another_action():
    """By an environment variable that the script reads, in the step of the gate."""
    script = (ROOT / ".github" / "gate.py").read_text(encoding="utf-8")
    for name in ACTION["inputs"]:
        variable = "INPUT_" + name.upper().replace("-", "_")
        if name in ELSEWHERE:
            assert any(f"inputs.{name}" in str({**step, "env": step.get("env")}) for step in STEPS if step != GATE)
        else:
            assert f"inputs.{name} " in GATE["env"][variable]
            assert f'"{variable.removeprefix("INPUT_")}"' in script
    assert {name for name in GATE["env"] if name.startswith("INPUT_")} == {
        "INPUT_" + name.upper().replace("-", "_") for name in ACTION["inputs"] if name not in ELSEWHERE
    }


def test_no_script_holds_an_expression():
    """What GitHub puts into a script's text would be part of the program."""
    jobs = [job for workflow in WORKFLOWS for job in workflow["jobs"].values()]
    scripts = [step["run"] for steps in (STEPS, *(job["steps"] for job in jobs)) for step in steps if "run" in step]
    assert len(scripts) > 5 and not [script for script in scripts if "${{" in script]


def test_workflows_may_read_only_and_end():
    for workflow in WORKFLOWS:
        assert workflow["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
        assert "pull_request_target" not in workflow[True]  # "on", as YAML reads it
