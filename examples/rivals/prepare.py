"""Make the programs of rivals.toml, from checkouts of their repositories in the folder ports/:  prepare.py [NAME ...]

Each is copied to ports/built/NAME, changed in the places that are listed here, and built. The changes are the fewest that let
it begin where ours begins: the weights are read from weights.txt and the documents are left in their order (begin.py writes
both), the number of steps is told by the environment variable STEPS, and each step's loss is printed. A place that is not found
is an error: the checkout is then of another revision.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import subprocess
import sys

PORTS = pathlib.Path(__file__).parent / "ports"
C = r"""#include <stdio.h>
#include <stdlib.h>
static double next_weight(void) {
  static FILE *file; double x;
  if (!file) file = fopen("weights.txt", "r");
  if (!file || fscanf(file, "%lf", &x) != 1) exit(9);
  return x;
}
static int told(void) { static int n; return n ? n : (n = atoi(getenv("STEPS"))); }
"""
GO = """var numSteps, _ = strconv.Atoi(os.Getenv("STEPS"))
var file, _ = os.Open("weights.txt")
var weights = bufio.NewReader(file)
func nextWeight() (x float64) { fmt.Fscan(weights, &x); return }
"""
RUST = """fn told() -> usize { std::env::var("STEPS").unwrap().parse().unwrap() }
fn next_weight() -> f64 {
    thread_local! { static LEFT: std::cell::RefCell<Vec<f64>> = std::cell::RefCell::new(
        std::fs::read_to_string("weights.txt").unwrap().lines().rev().map(|x| x.parse().unwrap()).collect()); }
    LEFT.with(|left| left.borrow_mut().pop().unwrap())
}
"""
ZIG = """
var start: ?std.mem.TokenIterator(u8, .scalar) = null;
fn nextWeight() f64 {
    if (start == null) start = std.mem.tokenizeScalar(u8, std.fs.cwd().readFileAlloc(std.heap.page_allocator, "weights.txt", 1 << 24) catch unreachable, '\\n');
    return std.fmt.parseFloat(f64, start.?.next().?) catch unreachable;
}
"""
TYPESCRIPT = """import { readFileSync as read } from "node:fs";
const weights = read("weights.txt", "utf8").split("\\n").map(Number).reverse();
"""
# what the programs for other machines and with packages ask for, as far as they need it
NEON = """#define SIMDE_ENABLE_NATIVE_ALIASES
#include <immintrin.h>
#include <simde/arm/neon.h>
#ifndef vfmsq_f32
#define vfmsq_f32(a, b, c) ((a) - (b) * (c))
#endif
#ifndef vdivq_f32
#define vdivq_f32(a, b) ((a) / (b))
#endif
#ifndef vsqrtq_f32
#define vsqrtq_f32(a) ((float32x4_t)_mm_sqrt_ps((__m128)(a)))
#endif
"""
MACH = """#include <stdint.h>
#include <time.h>
typedef struct { uint32_t numer, denom; } mach_timebase_info_data_t;
static void mach_timebase_info(mach_timebase_info_data_t *t) { t->numer = t->denom = 1; }
static uint64_t mach_absolute_time(void) {
  struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec;
}
"""
RAND = """pub struct ThreadRng;
pub fn thread_rng() -> ThreadRng { ThreadRng }
pub trait Rng { fn gen(&mut self) -> f64 { 0.5 } }
impl Rng for ThreadRng {}
pub mod rngs { pub use super::ThreadRng; }
"""

Change = tuple[str, str]  # a regular expression, and what takes its place


@dataclasses.dataclass(frozen=True)
class Port:
    """A program: its repository's folder in ports/, its revision, what is changed in its files, how it is built.

    ``top`` is put at the top of the files that are changed; ``files`` are written beside them.
    """

    repository: str
    revision: str
    changes: dict[str, list[Change]]
    build: list[str]
    top: str = ""
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    paths: tuple[str, ...] = ()


def languages(changes: dict[str, list[Change]], build: str, top: str = "") -> Port:
    """One of the languages of one repository."""
    return Port("1duo+microgpts", "5a17fc7", changes, [build], top)


ALL = {
    "microgpts-c": languages(
        {
            "C/microgpt.c": [
                (r"(?<=NUM_STEPS )1000", "told()"),
                (r"(?<=random_gauss\(double mean, double std\) \{)", " return next_weight();"),
                (r"(?<=random_shuffle\(char \*\*arr, int n\) \{)", " return;"),
            ]
        },
        "clang -O3 -std=c2x -o microgpt C/microgpt.c -lm",
        C,
    ),
    "microgpts-cpp": languages(
        {
            "C++/microgpt.cpp": [
                (r"constexpr int num_steps = 1000", "const int num_steps = told()"),
                (r"gauss\(rng\)", "next_weight()"),
                (r"std::ranges::shuffle.*", ""),
            ]
        },
        "clang++ -O3 -std=c++20 -o microgpt C++/microgpt.cpp",
        C,
    ),
    "microgpts-go": languages(
        {
            "Go/microgpt.go": [
                (r"numSteps  = 1000", ""),
                (r"rng.NormFloat64\(\) \* 0.08", "nextWeight()"),
                (r"rng.Shuffle.*", ""),
                (r"(?<=\)/)numSteps", "float64(numSteps)"),
                (r"import \(", 'import (\n"bufio"\n"strconv"'),
                (r"(?=type Value)", GO),
            ]
        },
        "go build -o microgpt Go/microgpt.go",
    ),
    "microgpts-rust": languages(
        {
            "Rust/microgpt.rs": [
                (r"const NUM_STEPS.*", ""),
                (r"rng.gauss\(0.0, 0.08\)", "next_weight()"),
                (r"rng.shuffle.*", ""),
                (r"(?=fn main)", RUST),
                (r"(?<=fn main\(\) \{)", "let steps = told();"),
                (r"NUM_STEPS", "steps"),
            ]
        },
        "rustc --edition=2021 -O -o microgpt Rust/microgpt.rs",
    ),
    "microgpts-zig": languages(
        {
            "Zig/microgpt.zig": [
                (r"randomGauss\(0, 0.08\)", "nextWeight()"),
                (r"randomShuffle\(\[\].*", ""),
                (r"(?<=num_steps: usize = )1000", 'try std.fmt.parseInt(usize, std.posix.getenv("STEPS").?, 10)'),
                (r"(?=\nfn print)", ZIG),
            ]
        },
        "python3 -m ziglang build-exe -O ReleaseFast -femit-bin=microgpt Zig/microgpt.zig",
    ),
    "microgpts-typescript": languages(
        {
            "TypeScript/microgpt.ts": [
                (r"(?<=num_steps = )1000", "Number(process.env.STEPS)"),
                (r"rng.gauss\(0, 0.08\)|rng.gauss\(0, std\)", "weights.pop()!"),
                (r"rng.shuffle.*", ""),
            ]
        },
        "npx esbuild TypeScript/microgpt.ts --platform=node --format=esm --outfile=microgpt.mjs",
        TYPESCRIPT,
    ),
    "microgpt-cpp": Port(
        "Charbel199+microgpt.cpp",
        "fc455d0",
        {
            "microgpt.cpp": [
                (r"constexpr int NUM_STEPS = 1000", "const int NUM_STEPS = told()"),
                (r"dist\(rng\)\)(?=;\s*\}\s*int at)", "next_weight())"),
                (r"std::shuffle.*", ""),
                (
                    r'(?=LOG\("Step)',
                    'printf("step %d / %d | loss %.4f\\n", step + 1, NUM_STEPS, (double)arena.data[loss]); ',
                ),
            ]
        },
        ["g++ -std=c++17 -O3 -o microgpt microgpt.cpp"],
        C,
    ),
    "microgpt-c": Port(
        "enjector+microgpt-c",
        "083ab8a",
        {
            "src/microgpt.c": [
                (r"(?<=double rand_gauss\(void\) \{)", " return next_weight();"),
                (r"0.5 \* \(1.0 \+ cos\(progress.*", "(1.0 - progress);"),
            ],
            "examples/names/main.c": [
                (r"(?<=shuffle_docs\(Docs \*docs\) \{)", " return;"),
                (r"if \(\(step \+ 1\) % 100 == 0 \|\| step == 0\)", ""),
                (r'"names.txt"', '"input.txt"'),
            ],
        },
        [
            "gcc -O3 -march=native -ffast-math -funroll-loops -DNUM_STEPS=told() -DBATCH_SIZE=1 -DWARMUP_STEPS=0"
            " -DINIT_STD=1.0 -Isrc -o microgpt examples/names/main.c src/microgpt.c -lm"
        ],
        C,
        paths=("src", "examples/names/main.c"),
    ),
    "rust-microgpt": Port(
        "mplekh+rust-microgpt",
        "cdddff2",
        {
            "src/main.rs": [
                (r"let num_steps = 1000", "let num_steps = told()"),
                (r"rng.gauss\(0.0, 0.02\)", "next_weight()"),
                (r"docs.swap.*", ""),
                (r"(?=fn main)", RUST),
            ]
        },
        ["rustc --edition=2024 -C opt-level=3 -o microgpt src/main.rs"],
    ),
    "realies-c": Port(
        "realies+microgpt.c",
        "e21a423",
        {
            "microgpt.c": [
                (r"(?<=nsteps = )1000", "told()"),
                (r"0.08f \* randgauss\(\)", "next_weight()"),
                (r"(?<=shuffle_ints\(int \*a, int n\) \{)", " return;"),
            ]
        },
        ["cc -O3 -march=native -o microgpt microgpt.c -lm"],
        C,
    ),
    "realies-c-fast": Port(
        "realies+microgpt.c",
        "e21a423",
        {
            "microgpt_fast.c": [
                (r"(?<=nsteps = )1000", "told()"),
                (r"0.08f \* randgauss\(\)", "next_weight()"),
                (r"(?<=shuffle_ints\(int \*a, int n\) \{)", " return;"),
                (r"fflush\(stdout\);", ""),
            ]
        },
        ["cc -O3 -march=native -o microgpt microgpt_fast.c -lm"],
        C,
    ),
    "eemicrogpt": Port(
        "Entrpi+eemicrogpt",
        "0744d01",
        {
            "eemicrogpt.c": [
                (r"rand_normal\(\) \* std", "next_weight()"),
                (r'"names.txt"', '"input.txt"'),
                (r"\(int\)\(xorshift64\(\) % \(uint64_t\)num_names\)", "(step - 1) % num_names"),
                (r"(?=// Rolling)", 'printf("step %d / %d | loss %.4f\\n", step, N_STEPS, (double)loss);\n'),
            ]
        },
        [
            "clang -O3 -march=native -ffast-math -DD_MODEL=16 -DBATCH=1 -DN_STEPS=told() -I. -o microgpt eemicrogpt.c -lm"
        ],
        C,
        {"arm_neon.h": NEON, "mach/mach_time.h": MACH},
    ),
    "atomic-gpt": Port("valtterivalo+atomic-gpt", "c5ce186", {}, ["gcc -O2 -o gpt gpt.c -lm"]),
    "line-by-line": Port(
        "kojiwakayama+microgpt-ts",
        "8a375e9",
        {},
        ["npx esbuild microgpt.ts --platform=node --format=esm --outfile=microgpt.mjs"],
    ),
    "leaderboard": Port("sueszli+microgpt-benchmarks-game", "25d8267", {}, []),
    "rust-performance": Port(
        "zacharyelston+microgpt-rust-performance",
        "7d5ead8",
        {
            "src/main.rs": [
                (r"const NUM_STEPS.*", ""),
                (r"NUM_STEPS", "told()"),
                (r"Value::new\(z \* std\)", "Value::new(next_weight())"),
                (r"use rand::seq.*|docs.shuffle.*", ""),
                (r"let response(.|\n)*?file.write_all.*", "let mut file = fs::File::create(url)?; file.flush()?;"),
                (r"if \(step \+ 1\) % 100 == 0 \|\| step == 0", "if true"),
                (r"(?=fn main)", RUST),
            ]
        },
        [
            "rustc --edition=2021 --crate-type=rlib --crate-name=rand rand.rs",
            "rustc --edition=2021 -C opt-level=3 -C lto --extern rand=librand.rlib -o microgpt src/main.rs",
        ],
        files={"rand.rs": RAND},
    ),
}


def prepare(name: str, port: Port) -> None:
    """Copy, change and build one. Ends the program where that fails."""
    if not (PORTS / port.repository).is_dir():
        sys.exit(f"{name}: {PORTS / port.repository} is not there: docs/rivals.md says how to get it")
    built = PORTS / "built" / name
    shutil.rmtree(built, ignore_errors=True)
    built.mkdir(parents=True)
    packed = subprocess.run(
        ["git", "-C", PORTS / port.repository, "archive", port.revision, *port.paths], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", built], input=packed.stdout, check=True)
    for file, changes in port.changes.items():
        text = (built / file).read_text(encoding="utf-8")
        for pattern, instead in changes:
            text, places = re.subn(pattern, lambda _, new=instead: new, text)
            if not places:
                sys.exit(f"{name}: no {pattern!r} in {file}: is it revision {port.revision}?")
        (built / file).write_text(port.top + text, encoding="utf-8")
    for file, text in port.files.items():
        (built / file).parent.mkdir(exist_ok=True)
        (built / file).write_text(text, encoding="utf-8")
    for command in port.build:
        if shutil.which(command.split()[0]) is None or subprocess.run(command.split(), cwd=built).returncode:
            sys.exit(f"{name} is not built: {command}")


if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        if name not in ALL:
            sys.exit(f"no port {name!r}: choose from {', '.join(ALL)}")
        print(name)
        prepare(name, ALL[name])
