"""The playground in a real browser, clicked through: what it computes is what the command line computes."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest

from bench import Model
from tests.web.conftest import PATIENCE, PLAIN_LIBRARY, ROOT, WEB, button, opened, wait_for_text

import golden

SIZES = [1400, 1024, 390]
LONG = "100000"  # steps of a training that is under way still when a test gets to its pause, however busy the machine
TABS = ["train", "generate", "inside", "ladder", "race", "engine"]


def downloaded(page, name):
    """What the button hands out, as a text."""
    with page.expect_download() as waiting:
        button(page, name).click()
    return waiting.value.path().read_text(encoding="utf-8")


def tab(page, name):
    page.click(f"#tab-{name}")


def value(page, name):
    return page.inner_text(f"[data-testid='{name}']")


def drop(page, selector, file):
    """Drop a file, given as an expression of the page's language, on an element."""
    transfer = page.evaluate_handle(f"() => {{ const t = new DataTransfer(); t.items.add({file}); return t; }}")
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer})


def settled(page):
    """Until Python has looked at the settings as they stand."""
    page.wait_for_function("document.querySelector('[data-testid=size]')?.innerText.includes('about')")


def cpython(command):
    """A command of ours, by a C library that computes as the browser's does."""
    environment = {**os.environ, **golden.PLAIN}
    words = [sys.executable, "-m", "bench", *command.split()]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


# --------------------------------------------------------------------- training, and all that a model is for


def test_a_training_is_cpythons_bit_for_bit_and_its_model_draws_the_same(browser, address, tmp_path):
    with opened(browser, address + "#rng=mulberry32") as page:
        settled(page)
        assert "4,192 parameters" in value(page, "size")
        paused(page)
        page.fill("#field-steps", "70")
        page.get_by_label("Samples every so many steps").fill("25")
        button(page, "Train").wait_for()
        button(page, "Step").click()
        wait_for_text(page, "[data-testid=step]", "1 / 70")
        button(page, "Step").click()
        wait_for_text(page, "[data-testid=step]", "2 / 70")
        button(page, "Resume").click()
        button(page, "Train anew").wait_for()
        assert value(page, "step") == "70 / 70" and float(value(page, "loss")) < 3.2
        assert page.locator("[data-testid=samples] li").count() == 2
        assert "Last: each step" in page.get_by_role("img", name="Loss in nats").get_attribute("aria-label")

        ours, path = tmp_path / "ours.json", tmp_path / "model.json"
        told = tmp_path / "losses"
        cpython(
            f"train --engine compiled --rng mulberry32 --steps 70 --schedule-steps 70 --samples 1 --save {ours} --losses {told}"
        )
        rows = list(csv.DictReader(io.StringIO(downloaded(page, "Losses as CSV"))))
        path.write_text(downloaded(page, "Save the model"), encoding="utf-8")
        expected = told.read_text(encoding="utf-8").split()
        if PLAIN_LIBRARY:
            assert [row["loss_hex"] for row in rows] == expected
            assert json.loads(path.read_text())["weights"] == json.loads(ours.read_text())["weights"]
        assert [float(row["loss"]) for row in rows] == pytest.approx([float.fromhex(x) for x in expected], abs=1e-12)

        tab(page, "generate")
        page.fill("#draw-temperature", "0.8")
        page.fill("#draw-top_k", "6")
        page.fill("#draw-prefix", "ma")
        page.fill("#draw-number", "4")
        page.fill("#draw-seed", "none")
        button(page, "Generate").click()
        wait_for_text(page, "#draw-seed-about", "must be a whole number")
        page.fill("#draw-seed", "42")
        button(page, "Generate").click()
        page.locator("[data-testid=texts] li").nth(3).wait_for()
        page.get_by_text("Token by token, as a table").click()
        command = f"generate --model {path} --temperature 0.8 --top-k 6 --prefix ma --samples 4 --seed 42 --trace"
        done = cpython(command)
        expected = [
            re.split(r"\s{2,}", line.strip())[:4] for line in done.stdout.splitlines() if re.match(r"\s*\d", line)
        ]
        found = [
            [cell.replace(" %", "%") for cell in row[:4]]
            for row in page.eval_on_selector_all(
                "[data-testid=trace] tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
            )
        ]
        assert found == expected
        by_hand(page)
        inside(page)
        graph(page)
        load_and_save(page, path, tmp_path)


def paused(page):
    """A pause stops the training, and so does the next one; back to the beginning."""
    page.fill("#field-steps", LONG)
    button(page, "Train").click()
    for _ in range(2):
        button(page, "Pause").click()
        button(page, "Resume").wait_for()
        at = value(page, "step")
        assert int(at.split(" ")[0].replace(",", "")) < int(LONG)
        page.wait_for_timeout(300)
        assert value(page, "step") == at, "no step after a pause"
        button(page, "Resume").click()
    button(page, "Pause").click()
    button(page, "Resume").wait_for()
    button(page, "Reset").click()
    button(page, "Train").wait_for()


def by_hand(page):
    """Token by token: choose, draw, go back, undo."""
    chosen = page.get_by_role("group", name="Probability of each next character")
    text = page.locator("[data-testid=by-hand]")
    page.fill("#draw-top_k", "")
    chosen.get_by_role("button", name=re.compile("^k, ")).click()
    wait_for_text(page, "[data-testid=by-hand]", "k")
    page.fill("#draw-top_k", "3")
    page.wait_for_function("document.querySelectorAll('.bars button:not([disabled])').length === 3")
    page.get_by_label("Greedy", exact=True).check()
    button(page, "Draw one").click()
    page.wait_for_function("document.querySelector('[data-testid=by-hand]').innerText.length > 1")
    drawn = text.inner_text()
    button(page, "Back").click()
    assert text.inner_text() == "k"
    button(page, "Undo").click()
    assert text.inner_text() == drawn
    button(page, "Undo").click()
    button(page, "Undo").click()
    assert "nothing yet" in text.inner_text()


def inside(page):
    tab(page, "inside")
    page.get_by_label("What the model reads").fill("emma")
    page.get_by_role("img", name="Attention of layer 1, head 4: e looks most at").wait_for()
    assert page.locator(".heads rect").count() == 4 * 15
    assert page.locator("[data-testid=closed]").inner_text().endswith("%")
    assert page.locator("[data-testid=map] text").count() == 27
    page.get_by_label("What the model reads").fill("emü")
    page.get_by_text("'ü'").wait_for()


def graph(page):
    page.locator("#graph-document").fill("mo")
    button(page, "Open the graph").click()
    nodes = page.locator("[data-testid=graph] g.node")
    nodes.nth(4).wait_for()
    before = nodes.count()
    closed = page.locator("g.node.closed").first
    closed.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('[data-testid=graph] g.node').length > {before}")
    assert "gradient" in page.locator("[data-testid=node]").inner_text()
    page.locator("#graph-document").fill("mori")
    button(page, "Open the graph").click()
    page.get_by_text("give one or two").wait_for()


def load_and_save(page, path, tmp_path):
    """A model file comes back; another version's, and one of another vocabulary, are told of."""
    tab(page, "train")
    damaged = tmp_path / "damaged.json"
    damaged.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    page.set_input_files("#model-file", damaged)
    page.get_by_text("this version reads schema 1 only").wait_for()
    assert value(page, "step") == "70 / 70", "nothing is lost"
    page.set_input_files("#model-file", path)
    page.wait_for_function("!document.body.innerText.includes('reads schema 1')")
    page.select_option("#list", "moons")
    page.wait_for_function("document.querySelector('.setup details summary').innerText.includes('153')")
    page.set_input_files("#model-file", path)
    page.get_by_text("it can be drawn from and looked at, not trained on").wait_for()


# --------------------------------------------------------------------- bad input, and what is not lost


def test_bad_input_is_a_sentence_at_the_field_and_settings_stand_in_the_address(browser, address, tmp_path):
    with opened(browser, address + "#data=dinosaurs&n_embd=8&n_head=2&steps=40&engine=vector") as page:
        settled(page)
        assert page.input_value("#field-n_embd") == "8" and page.input_value("#list") == "dinosaurs"
        for field, typed, words in (
            ("n_embd", "9", "multiple of n_head"),
            ("n_embd", "", "must be a whole number"),
            ("steps", "0", "at least 1"),
            ("learning_rate", "fast", "must be a number"),
        ):
            before = page.input_value(f"#field-{field}")
            page.fill(f"#field-{field}", typed)
            wait_for_text(page, f"#about-{field}", words)
            assert page.get_attribute(f"#field-{field}", "aria-invalid") == "true"
            page.fill(f"#field-{field}", before)
            page.wait_for_function(f"!document.querySelector('#field-{field}').ariaInvalid")
        page.fill("#field-block_size", "9")
        wait_for_text(page, "[data-testid=size]", "the block cuts")
        page.fill("#field-n_embd", "2048")
        wait_for_text(page, "#about-n_embd", "too large")
        page.fill("#field-n_embd", "8")

        files = {
            "zero.txt": (b"a\0b", "is not text"),
            "latin.txt": (b"caf\xe9", "not UTF-8"),
            "none.txt": (b"", "is empty"),
        }
        for name, (content, words) in files.items():
            (tmp_path / name).write_bytes(content)
            page.set_input_files("#text-file", tmp_path / name)
            wait_for_text(page, "#data-error", words)
        (tmp_path / "large.txt").write_bytes(b"a" * 5_000_001)
        page.set_input_files("#text-file", tmp_path / "large.txt")
        wait_for_text(page, "#data-error", "5,000,001 bytes")
        assert page.input_value("#list") == "dinosaurs"

        page.select_option("#list", "own")
        wait_for_text(page, "#data-error", "empty")
        page.get_by_label("Your text").fill("aaa")
        wait_for_text(page, "#data-error", "single character")
        page.get_by_label("Your text").fill("the quick brown fox jumps over the lazy dog")
        page.get_by_label("a running text").check()
        wait_for_text(page, ".setup details summary", "5 documents")
        (tmp_path / "mine.txt").write_text("één\ntwee\ndrie\n", encoding="utf-8")
        page.set_input_files("#text-file", tmp_path / "mine.txt")
        page.get_by_label("a running text").uncheck()
        wait_for_text(page, ".setup details summary", "3 documents")
        # a drop is a file too
        drop(page, ".drop", "new File(['uno\\ndos\\ntres\\ncuatro'], 'drop.txt')")
        wait_for_text(page, ".setup details summary", "4 documents")

        page.fill("#field-learning_rate", "1e300")
        page.wait_for_function("location.hash.includes('1e300')")
        button(page, "Train").click()
        page.get_by_text("choose a smaller learning rate").first.wait_for()
        assert int(value(page, "step").split(" ")[0]) < 40
        page.fill("#field-learning_rate", "0.02")
        # the reload asks first, and settings and text are there again
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.click("h1")
        page.reload()
        page.wait_for_selector("[data-ready=yes]")
        assert asked == ["beforeunload"]
        settled(page)
        assert page.input_value("#field-learning_rate") == "0.02" and page.input_value("#field-block_size") == "9"
        assert "cuatro" in page.get_by_label("Your text").input_value()
        assert "4 documents" in page.inner_text(".setup details summary")
        # validation and the schedule, by the preset
        button(page, "optimized").click()
        page.wait_for_function("location.hash.includes('cosine')")
        page.get_by_text("More training options").click()
        page.fill("#field-validate_every", "10")
        page.fill("#field-steps", "20")
        page.select_option("#list", "cats")
        settled(page)
        button(page, "Train").click()
        button(page, "Train anew").wait_for()
        assert float(value(page, "validation")) > 0 and value(page, "step") == "20 / 20"
        link = page.evaluate("location.href")
        assert "data=cats" in link and "clip_norm=1" in link
        button(page, "Reset").click()
        button(page, "Train").wait_for()
        # by keyboard from tab to tab
        page.focus("#tab-train")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "tab-generate"
        page.get_by_text("No model yet").wait_for()


# --------------------------------------------------------------------- races, and engines of one's own


def test_engines_race_and_a_wrong_one_is_found(browser, address, wasm):
    with opened(browser, address + "#tab=race") as page:
        page.fill("#race-steps", "12")
        native = ["native"] if wasm else []  # by the browser's own C library
        for name in ("wrong", "microgpt.mjs", *native):
            page.get_by_role("checkbox", name=name, exact=True).check()
        page.get_by_role("checkbox", name="compiled_unordered", exact=True).uncheck()
        button(page, "Start the race").click()
        wait_for_text(page, "[data-testid=race]", "DIVERGED")
        page.wait_for_selector("button:has-text('Losses as CSV'):not([disabled])")
        table = {row.split("\t")[0]: row.split("\t") for row in page.inner_text("[data-testid=race]").splitlines()}
        assert table["compiled"][3] == "same bits, 12 steps" and float(table["compiled"][2]) > 0
        for name in native:
            assert table[name][3] == "same bits, 12 steps" and float(table[name][2]) > float(table["compiled"][2])
        assert "DIVERGED: off by" in table["wrong"][3] and "step 2" in table["wrong"][3] and table["wrong"][2] == "–"
        assert table["microgpt.mjs"][3].startswith(("same bits", "within"))
        rows = list(csv.DictReader(io.StringIO(downloaded(page, "Losses as CSV"))))
        model = Model(engine="compiled", documents="given_names", rng="mulberry32")
        model.train(12)
        # the normal numbers of mulberry32 come from another C library's logarithm, which may differ in the last bit
        found = [float.fromhex(row["compiled"]) for row in rows]
        assert found == pytest.approx(model.losses, abs=1e-12)

        for name in ("fused_dot", "wrong", *native):
            page.get_by_role("checkbox", name=name, exact=True).uncheck()
        page.get_by_label("Lockstep").check()
        for field, typed, words, mended in (
            ("steps", "5.5", "whole number, at least 1", "5"),
            ("rounds", "", "whole", "2"),
        ):
            page.fill(f"#race-{field}", typed)
            button(page, "Start the race").click()
            wait_for_text(page, f"#race-{field}-about", words)
            page.fill(f"#race-{field}", mended)
        button(page, "Start the race").click()
        page.wait_for_function("/\\d \\[\\d/.test(document.querySelector('[data-testid=race]').innerText)")
        page.get_by_role("checkbox", name="microgpt.mjs", exact=True).uncheck()
        button(page, "Start the race").click()
        page.get_by_text("a race takes two to six").wait_for()


def test_an_engine_of_ones_own_is_checked_and_an_endless_one_is_stopped(browser, address):
    with opened(browser, address + "#tab=engine&n_embd=8&n_head=2") as page:
        editor = page.locator(".cm-content")
        button(page, "Check it").click()
        wait_for_text(page, "[data-testid=verdict]", "same bits, 20 steps; first gradients equal as floats")
        button(page, "To the race").click()
        assert page.get_by_role("checkbox", name="your engine", exact=True).is_visible()
        tab(page, "engine")
        # a file that is dropped takes the text's place
        for content, words in (("'# café'", "# café"), ("'ENGINE = ('", "ENGINE = (")):
            drop(page, ".cm-content", f"new File([{content}], 'mine.py')")
            page.wait_for_function(
                "words => document.querySelector('.cm-content').innerText.trim() === words", arg=words
            )
        drop(page, ".cm-content", "new File([new Uint8Array([0x63, 0xe9])], 'latin.py')")
        page.get_by_text("latin.py is not UTF-8 text").wait_for()
        button(page, "Check it").click()
        page.get_by_text("SyntaxError").first.wait_for()
        editor.fill("while True:\n    pass")
        button(page, "Check it").click()
        button(page, "Stop").click()
        page.get_by_role("alert").get_by_text("The page goes on").wait_for()
        page.get_by_label("Begin with").select_option("wrong")
        button(page, "Check it").click()
        wait_for_text(page, "[data-testid=verdict]", "DIVERGED")


def test_a_training_that_goes_wrong_is_told_and_the_page_goes_on(browser, address):
    with opened(browser, address + "#n_embd=8&n_head=2&steps=40&learning_rate=1e300") as page:
        settled(page)
        button(page, "Train").click()
        page.get_by_role("alert").get_by_text("smaller learning rate").wait_for()
        page.fill("#field-learning_rate", "0.01")
        button(page, "Reset").click()
        in_the_background(page)
        button(page, "Train").click()
        button(page, "Train anew").wait_for()
        assert "Last: each step" in page.get_by_role("img", name="Loss in nats").get_attribute("aria-label")
        page.get_by_label("Samples every so many steps").fill("often")
        button(page, "Train anew").click()
        wait_for_text(page, "#samples-error", "must be a whole number, at least 0")
        assert value(page, "step") == "40 / 40", "nothing is lost"
        page.get_by_label("Samples every so many steps").fill("0")
        # an engine without an end, in the training itself
        tab(page, "engine")
        page.locator(".cm-content").fill("while True:\n    pass")
        page.select_option("#engine", "own")
        tab(page, "train")
        button(page, "Train anew").click()
        button(page, "Reset").click()
        button(page, "Train").wait_for()
        page.select_option("#engine", "vector")
        button(page, "Train").click()
        button(page, "Train anew").wait_for()
        # on a narrow screen the settings are folded, until one of them is wrong
        page.set_viewport_size({"width": 390, "height": 900})
        page.locator(".folded > summary").wait_for()
        assert not page.locator("#field-n_embd").is_visible()
        page.click(".folded > summary")
        page.fill("#field-n_embd", "9")
        wait_for_text(page, "#about-n_embd", "multiple of n_head")


def in_the_background(page):
    """Another tab before this one: frames hardly come, the training goes on and is drawn later; a halt is told."""
    page.fill("#field-steps", LONG)
    page.evaluate(
        "window.frames_come = 0; const count = () => { frames_come++; requestAnimationFrame(count); }; count()"
    )
    button(page, "Train").click()
    wait_for_text(page, "[data-testid=step]", f" / {int(LONG):,}")
    session = page.context.new_cdp_session(page)
    target = session.send("Target.getTargetInfo")["targetInfo"]
    with page.context.expect_page() as coming:
        where = {"newWindow": False, "browserContextId": target["browserContextId"]}
        session.send("Target.createTarget", {"url": "about:blank", **where})
    coming.value.bring_to_front()
    now = "[frames_come, Number(document.querySelector('[data-testid=step]').innerText.split(' ')[0].replace(',', ''))]"
    # from a frame on: they come once a second there, where they come at all
    page.wait_for_function("before => frames_come > before + 1", arg=page.evaluate("frames_come"))
    before = page.evaluate(now)
    page.wait_for_function(f"([frames, steps]) => {now}[1] > steps + 200", arg=before)
    frames, steps = (later - earlier for later, earlier in zip(page.evaluate(now), before))
    assert steps > 10 * frames, "the tab is not in the background"
    page.evaluate("for (const name of ['freeze', 'resume']) document.dispatchEvent(new Event(name))")
    coming.value.close()
    page.get_by_text("The browser had paused this tab").first.wait_for()
    button(page, "Pause").click()
    button(page, "Reset").click()
    page.fill("#field-steps", "40")


@pytest.mark.slow
def test_fifty_steps_of_every_engine_are_cpythons(browser, address, wasm):
    losses = json.loads((WEB / "golden.json").read_text(encoding="utf-8"))["losses"]
    losses.update({"native": losses["reference"]} if wasm else {})
    with opened(browser, address + "#tab=race") as page:
        button(page, "Prove it").click()
        page.set_default_timeout(5 * PATIENCE)
        page.wait_for_function(f"document.querySelectorAll('[data-testid=proof] tbody tr').length === {len(losses)}")
        rows = [row.split("\t") for row in page.inner_text("[data-testid=proof]").splitlines()[1:]]
        assert {name: words for name, _, words in rows} == dict.fromkeys(losses, "same bits, 50 steps")


# --------------------------------------------------------------------- loading, and how it looks


def test_it_loads_little_says_what_is_missing_and_works_offline(browser, address):
    with opened(browser, address, ready=False, expected=("net::ERR",)) as page:
        page.wait_for_selector("[data-ready=yes]")
        page.wait_for_selector("html[data-offline=yes]", state="attached")
        total = page.evaluate(
            "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)"
        )
        kept = page.evaluate(
            """async () => {
                 let total = 0;
                 const cache = await caches.open('playground');
                 for (const key of await cache.keys()) total += (await (await cache.match(key)).arrayBuffer()).byteLength;
                 return total;
               }"""
        )
        assert kept + total < 20e6 and kept > 13e6
        page.context.set_offline(True)
        page.reload()
        page.wait_for_selector("[data-ready=yes]")
        settled(page)
        page.context.set_offline(False)
    missing = lambda page: page.route("**/pyodide.asm.wasm", lambda route: route.fulfill(status=404))  # noqa: E731
    with opened(browser, address, ready=False, before=missing, expected=("404",)) as page:
        page.locator(".top .trouble").wait_for()
        assert "Python did not load" in page.inner_text(".top .trouble")
    without = lambda page: page.add_init_script("delete window.WebAssembly")  # noqa: E731
    with opened(browser, address, ready=False, before=without) as page:
        page.locator(".top .trouble").wait_for()
        assert "no WebAssembly" in page.inner_text(".top .trouble")


def colours_in(png):
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return len(image.convert("RGB").resize((300, 300)).getcolors(300 * 300))


def test_every_width_is_filled_and_nothing_serious_is_in_the_way(browser, address):
    axe = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    how = {"reduced_motion": "reduce", "bypass_csp": True}
    with opened(browser, address + "#data=cats&steps=12&n_embd=8&n_head=2", **how) as page:
        settled(page)
        button(page, "Train").click()
        button(page, "Train anew").wait_for()
        page.evaluate(axe)
        for name in TABS:
            page.set_viewport_size({"width": SIZES[0], "height": 900})
            tab(page, name)
            if name == "inside":
                page.get_by_role("img", name="Map of the characters").wait_for()
            if name == "ladder":
                the_ladder(page)
            if name == "engine":
                page.locator(".cm-content").wait_for()
            for scheme, width in [*(("light", width) for width in SIZES), ("dark", SIZES[-1]), ("dark", SIZES[0])]:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 900})
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert overflow <= 0, f"{name} at {width} px is wider than the page"
                assert colours_in(page.screenshot()) > 20, f"{name} at {width} px, {scheme}, is blank"
                if (scheme, width) not in (("light", SIZES[-1]), ("dark", SIZES[0])):
                    continue
                found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
                serious = [one for one in found if one["impact"] in ("serious", "critical")]
                assert [(one["id"], [node["html"][:150] for node in one["nodes"]]) for one in serious] == [], name


def the_ladder(page):
    """The six models, side by side."""
    button(page, "Climb").click()
    page.wait_for_function("document.body.innerText.includes('After 12 steps')")
    rows = page.inner_text("[data-testid=ladder]").splitlines()
    assert len(rows) == 7 and rows[-1].split("\t")[0].strip() == "gpt" and "–" not in rows[-1]
