"""Intervals over seeds: worked by hand, and how often they hold the true mean."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from tandem_sim.experiments.results.intervals import interval

T2_95, T2_90 = 4.302653, 2.919986
"""Two-sided 95 % and 90 % quantiles of Student's t with two degrees of freedom, from printed tables."""


def test_the_interval_of_a_mean() -> None:
    # 10, 20, 60: mean 30, deviations -20, -10, 30, variance 1400 / 2 = 700, standard error sqrt(700 / 3)
    values = np.array([10.0, 20.0, 60.0])
    mean, low, high = interval(values)
    assert mean == 30.0
    assert high - mean == pytest.approx(T2_95 * (700.0 / 3.0) ** 0.5, rel=1e-6)
    assert mean - low == pytest.approx(high - mean)
    assert interval(values, level=0.9)[2] - mean == pytest.approx(T2_90 * (700.0 / 3.0) ** 0.5, rel=1e-6)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert interval(np.full(4, 5.0)) == (5.0, 5.0, 5.0)


def test_fewer_than_two_values_have_no_interval() -> None:
    assert interval(np.array([4.0]))[0] == 4.0
    assert all(isnan(end) for end in interval(np.array([4.0]))[1:])
    assert all(isnan(end) for end in interval(np.array([])))


def test_of_normal_samples_of_four_it_holds_the_true_mean_in_95_of_100_cases() -> None:
    """2000 samples: the share found lies within three standard errors (1.5 %) of 95 %."""
    samples = np.random.default_rng(2016).normal(loc=7.0, scale=3.0, size=(2000, 4))
    ends = np.array([interval(sample)[1:] for sample in samples])
    covered = float(np.mean((ends[:, 0] <= 7.0) & (ends[:, 1] >= 7.0)))
    assert 0.935 <= covered <= 0.965


def test_a_pair_at_one_seed_is_worth_more_than_two_samples() -> None:
    """What both members share cancels: the interval of differences is that of what is their own."""
    shared = np.array([100.0, 900.0, 400.0, 1600.0])
    own = np.array([1.0, 2.0, 1.0, 2.0])  # mean 1.5, standard error sqrt(1/3) / 2
    mean, low, high = interval((shared + own) - shared)
    assert mean == 1.5
    assert (high - low) / 2.0 == pytest.approx(3.182446 * (1.0 / 3.0) ** 0.5 / 2.0, rel=1e-6)
