"""Every tolerance of the tests, in one place, each with its reason."""

#: float32 against float64 closed forms: some 10 operations of unit roundoff 6e-8, and reductions over ~1,000 terms
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
#: central differences in float32 have an error of about 1e-3 at the best step; wrong formulas are off by 10 % and more
DIFFERENCES = {"rtol": 1e-2, "atol": 1e-3}
#: one training step in float32 on different frameworks: sums in another order; measured below 2e-6
STEP = {"rtol": 1e-4, "atol": 1e-6}
#: the first 50 steps of equal seeds on different frameworks; rounding differences have grown to below 3e-4 by then
TRAJECTORY = {"rtol": 1e-3, "atol": 0.0}
#: 100 more steps after a checkpoint changed frameworks: the same growth over twice the steps
RESUMED_TRAJECTORY = {"rtol": 1e-2, "atol": 0.0}
#: bfloat16 has 8 bits of mantissa: losses of three chained networks differ by a few parts in a hundred
BFLOAT16 = {"rtol": 5e-2, "atol": 1e-2}
