import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

import rtickets
from rtickets import masks
from rtickets.errors import InputError
from rtickets.tickets.ticket import Ticket, read_description

FILES = ["mask.safetensors", "ticket.json", "weights.safetensors"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def prune(mask, params):
    return jax.tree.map(lambda keep, leaf: np.where(keep, leaf, leaf.dtype.type(0)), mask, params)


def make_ticket(dtype=np.float32, sparsity=0.7, seed=0):
    generator = np.random.default_rng(seed)
    params = {
        "conv": {"kernel": generator.standard_normal((3, 3, 2, 5)).astype(dtype)},
        "norm": {"scale": np.ones(5, dtype), "bias": np.full(5, -0.25, dtype)},
        "head": {"kernel": generator.standard_normal((5, 2)).astype(dtype)},
    }
    stats = {"norm": {"mean": np.arange(5, dtype=np.float32), "var": np.ones(5, np.float32)}}
    mask = rtickets.draw_omp(params, sparsity)
    return Ticket(mask, prune(mask, params), stats, {"task": "tëst", "mean": [0.5, 0.25]})


def assert_bit_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ticket"
    make_ticket().save(path)
    return path


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16, np.float64])
@pytest.mark.parametrize("sparsity", [0, 0.7, 0.999])
def test_a_loaded_ticket_is_bit_equal(tmp_path, dtype, sparsity):
    ticket = make_ticket(dtype, sparsity)
    ticket.save(tmp_path / "t")
    loaded = Ticket.load(str(tmp_path / "t"))
    assert_bit_equal(loaded.mask, ticket.mask)
    assert_bit_equal(loaded.params, ticket.params)
    assert_bit_equal(loaded.batch_stats, ticket.batch_stats)
    assert loaded.meta == ticket.meta


@settings(max_examples=15, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(max_dims=4, min_side=0, max_side=5)))
def test_any_shape_and_mask_survives(tmp_path_factory, keep):
    mask = {"a": {"b": {"kernel": keep}}}
    weights = np.arange(1, keep.size + 1, dtype=np.float32).reshape(keep.shape)
    params = {"a": {"b": {"kernel": weights}}}
    path = tmp_path_factory.mktemp("any") / "t"
    Ticket(mask, params).save(path)
    loaded = Ticket.load(path)
    assert_bit_equal(loaded.mask, mask)
    assert_bit_equal(loaded.params, prune(mask, params))
    assert loaded.batch_stats == {}


def test_saving_again_gives_the_same_bytes(saved, tmp_path):
    Ticket.load(saved).save(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_a_ticket_is_three_files_and_leaves_nothing_beside_them(saved):
    assert names(saved) == FILES
    assert names(saved.parent) == ["ticket"]


def test_only_survivors_are_stored(saved):
    weights = load((saved / "weights.safetensors").read_bytes())
    bits = load((saved / "mask.safetensors").read_bytes())
    assert weights["params/conv/kernel"].shape == (27,)
    assert weights["params/head/kernel"].shape == (5, 2)
    assert {path: leaf.nbytes for path, leaf in bits.items()} == {"conv/kernel": 12}


def test_pruned_weights_that_were_not_zero_come_back_as_zero(tmp_path):
    params = {"kernel": np.array([1, 2, 3], np.float32)}
    Ticket({"kernel": np.array([True, False, True])}, params).save(tmp_path / "t")
    np.testing.assert_array_equal(Ticket.load(tmp_path / "t").params["kernel"], [1, 0, 3])


def test_the_description_has_sparsity_per_layer_and_over_all(saved):
    description = read_description(saved)
    assert (description["format"], description["version"]) == ("rtickets-ticket", 1)
    assert description["sparsity"]["leaves"] == {"conv/kernel": pytest.approx(0.7)}
    assert description["sparsity"]["prunable"] == pytest.approx(0.7)
    assert description["sparsity"]["parameters"] == pytest.approx(63 / 110)
    assert description["shapes"] == {"conv/kernel": [3, 3, 2, 5]}


def test_the_layout_of_arrays_in_memory_does_not_matter(tmp_path):
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    params = {"kernel": np.asfortranarray(weights), "table": weights.T, "tail": weights[:, ::-2]}
    mask = {"kernel": np.asfortranarray(weights % 3 == 0), "table": True, "tail": True}
    Ticket(mask, params).save(tmp_path / "t")
    loaded = Ticket.load(tmp_path / "t")
    np.testing.assert_array_equal(loaded.mask["kernel"], mask["kernel"])
    np.testing.assert_array_equal(loaded.params["kernel"], np.where(weights % 3 == 0, weights, 0))
    np.testing.assert_array_equal(loaded.params["table"], weights.T)
    np.testing.assert_array_equal(loaded.params["tail"], weights[:, ::-2])


def test_mask_leaves_that_are_not_prunable_may_be_python_bools(tmp_path):
    params = {"kernel": np.ones(3, np.float32), "bias": np.ones(2, np.float32)}
    Ticket({"kernel": np.array([True, False, True]), "bias": True}, params).save(tmp_path / "t")
    np.testing.assert_array_equal(Ticket.load(tmp_path / "t").mask["kernel"], [1, 0, 1])


def test_a_ticket_makes_the_folders_above_it(tmp_path):
    make_ticket().save(tmp_path / "a" / "b" / "t")
    assert read_description(tmp_path / "a" / "b" / "t")["version"] == 1


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("mine")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_ticket_is_never_replaced(tmp_path, make, overwrite):
    make(tmp_path / "t")
    with pytest.raises(InputError, match="t exists") as error:
        make_ticket().save(tmp_path / "t", overwrite=overwrite)
    assert "overwrite" not in str(error.value)
    assert names(tmp_path) == ["t"]


def test_a_ticket_is_replaced_only_on_request(saved):
    with pytest.raises(InputError, match=r"ticket exists.*overwrite=True"):
        make_ticket(seed=1).save(saved)
    assert_bit_equal(Ticket.load(saved).params, make_ticket().params)
    make_ticket(seed=1).save(saved, overwrite=True)
    assert_bit_equal(Ticket.load(saved).params, make_ticket(seed=1).params)
    assert names(saved.parent) == ["ticket"]


@pytest.mark.parametrize("name", FILES)
def test_a_save_that_is_killed_leaves_the_old_ticket(saved, monkeypatch, name):
    write = rtickets.tickets.ticket.write_bytes

    def killed(path, *values):
        if path.name == name:
            raise KeyboardInterrupt
        write(path, *values)

    monkeypatch.setattr("rtickets.tickets.ticket.write_bytes", killed)
    monkeypatch.setattr("rtickets.tickets.ticket.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        make_ticket(seed=1).save(saved, overwrite=True)
    assert_bit_equal(Ticket.load(saved).params, make_ticket().params)
    monkeypatch.undo()
    make_ticket(seed=1).save(saved, overwrite=True)
    assert names(saved.parent) == ["ticket"]


def test_two_processes_of_one_id_may_save_the_same_ticket(saved, monkeypatch):
    write = rtickets.tickets.ticket.write_bytes

    def slow(path, *values):
        patch.undo()
        make_ticket(seed=1).save(saved, overwrite=True)
        write(path, *values)

    monkeypatch.setattr("os.getpid", lambda: 1)
    with monkeypatch.context() as patch:
        patch.setattr("rtickets.tickets.ticket.write_bytes", slow)
        make_ticket(seed=2).save(saved, overwrite=True)
    assert_bit_equal(Ticket.load(saved).params, make_ticket(seed=2).params)
    assert names(saved.parent) == ["ticket"]


ONE = np.ones(2, np.float32)
KEEP = np.ones(2, bool)


@pytest.mark.parametrize(
    ("mask", "params", "message"),
    [
        ({"a": [KEEP]}, {"a": [ONE]}, "params/a .*list; .*dictionaries"),
        ({"a": KEEP}, {"a": ONE.astype(np.complex128)}, "params/a is complex128"),
    ],
)
def test_weights_that_cannot_be_stored_are_named_and_nothing_is_left(
    tmp_path, mask, params, message
):
    with pytest.raises(InputError, match=message):
        Ticket(mask, params).save(tmp_path / "t")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    ["[" * 200_000, '{"format": "rtickets-ticket", "version": ' + "9" * 5000 + "}"],
    ids=["deep", "a long number"],
)
def test_a_description_that_python_cannot_read_is_damaged(saved, content):
    (saved / "ticket.json").write_text(content)
    with pytest.raises(InputError, match="is damaged"):
        Ticket.load(saved)


def test_a_ticket_prints_as_one_line(tiny):
    ticket = Ticket(tiny.mask, tiny.params, tiny.batch_stats, {"history": [{"stage": "draw"}]})
    text = repr(ticket)
    assert len(text) < 150
    assert "draw" in text
    assert f"{masks.sparsity(tiny.mask):.4g}" in text


def test_a_ticket_is_loaded_from_the_run_folder_that_holds_it(tiny, tmp_path):
    Ticket(tiny.mask, tiny.params).save(tmp_path / "draw-x" / "ticket")
    assert masks.sparsity(Ticket.load(tmp_path / "draw-x").mask) == masks.sparsity(tiny.mask)
