"""Which of several state dicts in a file is taken, and that it is said."""

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers import Options, describe, import_checkpoint
from rtickets.importers.state_dicts import is_averaged

WIDTH = 1 / 64


@pytest.fixture(scope="module")
def raw(state_of):
    return state_of("resnet18", width=WIDTH, stem="small")


@pytest.fixture(scope="module")
def ema(state_of):
    return state_of("resnet18", width=WIDTH, stem="small", seed=1)


def of_averaged_model(state):
    """A state dict of torch.optim.swa_utils.AveragedModel."""
    counter = np.array(12, np.int64)
    return {"n_averaged": counter, **{f"module.{name}": part for name, part in state.items()}}


def bias(imported):
    return imported.ticket.params["head"]["bias"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("state_dict", "state_dict_ema"),
        ("model", "model_ema"),
        ("model", "ema"),
        ("unaveraged_model_state_dict", "model_state_dict"),
        ("net", "ema.module"),
        ("state_dict", "swa_state_dict"),
    ],
)
def test_raw_weights_are_taken_with_a_word_and_averaged_ones_when_asked(
    torch_file, raw, ema, first, second
):
    whole = {first: raw, "epoch": 3}
    top, _, inner = second.partition(".")
    whole[top] = {inner: ema} if inner else ema
    file = torch_file(whole)
    for weights, state, taken, other in (
        (None, raw, first, second),
        ("raw", raw, first, second),
        ("ema", ema, second, first),
    ):
        imported = import_checkpoint(file, "resnet18", Options(weights=weights))
        np.testing.assert_array_equal(bias(imported), state["fc.bias"])
        lines = "\n".join(describe(imported.report))
        kind = "averaged" if weights == "ema" else "raw"
        assert imported.report["source"]["weights"] == kind
        assert taken in lines.split("not taken: ")[0]
        assert f"not taken: {other} " in lines
        assert f"--weights={'raw' if weights == 'ema' else 'ema'} takes it" in lines
        assert imported.ticket.meta["history"][0]["source"]["from"] == taken


def test_files_of_averaged_models_are_imported_and_called_averages(torch_file, raw):
    imported = import_checkpoint(torch_file(of_averaged_model(raw)), "resnet18")
    np.testing.assert_array_equal(bias(imported), raw["fc.bias"])
    assert imported.report["tensors"]["left"] == {"n_averaged": "counter of averaged weights"}
    (line,) = (line for line in describe(imported.report) if line.startswith("weights: an average"))
    assert "update_bn" in line


def test_torchvision_s_checkpoints_hold_both(torch_file, raw, ema):
    file = torch_file({"model": raw, "model_ema": of_averaged_model(ema), "epoch": 1})
    imported = import_checkpoint(file, "resnet18", Options(weights="ema"))
    np.testing.assert_array_equal(bias(imported), ema["fc.bias"])


def test_one_state_dict_with_both_is_chosen_from(torch_file, raw, ema):
    both = {f"student.{n}": t for n, t in raw.items()} | {f"teacher.{n}": t for n, t in ema.items()}
    file = torch_file(both)
    for weights, state in ((None, raw), ("ema", ema)):
        imported = import_checkpoint(file, "resnet18", Options(weights=weights))
        np.testing.assert_array_equal(bias(imported), state["fc.bias"])
        assert "not taken: " in "\n".join(describe(imported.report))


def test_a_choice_that_the_file_does_not_leave_is_refused(torch_file, raw):
    with pytest.raises(InputError, match=r"--weights=ema: .*leave"):
        import_checkpoint(torch_file(raw), "resnet18", Options(weights="ema"))
    with pytest.raises(InputError, match=r"--weights=raw: .*leave"):
        import_checkpoint(torch_file(of_averaged_model(raw)), "resnet18", Options(weights="raw"))
    with pytest.raises(InputError, match=r"--weights=ema: .*leave"):
        import_checkpoint(torch_file({"model": raw}), "resnet18", Options(weights="ema"))


def test_the_best_beside_the_last_is_said(torch_file, raw, ema):
    file = torch_file({"last": raw, "best": ema})
    imported = import_checkpoint(file, "resnet18")
    np.testing.assert_array_equal(bias(imported), raw["fc.bias"])
    assert "not taken: best (raw); --key or --prefix takes it" in "\n".join(
        describe(imported.report)
    )
    imported = import_checkpoint(file, "resnet18", Options(key="best"))
    np.testing.assert_array_equal(bias(imported), ema["fc.bias"])


def test_optimisers_and_statistics_are_no_networks(torch_file, raw):
    moments = {name: {"exp_avg": part, "exp_avg_sq": part} for name, part in raw.items()}
    file = torch_file(
        {
            "weights_of_mine": raw,
            "optimizer": {"state": moments},
            "stats": {"mean": np.ones(3, np.float32), "std": np.ones(3, np.float32)},
        }
    )
    report = import_checkpoint(file, "resnet18").report
    assert report["source"]["from"] == "weights_of_mine"
    assert report["source"]["other_weights"] == {}
    assert {"optimizer", "stats"} <= set(report["tensors"]["outside"])


def test_names_of_averages():
    averaged = ("ema", "state_dict_ema", "model_ema", "ema_model.", "swa", "averaged_model")
    assert all(map(is_averaged, (*averaged, "teacher.", "net.shadow", "module.encoder_k.")))
    raw = ("state_dict", "model", "unaveraged_model", "schema", "layer3.", "avgpool.", "encoder_q.")
    assert not any(map(is_averaged, raw))
