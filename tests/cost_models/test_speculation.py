"""Medusa: trees and expected lengths against their definition, and when guessing pays."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cost_models import Design, InputError, Serving, System, evaluate, read_model, speculation, yamlfile
from cost_models.designfile import design_file
from cost_models.speculation import Acceptance

SMALL = Acceptance("small", "test", 1e9, ((0.5, 0.2, 0.1), (0.3, 0.25, 0.05), (0.2, 0.1, 0.05)))


def _served(heads: int, **serving: object) -> Design:
    model = replace(read_model("llama-3.1-8b"), medusa_heads=heads)
    fields = {"phase": "decode", "input_tokens": 512, "concurrency": 1, "medusa_tree": 31} | serving
    return Design(model, System(accelerators=1), Serving(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5])
def test_no_tree_of_so_many_nodes_yields_more(nodes: int) -> None:
    paths = [p for size in (1, 2, 3) for p in itertools.product(range(3), repeat=size)]
    whole = [
        tree
        for tree in itertools.combinations(paths, nodes)
        if all(len(path) == 1 or path[:-1] in tree for path in tree)
    ]
    best = max(speculation.expected_tokens(SMALL, list(tree)) for tree in whole)
    greedy = speculation.tree(SMALL, nodes)
    assert len(greedy) == nodes
    assert speculation.expected_tokens(SMALL, greedy) == pytest.approx(best)


def test_every_node_stands_after_its_parent() -> None:
    tree = speculation.tree(SMALL, 30)
    for place, path in enumerate(tree):
        assert len(path) == 1 or path[:-1] in tree[:place]


def test_expected_tokens_are_the_mean_over_independent_heads() -> None:
    tree, generator = speculation.tree(SMALL, 8), np.random.default_rng(0)
    lengths = []
    for _ in range(20_000):
        right = tuple(
            int(np.searchsorted(np.cumsum(guesses), generator.random())) for guesses in SMALL.guesses
        )
        lengths.append(1 + max((len(p) for p in tree if p == right[: len(p)]), default=0))
    assert np.mean(lengths) == pytest.approx(speculation.expected_tokens(SMALL, tree), abs=0.03)


def test_there_are_no_more_guesses_than_there_are() -> None:
    assert len(speculation.tree(SMALL, 1000)) == 3 + 9 + 27
    one = speculation.speculate(replace(read_model("llama-3.1-8b"), medusa_heads=1), Serving(medusa_tree=900))
    assert one.tokens_per_step == 1 + 5  # five ranks of one head are published


def test_more_guesses_never_yield_less_and_arrays_agree_with_scalars() -> None:
    model, sizes = replace(read_model("llama-3.1-8b"), medusa_heads=4), np.array([0, 1, 7, 63, 63])
    many = speculation.speculate(model, Serving(medusa_tree=sizes))
    each = [
        float(np.asarray(speculation.speculate(model, Serving(medusa_tree=int(size))).accepted_tokens))
        for size in sizes
    ]
    assert np.asarray(many.accepted_tokens).tolist() == each
    assert sorted(each) == each
    assert each[0] == 1.0


def test_the_nearest_published_model_is_the_default() -> None:
    for name, expected in (("llama-3.1-8b", "vicuna-7b"), ("qwen3-32b", "vicuna-33b")):
        model = replace(read_model(name), medusa_heads=5)
        assert speculation.acceptance(model).name == expected


def test_guesses_pay_alone_and_lose_in_company() -> None:
    """Llama 2 7B, on which the heads of the paper sit; its vocabulary of 32,000 keeps them small."""
    references = Path(speculation.__file__).parent / "references"
    document = yamlfile.Document({"model": {"config": "llama-2-7b.yaml"}}, "test")
    model = design_file(document, references).design.model
    counts = np.array([1, 128])
    plain, guessed = (
        evaluate(replace(_served(3, concurrency=counts), model=replace(model, medusa_heads=heads)))
        for heads in (0, 3)
    )
    gain = plain["latency.tpot_s"] / guessed["latency.tpot_s"]
    assert gain[0] > 2.0
    assert gain[1] < 1.0


def test_heads_without_a_tree_only_cost() -> None:
    plain, idle = (evaluate(_served(heads, medusa_tree=0)) for heads in (0, 3))
    assert idle["latency.tpot_s"] > plain["latency.tpot_s"]
    assert idle["speculation.accepted_tokens"] == 1.0


def test_the_document_says_whose_acceptance_it_is() -> None:
    document = evaluate(_served(3)).document(quality={"bits_per_byte": 2.0})
    assert document["speculation"]["acceptance"] == "vicuna-7b"
    assert "medusa_acc.csv" in document["speculation"]["source"]
    assert document["quality"]["bits_per_byte"] == 2.0  # checked guesses change no token
    assert evaluate(_served(0)).document()["speculation"] is None


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tables: {mine: {parameters: 1e6, source: a proxy, correct: [[0.9, 1.0]]}}")
    document = evaluate(_served(3, medusa_acceptance=str(file), medusa_tree=2)).document()
    assert document["speculation"]["accepted_tokens"] == pytest.approx(2.0)
    assert document["speculation"]["acceptance"] == "mine"
    file.write_text("tables: {mine: {parameters: 1e6, correct: [[0.9, 0.8]]}}")
    with pytest.raises(InputError, match=r"mine.yaml:1:.*must not fall"):
        speculation.acceptance(read_model("llama-3.1-8b"), str(file))


def test_logits_of_all_guesses_take_memory() -> None:
    small, large = (
        evaluate(_served(3, medusa_tree=nodes, concurrency=64)).document()["memory"] for nodes in (7, 63)
    )
    logits = 64 * 4 * 128256 * 4.0  # sequences, the model's and the heads', vocabulary, fp32
    assert large["activations_bytes"] - small["activations_bytes"] > (63 - 7) * logits * 0.999
