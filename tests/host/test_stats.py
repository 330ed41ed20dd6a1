"""The paired statistics and the gate against simulated runs whose truth is known. No clock is read here."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal
from scipy import special as scipy_special
from scipy import stats as scipy_stats

from bench.host.results import precision, recordings
from bench.host.stats import drifting, special
from bench.host.stats.estimators import biweight, used
from bench.host.stats.moderated import Prior, prior
from bench.host.stats.noise import Floats
from bench.host.stats.paired import (
    Estimate,
    Ratio,
    all_round_log_ratios,
    estimate,
    geometric_mean,
    over_rounds,
    paired_ratio,
    round_log_ratios,
    typical,
)
from bench.host.stats.sequential import Gate, Verdict, signed_rank_ratio, verdict
from bench.host.stats.spending import levels
from bench.host.system.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Machine:
    """How a simulated machine disturbs two cells; everything in natural logarithms of seconds."""

    noise: tuple[float, float] = (0.01, 0.01)  # of a step, for each cell
    drift: float = 0.0  # of a random walk that both cells share, per turn
    outliers: tuple[float, float] = (0.0, 0.0)  # share of each cell's steps that take half as long again
    correlation: float = 0.0  # of a step's noise with the next one's
    offset: float = 0.0  # of a process from others of the same program

    def run(self, rng: np.random.Generator, shape: tuple[int, int], slowdown: float = 0.0) -> tuple[Floats, Floats]:
        """Seconds of a baseline and of a cell that takes ``1 + slowdown`` times as long."""
        rounds, steps = shape
        work = np.log(rng.uniform(0.02, 0.08, steps))  # documents differ in length by up to 4 times
        walk = np.cumsum(rng.normal(0, self.drift, (rounds, steps, 2)).reshape(rounds, -1), axis=1)
        turns = rng.permuted(walk.reshape(rounds, steps, 2), axis=2)  # who goes first is shuffled
        innovation = rng.normal(0, 1, (2, rounds, 30 + steps))
        noise = signal.lfilter([math.sqrt(1 - self.correlation**2)], [1, -self.correlation], innovation)[..., 30:]
        cells = [
            work
            + turns[..., cell]
            + self.noise[cell] * noise[cell]
            + math.log(1.5) * (rng.random(shape) < self.outliers[cell])
            + rng.normal(0, self.offset, (rounds, 1))
            for cell in (0, 1)
        ]
        return np.exp(cells[0]), (1 + slowdown) * np.exp(cells[1])


MACHINES = {
    "plain": Machine(),
    "drift": Machine(drift=0.01),
    "5 % outliers": Machine(outliers=(0.05, 0.05)),
    "10 % outliers": Machine(outliers=(0.1, 0.1)),
    "outliers in one cell": Machine(outliers=(0.0, 0.1)),
    "autocorrelated": Machine(correlation=0.7),
    "unequal variances": Machine(noise=(0.005, 0.03)),
    "offsets of 1 %": Machine(offset=0.01),
    "offsets of 2 %": Machine(offset=0.02),
    "offsets of 3 %": Machine(offset=0.03),
    "everything": Machine((0.01, 0.03), 0.005, (0.05, 0.05), 0.5, 0.02),
}
CLOUD = Machine((0.03, 0.03), 0.005, (0.05, 0.05), 0.3, 0.02)  # a shared virtual machine, for the gate


def coverage(machine: Machine, shape: tuple[int, int], runs: int, confidence: float = 0.95) -> float:
    """Share of runs whose interval holds the true ratio, of mean costs: what one cell's steps take now and then is one."""
    rng = np.random.default_rng(2024)
    truth = 1.5 ** (machine.outliers[0] - machine.outliers[1]) / 1.25
    says = all_round_log_ratios([machine.run(rng, shape, slowdown=0.25) for _ in range(runs)])
    return covered([estimate(logs, clipped).ratio(confidence) for logs, clipped in says], truth)


def covered(ratios: Sequence[Ratio], truth: float | Sequence[float]) -> float:
    """Share of intervals that hold the truth."""
    ends = np.array([(ratio.low, ratio.high) for ratio in ratios], dtype=np.float64)
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


@pytest.mark.parametrize("name", ["plain", "everything"])
def test_interval_covers_roughly(name: str) -> None:
    """93 to 97 %, give or take twice what 300 simulated runs can be off."""
    assert 0.905 <= coverage(MACHINES[name], (5, 10), 300) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 20), (10, 5)])
@pytest.mark.parametrize("name", MACHINES)
def test_interval_covers_95_percent(name: str, shape: tuple[int, int]) -> None:
    """93 to 97 %, give or take twice what 1,000 simulated runs can be off: 0.7 %."""
    assert 0.93 - 0.014 <= coverage(MACHINES[name], shape, 1000) <= 0.97 + 0.014


@pytest.mark.slow
def test_interval_covers_at_other_confidences() -> None:
    """A look is surer than the whole. 1,000 simulated runs of 80 % can be off by 1.3 %."""
    assert 0.76 <= coverage(MACHINES["everything"], (5, 10), 1000, 0.8) <= 0.84
    assert 0.98 <= coverage(MACHINES["everything"], (5, 10), 1000, 0.9875) <= 0.995


def ended(rng: np.random.Generator, baseline: float, spreads: Floats) -> list[Ratio]:
    """The intervals of equal cells over one baseline, at the round in which a run ends that nobody gave a number of rounds."""
    logs = rng.normal(0, baseline, precision.MOST) + rng.normal(0, spreads[:, None], (len(spreads), precision.MOST))
    for rounds in range(precision.FEWEST, precision.MOST + 1):
        known = prior(logs[:, :rounds])
        ratios = [estimate(row[:rounds], 0, known).ratio(0.95) for row in logs]
        halves = [math.log(ratio.high / ratio.low) / 2 for ratio in ratios if ratio.high and ratio.low]
        if precision.Precision(float(np.median(halves)), max(halves)).enough:
            break
    return ratios


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [0.01, 0.02, 0.03, 0.04, 0.06])
def test_intervals_cover_where_a_run_ends_as_they_are_narrow(baseline: float) -> None:
    """93 to 97 %, of cells as noisy as their baseline and of quiet and loud ones; 500 runs, whose cells are not independent."""
    rng = np.random.default_rng(1)
    for spreads in (np.full(10, baseline), np.linspace(0.005, 0.08, 10)):
        assert 0.93 <= np.mean([covered(ended(rng, baseline, spreads), 1) for _ in range(250)]) <= 0.97


@pytest.mark.slow
def test_geometric_mean_covers_95_percent() -> None:
    """Engines against one baseline, whose offset they share: averaging must not count it as three."""
    rng, runs, pairs = np.random.default_rng(7), 600, []
    for _ in range(runs):
        a, b = MACHINES["offsets of 2 %"].run(rng, (5, 8))
        pairs += [(a, b * rng.lognormal(0, 0.01, (5, 1)) * rng.lognormal(0, 0.01, (5, 8))) for _ in range(3)]
    says = all_round_log_ratios(pairs)
    ratios = [geometric_mean(says[run * 3 : run * 3 + 3]) for run in range(runs)]
    assert 0.93 - 0.009 <= covered(ratios, 1) <= 0.97 + 0.009


# --------------------------------------------------------------------- what must hold exactly

seconds = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.floats(1e-6, 1e3, allow_subnormal=False)
)


def logs(ratio: Ratio) -> list[float]:
    """Value, low and high as logarithms, for comparing."""
    assert ratio.low is not None and ratio.high is not None
    return [math.log(ratio.value), math.log(max(ratio.low, 5e-324)), math.log(ratio.high)]


@settings(deadline=None, max_examples=30)
@given(st.data(), seconds)
def test_symmetries(data: st.DataObject, a: Floats) -> None:
    """Swapping the cells inverts; a step's own length, and the order of rounds and steps, change nothing."""
    b = a * data.draw(hnp.arrays(np.float64, a.shape, elements=st.floats(0.5, 2)))
    length = data.draw(hnp.arrays(np.float64, a.shape[1:], elements=st.sampled_from([0.25, 1.0, 4.0])))
    one = logs(paired_ratio(a, b))
    value, low, high = logs(paired_ratio(b, a))
    assert one == pytest.approx([-value, -high, -low], abs=1e-6)
    assert one == pytest.approx(logs(paired_ratio(a * length, b * length)), abs=1e-6)
    assert one == pytest.approx(logs(paired_ratio(a[::-1, ::-1], b[::-1, ::-1])), abs=1e-6)
    assert logs(geometric_mean([round_log_ratios(a, b), round_log_ratios(b, a)])) == pytest.approx([0, 0, 0], abs=1e-6)
    assert logs(geometric_mean([round_log_ratios(a, b)] * 2)) == pytest.approx(one, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(seconds)
def test_exact_ratio(a: Floats) -> None:
    """A cell that always takes a quarter of the time is four times as fast, with no doubt left."""
    ratio = paired_ratio(a, a / 4)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((4, 4, 4), rel=1e-9)
    assert ratio.separable and not ratio.noisy and ratio.rounds == len(a)


def test_agrees_with_scipys_t_interval() -> None:
    """Across the rounds it is the textbook interval."""
    a, b = CLOUD.run(np.random.default_rng(1), (6, 9), 0.1)
    rounds, _ = round_log_ratios(a, b)
    expected = scipy_stats.ttest_1samp(rounds, 0).confidence_interval(0.9)
    assert logs(paired_ratio(a, b, 0.9)) == pytest.approx([rounds.mean(), expected.low, expected.high])


@given(st.floats(1, 1e4), st.floats(0.5, 0.9999))
def test_students_quantile_is_scipys(freedom: float, probability: float) -> None:
    expected = float(scipy_special.stdtrit(freedom, probability))
    assert special.student_quantile(freedom, probability) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.floats(1e-3, 1e6))
def test_gamma_functions_are_scipys(x: float) -> None:
    assert special.digamma(x) == pytest.approx(float(scipy_special.digamma(x)), rel=1e-12, abs=1e-12)
    assert special.trigamma(x) == pytest.approx(float(scipy_special.polygamma(1, x)), rel=1e-12)
    assert special.tetragamma(x) == pytest.approx(float(scipy_special.polygamma(2, x)), rel=1e-12)


def test_pairs_together_are_what_each_is_alone() -> None:
    rng, pairs = np.random.default_rng(7), []
    for shape in [(5, 6)] * 3 + [(8, 4), (1, 6), (5, 6)]:
        pair = np.exp(rng.normal(0, 0.05, (2, *shape)))
        pair[0][rng.random(shape) < 0.1] = np.nan
        pairs.append((pair[0], pair[1]))
    for (logs, clipped), pair in zip(all_round_log_ratios(pairs), pairs):
        alone, clipped_alone = round_log_ratios(*pair)
        np.testing.assert_allclose(logs, alone, rtol=0, atol=1e-12)
        assert clipped == clipped_alone


def test_one_round_has_no_interval() -> None:
    """However many steps it has."""
    ratio = paired_ratio(*MACHINES["plain"].run(np.random.default_rng(1), (1, 1000), 1.0))
    assert ratio.value == pytest.approx(0.5, rel=0.01)
    assert (ratio.low, ratio.high, ratio.rounds) == (None, None, 1)
    assert ratio.noisy and not ratio.separable


def test_bursts_are_counted_and_weigh_little() -> None:
    """In two rounds of eight either cell takes 1.7 times as long for a while: the machine's, as both have it."""
    a, b = MACHINES["plain"].run(np.random.default_rng(3), (8, 10))
    clean = paired_ratio(a, b)
    a[1, 2:9] *= 1.7
    a[5, :4] *= 1.6
    b[4] *= 1.8
    b[6, 3:8] *= 1.7
    spoiled = paired_ratio(a, b)
    assert (clean.outliers, spoiled.outliers) == (0, 26)
    assert spoiled.value == pytest.approx(clean.value, rel=0.02)


def test_a_cost_that_one_cell_alone_has_is_in_the_ratio() -> None:
    """At the same step of every process, or now and then: neither is noise."""
    a, b = MACHINES["plain"].run(np.random.default_rng(3), (8, 10))
    clean = paired_ratio(a, b)
    always, sometimes = b.copy(), b.copy()
    always[:, 4] *= 1.5
    sometimes[np.arange(8), [4, 1, 7, 7, 2, 0, 9, 3]] *= 1.5
    for seconds in (always, sometimes):
        found = paired_ratio(a, seconds)
        assert found.outliers == 0
        assert found.value == pytest.approx(clean.value / 1.5**0.1, rel=0.002)


def test_drift_that_both_share_cancels() -> None:
    """On a machine without bursts, the estimate is the mean of the paired log-ratios."""
    a, b = MACHINES["offsets of 1 %"].run(np.random.default_rng(3), (8, 10))
    drift = np.linspace(1, 1.02, 80).reshape(8, 10)
    assert paired_ratio(a * drift, b * drift).value == pytest.approx(paired_ratio(a, b).value, rel=0.001)


def test_missing_steps() -> None:
    """Only pairs count; a round without one is no round."""
    a, b = MACHINES["plain"].run(np.random.default_rng(4), (5, 6))
    kept = paired_ratio(a[1:, 1:], b[1:, 1:])
    a[0], b[:, 0] = np.nan, np.nan
    assert paired_ratio(a, b) == kept
    assert geometric_mean([round_log_ratios(a, b), round_log_ratios(np.ones((5, 6)), np.ones((5, 6)))]).rounds == 4
    assert typical(a) == pytest.approx(float(np.median(a[1:])))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "one shape"),
        (np.ones(3), np.ones(3), "one shape"),
        (np.ones((2, 3)), np.zeros((2, 3)), "above 0"),
        (np.full((2, 3), np.inf), np.ones((2, 3)), "above 0"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), "no round"),
        (np.ones((0, 3)), np.ones((0, 3)), "no round"),
        (np.ones((3, 0)), np.ones((3, 0)), "no round"),
    ],
)
def test_bad_input(a: Floats, b: Floats, message: str) -> None:
    """Refused with a reason, never a NaN in a table."""
    with pytest.raises(ValueError, match=message):
        paired_ratio(a, b)


def test_geometric_mean_bad_input() -> None:
    """Of nothing, or of runs that were not made together."""
    with pytest.raises(ValueError, match="equally many rounds"):
        geometric_mean([])
    with pytest.raises(ValueError, match="equally many rounds"):
        geometric_mean([(np.ones(2), 0), (np.ones(3), 0)])


@pytest.mark.parametrize(
    ("low", "high", "separable", "noisy"),
    [(1.1, 1.2, True, False), (0.5, 0.9, True, False), (0.99, 1.01, False, False), (0.99, 1.05, False, True)],
)
def test_separable_and_noisy(low: float, high: float, separable: bool, noisy: bool) -> None:
    """Different, equal within 2 %, or unknown."""
    ratio = Ratio(math.sqrt(low * high), low, high, 5)
    assert (ratio.separable, ratio.noisy) == (separable, noisy)


# --------------------------------------------------------------------- the gate


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.90, 0.97, Verdict.REGRESSED),
        (0.90, 0.99, Verdict.INCONCLUSIVE),
        (0.97, 1.30, Verdict.INCONCLUSIVE),
        (0.99, 1.01, Verdict.PASS),
        (0.99, 1.30, Verdict.PASS),
        (1.01, 1.30, Verdict.PASS),
        (1.03, 1.30, Verdict.IMPROVED),
        (None, None, Verdict.INCONCLUSIVE),
    ],
)
def test_verdict(low: float | None, high: float | None, expected: Verdict) -> None:
    """The whole interval on one side of the threshold, or nothing is said."""
    assert verdict(Ratio(1.0, low, high, 5), 0.02) is expected


def test_a_finding_must_recur() -> None:
    """Either half of the rounds shows it alone: what disturbed one half only proves nothing."""
    gate, noise = Gate(), np.random.default_rng(1).normal(0, 0.01, 16)
    slower = noise - 0.1
    assert gate.judge(slower)[0] is Verdict.REGRESSED and gate.recurs(slower)
    slower[8:] += 0.1
    slower[:8] -= 0.2
    assert gate.judge(slower)[0] is Verdict.REGRESSED and not gate.recurs(slower)
    assert not gate.recurs([-0.1, -0.1, -0.1])


def test_gate_looks() -> None:
    """The error is spent over the looks; the last one spends what is left."""
    gate = Gate()
    assert 0.99 < gate.look_confidence(8) < gate.look_confidence(8, last=True) + 0.05
    assert gate.look_confidence(8, last=True) == pytest.approx(0.95)
    assert gate.look_confidence(100) > gate.look_confidence(100, last=True) > 0.95
    with pytest.raises(ValueError, match="plan more"):
        gate.judge(np.ones(513))
    for threshold, confidence, looks in [
        (-0.1, 0.95, (8,)),
        (math.inf, 0.95, (8,)),
        (0, 1, (8,)),
        (0, 0.95, ()),
        (0, 0.95, (16, 8)),
    ]:
        with pytest.raises(ValueError, match="expected"):
            Gate(threshold, confidence, looks)
    with pytest.raises(ValueError, match="look later"):
        Gate(0.01, 0.95, (3,))


def test_looks_together_err_as_often_as_allowed() -> None:
    """Normal data of known variance, 20,000 times: some look goes beyond its bound in 2.5 %."""
    gate = Gate(looks=(8, 16, 32, 64))
    sums = np.cumsum(np.random.default_rng(1).normal(size=(20_000, 64)), axis=1)[:, np.array(gate.looks) - 1]
    sure = [gate.look_confidence(look) for look in gate.looks]
    bounds = scipy_stats.norm.isf((1 - np.array(sure)) / 2) * np.sqrt(gate.looks)
    assert np.mean(np.any(sums > bounds, axis=1)) == pytest.approx(0.025, abs=0.004)
    with pytest.raises(ValueError, match="growing"):
        levels((8, 4), (0.01, 0.02))


def test_what_would_have_been_seen() -> None:
    """A slowdown just so large is found in about 95 % of checks; fewer rounds see less."""
    gate, rng = Gate(), np.random.default_rng(1)
    rounds = rng.normal(0, 0.02, (400, 32))
    visible = np.mean([gate.visible(one, last=True) for one in rounds])
    slower = rounds - np.log1p(visible)
    found = [gate.judge(one, last=True)[0] is Verdict.REGRESSED and gate.recurs(one) for one in slower]
    assert 0.9 <= np.mean(found) <= 0.99
    few = gate.visible(rounds[0, :8])
    assert few is not None and few > visible and gate.visible([0.0]) is None


def test_claimed_interval() -> None:
    """Held against an earlier interval: below its low end by more than the threshold, or above its high end."""
    for low, high, expected in [
        (8.0, 8.9, Verdict.REGRESSED),
        (8.0, 9.5, Verdict.INCONCLUSIVE),
        (9.2, 12.0, Verdict.PASS),
        (12.3, 12.4, Verdict.IMPROVED),
    ]:
        assert verdict(Ratio(10, low, high, 8), 0.1, 10, 11) is expected


@pytest.mark.parametrize("rounds", [3, 4, 5, 8, 12, 20])
def test_signed_rank_interval_is_scipys_test_inverted(rounds: int) -> None:
    """Just inside the interval Wilcoxon's exact p value is above what is left to a tail, just outside it is not."""
    logs = np.random.default_rng(rounds).normal(0.1, 0.02, rounds)
    for confidence in (0.8, 0.95):
        ratio = signed_rank_ratio(logs, confidence)
        tail = (1 - confidence) / 2
        if ratio.low is None or ratio.high is None:
            assert scipy_stats.wilcoxon(logs, alternative="greater", method="exact").pvalue > tail
            continue
        for shift, side, inside in [
            (math.log(ratio.low) - 1e-9, "greater", False),
            (math.log(ratio.low) + 1e-9, "greater", True),
            (math.log(ratio.high) + 1e-9, "less", False),
            (math.log(ratio.high) - 1e-9, "less", True),
        ]:
            p = scipy_stats.wilcoxon(logs - shift, alternative=side, method="exact").pvalue
            assert (p > tail) == inside


def test_signed_rank_of_nothing() -> None:
    """No round, no ratio; a missing round is no round."""
    with pytest.raises(ValueError, match="no round"):
        signed_rank_ratio([math.nan], 0.95)
    assert signed_rank_ratio([0.0, math.nan] * 8, 0.95) == signed_rank_ratio([0.0] * 8, 0.95)


REGRESSED = Verdict.REGRESSED


def decided(gate: Gate, baseline: Floats, seconds: Floats) -> tuple[Verdict, int]:
    """Rounds are added until decided: the verdict and the rounds that were needed."""
    for rounds in gate.looks:
        logs, _ = round_log_ratios(baseline[:rounds], seconds[:rounds])
        found, _ = gate.judge(logs, last=rounds == gate.looks[-1])
        if found is REGRESSED and not gate.recurs(logs):
            found = Verdict.INCONCLUSIVE
        if found is not Verdict.INCONCLUSIVE:
            break
    return found, rounds


def regressed(gate: Gate, slowdown: float, trials: int, machine: Machine = CLOUD) -> float:
    """Share of checks that end with REGRESSED."""
    rng = np.random.default_rng(11)
    return (
        sum(decided(gate, *machine.run(rng, (gate.looks[-1], 6), slowdown))[0] is REGRESSED for _ in range(trials))
        / trials
    )


SHORT = Gate(looks=(8, 16, 32, 64))


def test_gate_roughly() -> None:
    """No alarm at equal speed; a slowdown of 10 % is found."""
    assert regressed(SHORT, 0.0, 10) == 0
    assert regressed(SHORT, 0.1, 10) == 1


@pytest.mark.slow
def test_gate_false_alarms_and_detection() -> None:
    """With process offsets of 2 %: hardly an alarm on equal copies; 5 % slower is found."""
    assert regressed(SHORT, 0.0, 100) <= 0.01
    assert regressed(SHORT, 0.05, 60) >= 0.95


# --------------------------------------------------------------------- on recordings

RECORDINGS = pathlib.Path(__file__).resolve().parents[2] / "results" / "calibration" / "recordings" / "pairs.json"


@pytest.mark.slow
def test_on_recordings_the_error_is_small_and_covered() -> None:
    """Blocks of 16 rounds of a busy machine: less than half the error of what was used before, and an honest interval."""
    _, pairs = recordings.read(RECORDINGS)
    parts = list(recordings.blocks(pairs, 16))
    off, half = np.array([(recordings.error(part, at), half) for part in parts for at, half in [used_on(part)]]).T
    before = [recordings.error(part, biweight(part.baseline, part.seconds)[0]) for part in parts]
    assert np.sqrt(np.mean(off**2)) < 0.5 * np.sqrt(np.mean(np.square(before)))
    assert abs(np.mean(off)) < 0.005
    assert 0.91 <= np.mean(np.abs(off) <= half) <= 0.99  # of 46 blocks: two or three more or fewer are chance


def used_on(pair: recordings.Pair) -> tuple[float, float]:
    """The estimate of a recorded pair's log-ratio, and half its interval."""
    return used(pair.baseline, pair.seconds)


@pytest.mark.slow
def test_on_recordings_the_gate_finds_5_percent_and_gives_no_false_alarm() -> None:
    """In 80 rounds, a minute of one engine's."""
    _, pairs = recordings.read(RECORDINGS)
    rng = np.random.default_rng(3)
    assert [recordings.check(pairs, Gate(), 0.05, 80, rng)[0] for _ in range(15)].count("REGRESSED") >= 14
    assert [recordings.check(pairs, Gate(), 0.0, 80, rng)[0] for _ in range(15)].count("REGRESSED") == 0


def test_recordings_that_are_none(tmp_path: pathlib.Path) -> None:
    """One line that says what is wrong."""
    path = tmp_path / "pairs.json"
    for text in ("{}", '{"what": "", "pairs": [{"injected": 0, "baseline": [[1, 2]], "seconds": [[1]]}]}', "["):
        path.write_text(text)
        with pytest.raises(UsageError, match="recorded pairs"):
            recordings.read(path)
    with pytest.raises(UsageError, match="cannot read"):
        recordings.read(tmp_path / "none.json")


def test_few_rounds_share_their_variance() -> None:
    """Variances of 2 degrees of freedom around one: nearly pooled; of very unlike cells: hardly."""
    rng = np.random.default_rng(1)
    alike = prior(rng.normal(0, 0.1, (40, 3)))
    assert alike.freedom > 5 and alike.variance == pytest.approx(0.01, rel=0.4)
    assert 1e-3 < alike.moderate(1e-6, 2)[0] < alike.moderate(0.03, 2)[0] < 0.03
    unlike = prior(np.exp(rng.normal(0, 3, (40, 1))) * rng.normal(0, 0.1, (40, 3)))
    assert unlike.freedom < 3
    assert prior(rng.normal(0, 1, (2, 3))) == prior(np.zeros((5, 3))) == Prior()
    assert Prior().moderate(0.5, 2) == (0.5, 2)
    assert paired_ratio(np.ones((2, 2)), np.ones((2, 2)), prior=alike).separable is False


def test_a_cell_of_another_kind_borrows_nothing() -> None:
    """Nine rounds that rise from 23 to 37 beside quiet cells: no calm is borrowed. Of one noise, cells tell no more than one."""
    rng = np.random.default_rng(1)
    quiet = rng.normal(0, 0.02, (15, 9))
    rising = np.log(np.linspace(23, 37, 9))
    assert prior([*quiet, rising]).moderate(float(np.var(rising, ddof=1)), 8) == pytest.approx(
        (np.var(rising, ddof=1), 8), rel=0.05
    )
    shared = rng.normal(0, 0.02, (1, 9))
    assert prior(np.repeat(shared, 15, axis=0) * np.ones((15, 1))).freedom == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("rounds", [3, 5, 8])
def test_few_rounds_of_several_cells_are_covered(rounds: int, share: float) -> None:
    """Ten cells beside one baseline, which is half or nearly all of the noise: moderated intervals hold the truth, none is a point.

    Where three rounds share nearly all their noise, how much can hardly be seen in them: somewhat less often.
    """
    rng, ratios = np.random.default_rng(2), []
    for _ in range(400):
        shared, own = 0.02 * math.sqrt(share), 0.02 * math.sqrt(1 - share)
        noise = rng.normal(0, shared, (1, rounds)) + rng.normal(0, own, (10, rounds))
        common = prior(noise)
        ratios += [estimate(one, prior=common).ratio(0.95) for one in noise]
    halves = [math.log(ratio.high / ratio.low) / 2 for ratio in ratios if ratio.low and ratio.high]
    assert (0.88 if rounds == 3 and share > 0.5 else 0.925) <= covered(ratios, 1) <= 0.975
    assert min(halves) > 0.02 / math.sqrt(rounds) / 5


# --------------------------------------------------------------------- rounds that drift


def test_rounds_that_drift_are_known_by_their_neighbours() -> None:
    """The chance of it is uniform of independent rounds, hardly any of a steady rise; four rounds tell nothing."""
    rng = np.random.default_rng(4)
    for rounds in (5, 9, 30):
        chances = [drifting.chance(rng.normal(size=rounds)) for _ in range(4000)]
        for level in (0.01, 0.1, 0.5):
            assert np.mean(np.array(chances) < level) == pytest.approx(level, rel=0.4)
    rise = np.linspace(0, 1, 9)
    assert drifting.chance(rise) < 1e-5 and drifting.chance(rise[:4]) == drifting.chance(np.ones(9)) == 1
    assert drifting.levels(np.log([4, 4, 4, 3, 3, 3, 2, 2, 2])) == pytest.approx((4, 2))
    assert drifting.levels(np.log([3, 3, 3, 2, 2, 2, 4, 4, 4])) == pytest.approx((2, 4))


def test_nine_rounds_from_23_to_37() -> None:
    """The interval is about as wide as the rise, and says so; that of independent rounds was half of it."""
    logs = np.log(np.linspace(23, 37, 9)) + np.random.default_rng(1).normal(0, 0.02, 9)
    found = estimate(logs)
    ratio, plain = found.ratio(0.95), over_rounds(logs, 0.95)
    assert ratio.low is not None and ratio.high is not None and plain.low is not None and plain.high is not None
    assert ratio.low < 24 and ratio.high > 35 and plain.low > 26 and plain.high < 34
    assert found.drift == pytest.approx((25, 35), rel=0.05)
    assert estimate(np.random.default_rng(2).permutation(logs)).drift is None


def loads(kind: str, rng: np.random.Generator, rounds: int) -> tuple[Floats, float]:
    """A load of each round, from 0 to about 1, and its mean over the run."""
    at = (np.arange(rounds) + 0.5) / rounds
    if kind == "rise":
        return at, 0.5
    if kind == "step":
        load = (at > rng.uniform(0.1, 0.9)) ^ (rng.random() < 0.5)
    else:
        load = np.abs(np.cumsum(rng.normal(0, 1 / math.sqrt(rounds), rounds)))
    return np.asarray(load, dtype=np.float64), float(np.mean(load))


def under_load(kind: str, most: float, rounds: int, runs: int) -> list[tuple[Estimate, float]]:
    """Estimates and true log-ratios, over the time of the run, of a cell that suffers 0.4 times as much from the load."""
    rng, pairs, truths = np.random.default_rng(5), [], []
    for _ in range(runs):
        load, mean = loads(kind, rng, rounds)
        noise = [rng.normal(0, 0.01, (rounds, 6)) + rng.normal(0, 0.02, (rounds, 1)) for _ in range(2)]
        pairs.append((np.exp(most * load[:, None] + noise[0]), np.exp(0.4 * most * load[:, None] + noise[1])))
        truths.append(0.6 * most * mean)
    return [(estimate(*says), truth) for says, truth in zip(all_round_log_ratios(pairs), truths)]


@pytest.mark.parametrize("most", [0.2, 0.8])
@pytest.mark.parametrize("rounds", [5, 9, 20])
@pytest.mark.parametrize("kind", ["rise", "step", "walk"])
def test_a_load_that_changes_the_ratio_is_covered(kind: str, rounds: int, most: float) -> None:
    """In 90 % of runs or more, whether the load rises, changes once, or walks at random; not the ratio of the quietest rounds."""
    found = under_load(kind, most, rounds, 100)
    share = covered([one.ratio(0.95) for one, _ in found], np.exp([truth for _, truth in found]))
    assert share >= (0.8 if (kind, rounds, most) == ("rise", 5, 0.8) else 0.9)


def test_quiet_intervals_stay_as_they_are() -> None:
    """Independent rounds: the median width is at most 5 % more than Student's, the coverage at most 97 %."""
    rng = np.random.default_rng(6)
    for rounds in (5, 9, 20):
        logs = rng.normal(0, 0.02, (3000, rounds))
        ratios, plain = [estimate(one).ratio(0.95) for one in logs], [over_rounds(one, 0.95) for one in logs]
        widths = [[math.log(one.high / one.low) for one in some if one.high and one.low] for some in (ratios, plain)]
        assert 1 <= np.median(widths[0]) / np.median(widths[1]) <= 1.05
        assert 0.94 <= covered(ratios, 1) <= 0.97


@pytest.mark.slow
def test_the_gate_under_drift_raises_no_more_false_alarms() -> None:
    """Equal copies while the load rises, changes once or walks: what both share cancels, and no check says REGRESSED."""
    rng = np.random.default_rng(8)
    for kind in ("rise", "step", "walk"):
        alarms = 0
        for _ in range(60):
            load, _ = loads(kind, rng, SHORT.looks[-1])
            a, b = CLOUD.run(rng, (SHORT.looks[-1], 6))
            alarms += decided(SHORT, a * np.exp(0.5 * load)[:, None], b * np.exp(0.5 * load)[:, None])[0] is REGRESSED
        assert alarms == 0
