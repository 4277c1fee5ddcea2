"""Every tolerance of the tests, each with its reason."""

#: float32 and a closed form in float64: about 10 operations of unit roundoff 6e-8, and sums of up to 1,000 terms
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
#: float64 on different frameworks; float32 errs by 1e-7
FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}
#: float64 and the same formula in another order: a few roundings of 1e-16 and cosines of them
ROUNDED = {"rtol": 1e-12, "atol": 1e-14}
#: central differences in float32 are off by about 1e-3 at the best step size; wrong formulas by 10 % and more
DIFFERENCES = {"rtol": 1e-2, "atol": 1e-3}
#: the first 50 steps of equal seeds on different frameworks: rounding sometimes flips a leaky ReLU, and R1 amplifies
#: it; measured up to 7e-4
TRAJECTORY = {"rtol": 1e-3, "atol": 0.0}
#: 100 steps after a checkpoint moved to another framework, at a learning rate past its warm-up; measured up to 1e-2
RESUMED_TRAJECTORY = {"rtol": 5e-2, "atol": 0.0}
#: bfloat16 has 8 bits of mantissa, so losses of three chained networks differ by a few percent
BFLOAT16 = {"rtol": 5e-2, "atol": 1e-2}
#: a complex step has no cancellation, only roundings of 1e-16 in sums of some thousand terms
COMPLEX_STEP = 1e-12
#: central differences in float64 with h = 1e-5: truncation of h² and rounding of 1e-16 / h
CENTRAL_DIFFERENCE = 1e-6
#: a float32 divided by a constant, stored, and multiplied by the constant: two roundings of 6e-8
STORED = {"rtol": 3e-7, "atol": 0.0}
#: float32 and float64 through up to six convolutions and instance norms, which divide by a standard deviation
STYLE = {"rtol": 1e-4, "atol": 2e-5}
#: float32 of two libraries through up to 94 convolutions: features and their distances differ by up to 3e-6 (measured);
#: a wrong padding or pooling changes them by more than 1 %
PRETRAINED = {"rtol": 5e-5, "atol": 1e-4}
#: float32 and float64 through all of augmentation: positions up to 16 pixels away round by 1e-6 of a pixel, and
#: contrast and saturation scale values by up to 8
AUGMENTED = {"rtol": 1e-4, "atol": 2e-5}
#: bytes pooled and then converted to floats, and floats pooled by halves: values up to 1 with a few roundings of 6e-8;
#: measured up to 1.2e-7 from 1024² to 512²
POOLED = {"rtol": 0.0, "atol": 3e-7}
#: displacement of arrays, by norm, in two steps that sum the same numbers in another order: gradients round
#: differently, and Adam's large ε prevents a change of sign
DISPLACEMENT = {"rtol": 1e-3, "atol": 1e-7}
#: pixels of a face of 128: landmarks found again at another size and angle, or by the package mtcnn, which downsamples
#: patches by picking single samples; measured up to 3.2, and 0.6 on average
FACE_PIXELS = 4.0
#: images in [−1, 1] of networks whose weights were rounded to float16, 11 bits of mantissa: about 15 layers, each off
#: by up to 5e-4 of a weight, whose errors mostly cancel; measured up to 6e-3
HALF_WEIGHTS = {"rtol": 0.0, "atol": 2e-2}
#: losses of 20 steps in several passes and in one, relative: the same sums of float32 in another order; measured up to
#: 9e-7, and with style networks, whose instance norms divide by a standard deviation, up to 2.3e-6
PASSES_LOSS, PASSES_LOSS_STYLE = 1e-6, 1e-5
#: movement of weights, averages and moments in these steps, by norm: gradients round differently, and Adam's large ε
#: prevents a change of sign; measured up to 3e-6, and with style networks up to 9e-6
PASSES_MOVEMENT, PASSES_MOVEMENT_STYLE = 1e-5, 4e-5
