"""Optuna's database storage with a bulk read: a cold study of 100,000 trials opens in seconds, not minutes.

Optuna builds one ORM object a row, some 40 rows a trial. Here the rows of each table come as plain tuples, in
one query a table, and are put together by trial. What comes out is what Optuna's own read gives
(`tests/codesign/search/test_bulk.py` compares the two); few trials are left to that.
"""

import json
from collections import defaultdict
from collections.abc import Container
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

_FEW = 200  # trials that are not worth a scan of the tables


class BulkStorage(RDBStorage):
    """An `RDBStorage` that reads many trials at once."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        own = (study_id, states, included_trial_ids, trial_id_greater_than)
        if states is not None:
            return super()._get_trials(*own)
        trials = models.TrialModel.__table__
        newer = sqlalchemy.and_(trials.c.study_id == study_id, trials.c.trial_id > trial_id_greater_than)
        with self.engine.connect() as connection:
            count = connection.execute(
                sqlalchemy.select(sqlalchemy.func.count()).select_from(trials).where(newer)
            )
            if count.scalar_one() <= _FEW:
                return super()._get_trials(*own)
            found = _read(connection, newer)
        older = {number for number in included_trial_ids if number <= trial_id_greater_than}
        known = {trial._trial_id for trial in found}
        if older - known:
            # the unfinished ones that were read before; none of the newer
            last = max(known)
            found += super()._get_trials(study_id, None, older, last)
        return sorted({trial._trial_id: trial for trial in found}.values(), key=lambda trial: trial._trial_id)


def _read(connection: sqlalchemy.Connection, chosen: Any) -> list[FrozenTrial]:
    """The trials for which `chosen`, a condition on their table, holds."""
    trials = models.TrialModel.__table__
    # the states first: what belongs to a trial that was finished then does not change any more
    columns = [trials.c[n] for n in ("trial_id", "number", "state", "datetime_start", "datetime_complete")]
    heads = connection.execute(sqlalchemy.select(*columns).where(chosen).order_by(trials.c.trial_id)).all()

    def rows(model: type[models.BaseModel], *names: str) -> Any:
        table = model.__table__
        columns = [table.c[name] for name in ("trial_id", *names)]
        joined = table.join(trials, table.c.trial_id == trials.c.trial_id)
        as_set = list(table.primary_key.columns)
        return connection.execute(
            sqlalchemy.select(*columns).select_from(joined).where(chosen).order_by(*as_set)
        )

    params: dict[int, dict[str, Any]] = defaultdict(dict)
    distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    for trial, name, value, text in rows(
        models.TrialParamModel, "param_name", "param_value", "distribution_json"
    ):
        distribution = _distribution(text)
        params[trial][name] = distribution.to_external_repr(value)
        distributions[trial][name] = distribution
    values: dict[int, dict[int, float]] = defaultdict(dict)
    value_of = models.TrialValueModel.stored_repr_to_value
    for trial, objective, value, kind in rows(models.TrialValueModel, "objective", "value", "value_type"):
        values[trial][objective] = value_of(value, kind)
    user: dict[int, dict[str, Any]] = defaultdict(dict)
    system: dict[int, dict[str, Any]] = defaultdict(dict)
    for into, model in ((user, models.TrialUserAttributeModel), (system, models.TrialSystemAttributeModel)):
        for trial, key, text in rows(model, "key", "value_json"):
            into[trial][key] = json.loads(text)
    steps: dict[int, dict[int, float]] = defaultdict(dict)
    reported = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
    names = ("step", "intermediate_value", "intermediate_value_type")
    for trial, step, value, kind in rows(models.TrialIntermediateValueModel, *names):
        steps[trial][step] = reported(value, kind)
    return [
        FrozenTrial(
            number=number, state=state, value=None, values=_in_order(values.get(trial)),
            datetime_start=_local(started), datetime_complete=_local(ended),
            params=params.get(trial, {}), distributions=distributions.get(trial, {}),
            user_attrs=user.get(trial, {}), system_attrs=system.get(trial, {}),
            intermediate_values=steps.get(trial, {}), trial_id=trial,
        )
        for trial, number, state, started, ended in heads
    ]  # fmt: skip


@lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)


def _in_order(values: dict[int, float] | None) -> list[float] | None:
    return [values[objective] for objective in sorted(values)] if values else None


def _local(time: datetime | None) -> datetime | None:
    """Stored in UTC, shown in local time, both without a zone, as Optuna does."""
    return None if time is None else time.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
