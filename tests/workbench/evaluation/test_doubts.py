"""Doubts about measures, and the conclusion."""

import pytest

from alae_workbench.evaluation.doubts import conclude, find_doubt, format_value, list_doubts

FEW, MANY = {"held_out": 4, "samples": 36}, {"held_out": 1_000, "samples": 1_000}


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("overfitting", "only 4 held-out images; at least 100 are needed"),
        ("reconstruction_error", "only 4 held-out images; at least 10 are needed"),
        ("fd_random64", "only 36 samples and training images; at least 1,000 are needed"),
        ("precision_random64", "only 36 samples and training images; at least 100 are needed"),
        ("fd_random64_reconstructions", "only 4 held-out images; at least 1,000 are needed"),
        ("svm_w", "only 4 held-out images; at least 100 are needed"),
        ("reciprocity_error", ""),
    ],
)
def test_a_measure_of_too_few_images_is_doubted(name, doubt):
    assert find_doubt(name, {name: 0.25}, FEW) == doubt
    assert find_doubt(name, {name: 0.25}, MANY) == ""
    assert find_doubt(name, {name: 0.25}, {}) == ""
    assert format_value(name, {name: 0.25}, FEW) == ("0.2500 !" if doubt else "0.2500")


def test_the_precision_of_a_model_that_generates_one_image_is_doubted():
    values = {"precision_random64": 0.94, "recall_random64": 0.03}
    assert find_doubt("precision_random64", values, MANY) == "recall is 0.03, so the samples resemble few of the images"
    assert find_doubt("recall_random64", values, MANY) == ""
    assert find_doubt("precision_random64", values | {"recall_random64": 0.5}, MANY) == ""
    assert find_doubt("precision_random64", values | {"recall_other": 0.0, "recall_random64": 0.5}, MANY) == ""


def test_a_doubt_about_several_measures_is_one_line():
    values = dict.fromkeys(("psnr", "ssim", "overfitting", "reciprocity_error"), 0.5)
    assert list_doubts(values, FEW) == [
        "! only 4 held-out images; at least 10 are needed: psnr, ssim",
        "! only 4 held-out images; at least 100 are needed: overfitting",
    ]
    assert list_doubts(values, MANY) == []


@pytest.mark.parametrize(
    ("error", "conclusion"),
    [
        (0.3, "reconstructions are no better than the mean image (0.265): too few steps or images"),
        (0.2, "reconstructions are better than the mean image (0.265), but no better than the nearest training image"),
        (0.1, "reconstructions are better than the nearest training image (0.180)"),
    ],
)
def test_the_conclusion_compares_with_the_baselines(error, conclusion):
    values = {"reconstruction_error": error, "mean_image_error": 0.265, "nearest_image_error": 0.18}
    assert conclude(values, MANY).startswith(conclusion)
    memorised = "; D has memorised training images (overfitting 0.94): stop earlier, augment, or add images"
    assert conclude(values | {"overfitting": 0.94}, MANY).endswith(memorised)
    assert conclude(values | {"overfitting": 0.94}, FEW).endswith(
        ", but on only 4 held-out images; at least 10 are needed"
    )
    assert "memorised" not in conclude(values | {"overfitting": 0.2}, MANY)
    assert conclude({"reconstruction_error": error}, MANY) == ""
