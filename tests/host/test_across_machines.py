"""One ratio of several machines: the random-effects estimate, its interval, and how much machines differ."""

import math

import numpy as np
import pytest

from bench.host.stats import special
from bench.host.stats.across_machines import across, inconsistency, random_effects
from bench.host.stats.paired import Estimate, estimate
from bench.host.stats.pools import Recorded, checked, half_width
from bench.host.stats.sequential import Gate, Verdict

# of statsmodels 0.15.0: combine_effects(values, variances, method_re="iterated", use_t=True), whose names are
# mean_effect_re, sd_eff_w_re_hksj, tau2 and i2; it needs pandas, and is not installed for these three
STATSMODELS = [
    (
        [0.10, 0.25, -0.05, 0.40, 0.18],
        [0.010, 0.020, 0.005, 0.030, 0.012],
        (0.13384724085541536, 0.07271251911324904, 0.01343813077207419, 0.5597340059619353),
    ),
    (
        [1.61, 1.55],
        [0.0004, 0.0009],
        (1.584166669140667, 0.02970923876965237, 0.0011499989312325173, 0.6388888888888524),
    ),
    ([0.02, 0.03, 0.025], [0.01, 0.01, 0.02], (0.025, 0.0031622776601683794, 0.0, 0.0)),
]


@pytest.mark.parametrize(("logs", "variances", "expected"), STATSMODELS)
def test_the_estimate_is_that_of_statsmodels(logs, variances, expected):
    found = (*random_effects(logs, variances), inconsistency(logs, variances))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("f", "above", "below"), [(0.0, 2, 5), (1.3, 1, 4.5), (9.0, 7, 3.2), (40.0, 2, 60)])
def test_fisher_tail(f, above, below):
    stats = pytest.importorskip("scipy.stats")
    assert special.fisher_tail(f, above, below) == pytest.approx(float(stats.f.sf(f, above, below)), rel=1e-9)


def of(logs):
    return estimate(np.array(logs, dtype=float))


def test_equal_weights_are_the_t_interval_of_the_machines():
    """Where every machine's own error is the same, the machines are a sample, and their interval is Student's."""
    logs = [0.10, 0.14, 0.05, 0.11]
    found = across({str(n): Estimate(log, 1e-6, 5.0, 6) for n, log in enumerate(logs)})
    half = special.student_quantile(3, 0.975) * np.std(logs, ddof=1) / 2
    assert found.ratio.value == pytest.approx(math.exp(np.mean(logs)), rel=1e-9)
    assert found.ratio.high == pytest.approx(math.exp(np.mean(logs) + half), rel=1e-6)
    assert found.tau == pytest.approx(np.std(logs, ddof=1), rel=1e-3) and found.ratio.rounds == 24


def test_machines_of_a_single_round_each_are_a_sample():
    logs = [0.10, 0.14, 0.05]
    found = across({str(n): of([log]) for n, log in enumerate(logs)})
    half = special.student_quantile(2, 0.975) * np.std(logs, ddof=1) / math.sqrt(3)
    assert math.log(found.ratio.high) - np.mean(logs) == pytest.approx(half, rel=1e-6)
    assert found.chance is None and not found.disagree and all(ratio.low is None for ratio in found.machines.values())


def test_faster_on_one_and_slower_on_another():
    fast, slow = of([0.10, 0.101, 0.099, 0.1]), of([-0.10, -0.101, -0.099, -0.1])
    found = across({"a": fast, "b": slow})
    assert found.opposite and found.disagree and found.chance < 1e-6 and found.spread > 0.1
    assert found.ratio.low < 1 < found.ratio.high


def test_differences_beyond_chance_on_one_side_of_1():
    found = across({"a": of([1.5, 1.501, 1.499, 1.5]), "b": of([1.4, 1.401, 1.399, 1.4])})
    assert found.disagree and not found.opposite and found.share > 0.99
    same = across({"a": of([1.50, 1.52, 1.49, 1.5]), "b": of([1.51, 1.5, 1.48, 1.5])})
    assert not same.disagree and same.tau == 0 and same.share == 0


def test_one_machine_is_none():
    with pytest.raises(ValueError, match="two machines or more"):
        across({"a": of([0.1, 0.2])})


@pytest.mark.slow
@pytest.mark.parametrize("machines", [2, 3, 8])
@pytest.mark.parametrize("between", [0.0, 0.02])
@pytest.mark.parametrize("rounds", [2, 5])
def test_coverage_over_unequal_machines(machines, between, rounds):
    """Machines whose rounds scatter by 1 to 3 %, and that have one to three times as many rounds; of two it is 93 % at worst."""
    random, trials, covered = np.random.default_rng([machines, rounds, int(between * 100)]), 2000, 0
    for _ in range(trials):
        own = random.normal(0, between, machines)
        found = across(
            {
                str(n): of(mean + random.normal(0, 0.01 * (1 + n % 3), rounds * (1 + n % 3)))
                for n, mean in enumerate(own)
            }
        )
        covered += found.ratio.low <= 1 <= found.ratio.high
    assert (0.93 if rounds > 2 else 0.92) < covered / trials < 0.975


@pytest.mark.slow
def test_equal_machines_are_seldom_said_to_differ():
    random, trials = np.random.default_rng(3), 3_000
    flagged = sum(
        across({str(n): of(random.normal(0.5, 0.01 * (1 + n), 4)) for n in range(3)}).disagree for _ in range(trials)
    )
    assert flagged / trials < 0.003


NOISY = Recorded(0.02 * np.random.default_rng(1).standard_t(4, 200), 10.0)  # heavy tails, as a busy machine has them


@pytest.mark.parametrize("machines, apart", [(1, 0.0), (2, 0.0), (2, 0.0025), (8, 0.0), (8, 0.0025)])
def test_a_check_by_unequal_machines_seldom_raises_a_false_alarm(machines, apart):
    rng = np.random.default_rng(2)
    said = [checked(NOISY, Gate(), machines, 96, 0.0, apart, rng)[0] for _ in range(200)]
    assert sum(verdict is Verdict.REGRESSED for verdict in said) <= 2


def test_more_machines_decide_sooner_and_narrow_the_interval():
    rng = np.random.default_rng(3)
    took, found = {}, {}
    for machines in (1, 8):
        said = [checked(NOISY, Gate(), machines, 96, 0.06, 0.0, rng) for _ in range(100)]
        found[machines] = sum(verdict is Verdict.REGRESSED for verdict, _ in said)
        took[machines] = np.median([seconds for _, seconds in said])
    assert min(found.values()) > 95 and took[8] < took[1] / 3
    widths = [np.median([half_width(NOISY, machines, 5, 0.0, rng) for _ in range(40)]) for machines in (1, 4, 16)]
    assert widths == sorted(widths, reverse=True)


def test_what_one_machine_alone_shows_is_no_regression():
    slow, fine = np.full(16, -0.2) + np.linspace(0, 0.001, 16), np.linspace(0, 0.001, 16)
    logs = np.stack([slow, fine], axis=1).ravel()
    assert not Gate().recurs(logs, machines=["one", "other"] * 16)
    assert Gate().recurs(np.stack([slow, slow], axis=1).ravel(), machines=["one", "other"] * 16)
    assert Gate().recurs(slow, machines=["one"] * 16)
    assert Gate().recurs(slow, machines=["one"] * 15 + ["other"])  # too few rounds of the other to say anything
