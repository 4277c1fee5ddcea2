"""Every tolerance of the tests, in one place, each with its reason."""

#: float32 against float64 closed forms: some 10 operations of unit roundoff 6e-8, and reductions over ~1,000 terms
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
#: central differences in float32 have an error of about 1e-3 at the best step; wrong formulas are off by 10 % and more
DIFFERENCES = {"rtol": 1e-2, "atol": 1e-3}
#: the first 50 steps of equal seeds on different frameworks: rounding flips a leaky ReLU now and then, and R1 magnifies
#: it; measured up to 7e-4
TRAJECTORY = {"rtol": 1e-3, "atol": 0.0}
#: 100 steps after a checkpoint changed frameworks, at a rate that has risen: measured up to 1e-2
RESUMED_TRAJECTORY = {"rtol": 5e-2, "atol": 0.0}
#: bfloat16 has 8 bits of mantissa: losses of three chained networks differ by a few parts in a hundred
BFLOAT16 = {"rtol": 5e-2, "atol": 1e-2}
#: a complex step has no cancellation: what is left are roundings of 1e-16 in sums over some thousand terms
COMPLEX_STEP = 1e-12
#: central differences in float64 with h = 1e-5: h² of truncation and 1e-16 / h of rounding
CENTRAL_DIFFERENCE = 1e-6
#: a float32 that was divided by a constant, stored, and multiplied by it: two roundings of 6e-8
STORED = {"rtol": 3e-7, "atol": 0.0}
#: float32 against float64 through up to six convolutions and instance norms, which divide by a standard deviation
STYLE = {"rtol": 1e-4, "atol": 2e-5}
#: float32 against float32 of another library through up to 94 convolutions: measured up to 3e-6 of features and their
#: distances; a padding or a pooling that is another moves them by more than 1 %
PRETRAINED = {"rtol": 5e-5, "atol": 1e-4}
#: float32 against float64 through all of augmentation: places up to 16 pixels away round by 1e-6 of a pixel, and
#: contrast and saturation make values up to 8 times as large
AUGMENTED = {"rtol": 1e-4, "atol": 2e-5}
#: bytes pooled and then made floats, against floats pooled by halves: values up to 1 with some roundings of 6e-8 each;
#: measured up to 1.2e-7 from 1024² to 512²
POOLED = {"rtol": 0.0, "atol": 3e-7}
#: how far arrays moved in two steps that add the same numbers in another order, by norm: roundings of gradients, which
#: Adam's large ε keeps from deciding a sign
DISPLACEMENT = {"rtol": 1e-3, "atol": 1e-7}
#: pixels of a face of 128: landmarks found again at another size and angle, or by the package mtcnn, which reduces
#: patches by single samples; measured up to 3.2, and 0.6 on average
FACE_PIXELS = 4.0
