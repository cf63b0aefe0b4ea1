"""Training a candidate from scratch: what it costs, what tables add, and that it is counted where it is asked for."""

from dataclasses import replace

import numpy as np
import pytest

import cost_models
from cost_models import OBJECTIVES, answers, load_catalogue, read_design, read_model, write_design
from cost_models.architecture import parameters
from cost_models.design import GIB, Design, Host, System, TrainingRun
from cost_models.errors import InputError
from cost_models.training import Batch, train
from cost_models.training_cost import tokens, training_cost

CATALOGUE = load_catalogue()
PAPER = TrainingRun(tokens=262e9)  # arXiv 2601.07372, table 1


def test_tokens_follow_the_active_parameters_unless_stated() -> None:
    model = read_model("engram-27b")
    assert tokens(model, TrainingRun()) == 20 * parameters(model).active_per_token
    assert tokens(model, PAPER) == 262e9


def test_tables_cost_little_beside_experts_at_equal_parameters_and_flops() -> None:
    """Equal active parameters: what differs are the rows all to all, the memory vector's projections, and mixing."""
    experts, tables = (
        training_cost(read_model(name), PAPER, CATALOGUE) for name in ("moe-27b", "engram-27b")
    )
    assert tables.tables == "hbm" and not experts.tables
    assert tables.training_usd == pytest.approx(experts.training_usd, rel=0.02)
    larger = training_cost(read_model("engram-40b"), PAPER, CATALOGUE)
    assert larger.training_usd == pytest.approx(
        tables.training_usd, rel=0.02
    )  # rows are sparse, whatever their number


def test_a_table_row_travels_only_where_it_lies_elsewhere() -> None:
    model, batch = read_model("engram-27b"), Batch(64, 4096, 1)
    run = Design(model, System("h100-sxm", 64, 8, Host(dram_bytes=2048 * GIB)))
    sharded, on_host = (train(run, batch, CATALOGUE, tables) for tables in ("hbm", "dram"))
    assert (sharded.terms["links"] != on_host.terms["links"]).all()
    moved = sharded.spare["hbm"] - on_host.spare["hbm"]
    assert moved == pytest.approx(-14 * parameters(model).tables / 64)
    alone = Design(model, System("h200-sxm", 1, 1, Host(dram_bytes=2048 * GIB)))
    single = train(alone, Batch(1, 4096, 1), CATALOGUE)
    assert single.terms["links"][single.weights == "hbm"].min() == 0


def test_experts_that_stay_need_no_gathering() -> None:
    design = Design(read_model("deepseek-v3"), System("h800", 2048, 256, Host(dram_bytes=2048 * GIB)))
    batch = Batch(16384, 4096, 1)  # of more tokens at once, sending them costs more than fetching the experts
    gathered, stay = (train(design, batch, CATALOGUE, experts=kind) for kind in ("gathered", "stay"))
    assert stay.terms["links"].min() < gathered.terms["links"].min()
    assert stay.spare["hbm"].max() > gathered.spare["hbm"].max()


def test_more_nodes_cost_traffic_between_them() -> None:
    model = read_model("moe-27b")
    one, many = (
        train(
            Design(model, System("h100-sxm", 8, nodes, Host(dram_bytes=2048 * GIB))),
            Batch(8, 4096, 1),
            CATALOGUE,
        )
        for nodes in (1, 8)
    )
    assert (many.terms["links"] > one.terms["links"]).all()


def test_what_is_served_in_four_bits_is_not_trained_in_four() -> None:
    model = read_model("moe-27b")
    small = replace(model, weights_dtype="int4", experts_dtype="nvfp4")
    assert (
        training_cost(small, PAPER, CATALOGUE).training_usd
        == training_cost(model, PAPER, CATALOGUE).training_usd
    )
    fp8 = training_cost(model, replace(PAPER, dtype="fp8"), CATALOGUE)
    assert fp8.training_days < training_cost(model, PAPER, CATALOGUE).training_days


def test_a_training_that_does_not_fit_is_a_violation() -> None:
    run = TrainingRun(System("h100-sxm", 1, 1, Host()), sequences=8)
    design = Design(read_model("moe-27b"), System(accelerators=1), training=run)
    found = cost_models.evaluate(design)
    assert not found.feasible
    assert float(found.violations["training"]) > 100e9
    said = {one.question: one.sentence for one in answers.answers(found)}["What does training it cost?"]
    assert "does not fit" in said


def test_figures_are_there_only_where_asked_for() -> None:
    design = Design(read_model("moe-27b"), System(accelerators=1))
    assert cost_models.evaluate(design).document()["training"] is None
    asked = cost_models.evaluate(replace(design, training=PAPER))
    document = asked.document()
    assert document["training"]["training_usd"] == OBJECTIVES["training_usd"].value(asked)
    assert document["training"]["tokens"] == 262e9
    served = ("latency", "energy", "cost", "memory")
    assert [document[name] for name in served] == [
        cost_models.evaluate(design).document()[name] for name in served
    ]
    array = replace(design, system=System(accelerators=np.array([1, 2])), training=PAPER)
    assert (
        np.asarray(cost_models.evaluate(array)["training.training_days"]).tolist()
        == [document["training"]["training_days"]] * 2
    )


def test_a_design_file_carries_it(tmp_path) -> None:
    design = Design(read_model("moe-27b"), System(accelerators=1), training=replace(PAPER, tables="dram"))
    path = tmp_path / "design.yaml"
    path.write_text(write_design(design))
    assert read_design(path).training == design.training
    path.write_text("model: {preset: moe-27b}\nsystem: {accelerator: h100-sxm}\ntraining: {sequences: 63}\n")
    with pytest.raises(
        InputError, match=r"3:23: training.sequences must be a multiple of the 64 accelerators"
    ):
        read_design(path)


def test_sequences_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match=r"training\.sequences must be a multiple"):
        training_cost(read_model("moe-27b"), TrainingRun(sequences=63), CATALOGUE)


def test_node_limited_routing_sends_less_between_nodes():
    """A token's experts on four of eight nodes at most (arXiv 2412.19437, section 2.1.2)."""
    model = read_model("deepseek-v3")
    system = System(accelerator="h800", accelerators=64, nodes=8)
    found = [
        train(Design(model, system), Batch(64, 4096, 1, limit), CATALOGUE, experts="stay").terms["links"][0]
        for limit in (0, 4, 8)
    ]
    assert found[1] < found[0] == found[2]
