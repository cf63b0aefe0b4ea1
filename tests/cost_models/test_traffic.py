"""Traffic profiles: closed forms on a reuse curve that is known exactly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cost_models import traffic
from cost_models.errors import InputError
from cost_models.replacement import Correction
from cost_models.traffic import Profile, shipped

D = 50_000.0  # N-grams, all equally likely: P(t) = (1 - 1/D)^t and f(t) = D (1 - P(t))


@pytest.fixture
def uniform() -> Profile:
    times = np.unique(np.concatenate([np.arange(65), np.geomspace(65, 40 * D, 600).astype(int)])).astype(
        float
    )
    P = (1 - 1 / D) ** times
    return Profile((2, 3), (1, 8), times, np.broadcast_to(P, (2, 2, times.size)), np.full((2, 2), 0.9))


def test_unique_fraction_of_uniform_reads_is_that_of_balls_in_bins(uniform: Profile) -> None:
    M, window = 30_000.0, np.array([1.0, 1000.0, 20_000.0])
    rows_hit = M * -np.expm1(-D * -np.expm1(-window / D) / M)
    np.testing.assert_allclose(uniform.unique_fraction(2, M, window), rows_hit / window, rtol=2e-3)


def test_one_table_of_uniform_reads_misses_what_does_not_fit(uniform: Profile) -> None:
    C = np.array([1000.0, 10_000.0, 25_000.0])
    np.testing.assert_allclose(uniform.miss_ratio([(2, 1e12, 1)], C)[0], 1 - C / D, atol=2e-3)


def test_footprints_of_tables_add(uniform: Profile) -> None:
    C = np.array([5000.0, 60_000.0])
    one = uniform.miss_ratio([(2, 1e6, 1)], C)
    both = uniform.miss_ratio([(2, 1e6, 3), (3, 1e6, 5)], 8 * C)
    np.testing.assert_allclose(both, np.broadcast_to(one, both.shape), atol=1e-9)


def test_nothing_cached_misses_all_and_everything_cached_misses_nothing(uniform: Profile) -> None:
    miss = uniform.miss_ratio([(2, 1000, 4)], [0.0, 1.0, 4000.0, 1e9])[0]
    assert miss[0] == miss[1] == 1.0
    assert miss[2] == miss[3] == 0.0


def test_arrays_give_the_same_as_scalars() -> None:
    profile = Profile.load("bundled-text")
    tables = [(2, 2e6, 8), (3, 3e6, 8)]
    C, B = np.array([1e3, 1e5, 3e6, 1e7]), np.array([1.0, 48.0, 300.0, 5000.0])
    together = profile.miss_ratio(tables, C, B)
    for i in range(C.size):
        np.testing.assert_allclose(profile.miss_ratio(tables, C[i], B[i]), together[:, i], rtol=1e-12)
    unique = profile.unique_fraction(3, 3e6, C, B)
    assert [float(profile.unique_fraction(3, 3e6, c, b)) for c, b in zip(C, B, strict=True)] == list(unique)


def test_curve_reads_off_what_miss_ratio_gives() -> None:
    profile = Profile.load("bundled-text")
    tables, C = [(2, 2e6, 8), (3, 3e6, 8)], np.geomspace(1e3, 3e7, 50)
    for B, tolerance in ((64, 1e-12), (100, 2e-3)):
        log_rows, miss = profile.miss_curve(tables, B)
        read_off = [np.interp(np.log(C), log_rows, row) for row in miss]
        np.testing.assert_allclose(read_off, profile.miss_ratio(tables, C, B), atol=tolerance)


@pytest.mark.parametrize("name", shipped())
def test_shipped_profiles_behave(name: str) -> None:
    profile = Profile.load(name)
    tables = [(order, 1e6, 4) for order in profile.orders]
    miss = profile.miss_ratio(tables, np.geomspace(10, 4e6 * len(tables), 60), 16)
    assert (np.diff(miss, axis=1) <= 1e-12).all()
    assert (np.diff(miss, axis=0)[:, :40] >= -1e-9).all(), "longer N-grams come back less often"
    assert profile.about["tokens"] > 2_000_000
    window = np.geomspace(1, 1e7, 40)
    assert (np.diff(profile.unique_fraction(2, 1e6, window)) <= 1e-12).all()


def test_a_cache_misses_more_while_it_warms() -> None:
    profile = Profile.load("code")
    tables = [(2, 1e6, 8)]
    warm = profile.miss_ratio(tables, 1e5, 1)
    filled = float(profile.eviction_time(tables, 1e5, 1))
    young = profile.miss_ratio(tables, 1e5, 1, served=[100.0, filled / 10, filled * 1.01])
    assert young[0, 0] > young[0, 1] > warm[0]
    assert young[0, 2] == pytest.approx(warm[0], abs=1e-6)
    assert np.isinf(profile.eviction_time(tables, 1e7, 1))


def test_a_saved_profile_reads_back(uniform: Profile, tmp_path: Path) -> None:
    path = tmp_path / "mine.profile"
    uniform.save(path)
    again = Profile.load(path)
    np.testing.assert_allclose(
        again.miss_ratio([(3, 1e6, 2)], 1e4), uniform.miss_ratio([(3, 1e6, 2)], 1e4), rtol=1e-5
    )
    assert path.stat().st_size < 500_000


def test_faults_are_one_clear_line(uniform: Profile, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no N-gram order 7, only 2, 3"):
        uniform.miss_ratio([(7, 1e6, 1)], 10)
    with pytest.raises(
        InputError, match="no such traffic profile; give a file, or one of bundled-text, code"
    ):
        Profile.load("nowhere")
    (tmp_path / "bad.profile").write_text("text")
    with pytest.raises(InputError, match="not a traffic profile"):
        Profile.load(tmp_path / "bad.profile")


def test_the_cache_for_a_hit_rate_has_that_hit_rate() -> None:
    profile = Profile.load("bundled-text")
    tables = [(2, 2e6, 16), (3, 2e6, 16)]
    for policy in ("lru", "s3-fifo"):
        sizes = [profile.cache_rows(tables, rate, 64, policy) for rate in (0.3, 0.5, 0.8)]
        assert sizes == sorted(sizes)
        for rate, rows in zip((0.3, 0.5, 0.8), sizes, strict=True):
            assert 1 - profile.miss_ratio(tables, rows, 64, policy=policy).mean() == pytest.approx(
                rate, abs=1e-3
            )
    assert profile.cache_rows(tables, 1.0, 64) == pytest.approx(64e6)


def test_s3_fifo_is_a_correction_of_lru(uniform: Profile) -> None:
    tables = [(2, 1e12, 1), (3, 1e12, 1)]
    times = np.array([100.0, 1e6])
    ratio = np.ones((2, 1, 2, 2))
    ratio[1, 0, 0] = [0.8, 0.9]
    corrected = replace(uniform, s3_fifo=Correction(times, np.array([1.0]), ratio))
    small = 2 * 90.0  # rows that LRU keeps for less than 100 tokens
    lru, s3 = (corrected.miss_ratio(tables, small, policy=policy) for policy in ("lru", "s3-fifo"))
    np.testing.assert_allclose(s3 / lru, [0.8, 0.9], rtol=1e-6)
    alone = corrected.miss_ratio(tables[:1], small, policy="s3-fifo")
    np.testing.assert_allclose(alone, corrected.miss_ratio(tables[:1], small), rtol=1e-6)
    with pytest.raises(InputError, match="was made without s3-fifo"):
        uniform.miss_ratio(tables, small, policy="s3-fifo")


def test_a_profile_is_read_back_with_its_policies(uniform: Profile, tmp_path: Path) -> None:
    shipped_one = Profile.load("code")
    for profile in (uniform, shipped_one):
        profile.save(tmp_path / "p.profile")
        again = Profile.load(tmp_path / "p.profile")
        assert (again.s3_fifo is None) == (profile.s3_fifo is None)
        traffic._load.cache_clear()
    assert shipped_one.s3_fifo is not None and again.s3_fifo is not None
    np.testing.assert_array_equal(again.s3_fifo.ratio, shipped_one.s3_fifo.ratio)
