"""Operations of torch that keep nothing: those that work element by element, and those that mix the rows of a tensor.

Element by element is number by number, whatever stands beside it. Covered: what is listed.
`tests/unit/screen/test_pointwise.py` calls each of those with rows by themselves and with all at once, and each of the
others twice. Not covered: operations that are of the one kind or the other by their arguments, but for the few that are
told apart below.
"""

from __future__ import annotations

#: Functions of torch and methods of a tensor, under the same name.
BOTH = frozenset(
    {
        *("abs", "absolute", "acos", "acosh", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2"),
        *(
            "arctanh",
            "asin",
            "asinh",
            "atan",
            "atan2",
            "atanh",
            "bitwise_and",
            "bitwise_not",
            "bitwise_or",
            "bitwise_xor",
        ),
        *("ceil", "clamp", "clamp_max", "clamp_min", "clip", "copysign", "cos", "cosh", "deg2rad", "digamma", "div"),
        *("divide", "eq", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "fix", "float_power", "floor"),
        *("floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "greater", "greater_equal", "gt", "heaviside", "hypot"),
        *("isfinite", "isinf", "isnan", "ldexp", "le", "lerp", "less", "less_equal", "lgamma", "log", "log10", "log1p"),
        *("log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "lt"),
        *(
            "maximum",
            "minimum",
            "mul",
            "multiply",
            "nan_to_num",
            "ne",
            "neg",
            "negative",
            "not_equal",
            "positive",
            "pow",
        ),
        *("rad2deg", "reciprocal", "relu", "remainder", "round", "rsqrt", "sgn", "sigmoid", "sign", "signbit", "sin"),
        *("sinc", "sinh", "sqrt", "square", "sub", "subtract", "tan", "tanh", "true_divide", "trunc", "xlogy"),
    }
)
METHODS = BOTH | {
    "bool",
    "clone",
    "contiguous",
    "detach",
    "double",
    "float",
    "int",
    "long",
    "masked_fill",
    "to",
    "type_as",
}
FUNCTIONS = {
    "torch": BOTH | {"full_like", "ones_like", "zeros_like", "rsub"},
    "torch.nn.functional": frozenset(
        {
            *("celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid"),
            *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh"),
            *("tanhshrink", "threshold"),
        }
    ),
    "torch.special": frozenset(
        {
            *(
                "entr",
                "erf",
                "erfc",
                "erfcx",
                "exp2",
                "expit",
                "expm1",
                "gammaln",
                "log1p",
                "log_ndtr",
                "logit",
                "ndtr",
            ),
            *("round", "sinc", "xlog1py", "xlogy"),
        }
    ),
}
#: Losses of torch that give a value for each row where their `reduction` is "none", and else one for all of them.
REDUCED_UNLESS_TOLD = frozenset(
    {
        *("binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "l1_loss", "mse_loss"),
        "smooth_l1_loss",
    }
)
#: Functions that make a tensor of one number.
OF_ONE = frozenset({"torch.tensor", "torch.as_tensor", "torch.scalar_tensor"})
NUMBERS = frozenset(
    {"math.pi", "math.e", "math.inf", "math.nan", "math.tau", "torch.pi", "torch.e", "torch.inf", "torch.nan"}
)
#: Kinds of number, which are given by name.
KINDS = frozenset(
    {
        *("torch.float16", "torch.bfloat16", "torch.float32", "torch.float64", "torch.half", "torch.float"),
        *("torch.double", "torch.int32", "torch.int64", "torch.bool"),
    }
)
#: Functions of `math` that take sequences, or give more than a number.
NOT_OF_MATH = frozenset({"dist", "fsum", "prod", "frexp", "modf"})
#: Arguments that are given by name. `out` and `inplace` are not among them.
NAMED = frozenset(
    {
        *(
            "alpha",
            "approximate",
            "base",
            "beta",
            "copy",
            "delta",
            "device",
            "dtype",
            "eps",
            "end",
            "exponent",
            "input",
        ),
        *("lambd", "max", "max_val", "min", "min_val", "nan", "negative_slope", "neginf", "other", "posinf"),
        *("pos_weight", "reduction", "rounding_mode", "self", "target", "threshold", "value", "weight"),
    }
)
#: Operations on one tensor that give one tensor, made of all rows; functions and methods under the same name.
MIXING = frozenset(
    {
        *("mean", "sum", "std", "var", "prod", "nanmean", "nansum", "quantile", "nanquantile", "norm", "amax", "amin"),
        *("logsumexp", "softmax", "log_softmax", "softmin", "cumsum", "cumprod", "logcumsumexp", "flip", "roll"),
        *("normalize", "unsqueeze"),
    }
)
#: The same where nothing else is said; with a dimension they give a pair.
MIXING_WHOLE = frozenset({"max", "min", "median", "nanmedian"})
#: Functions that put several tensors into one.
OF_SEVERAL = frozenset({"torch.stack", "torch.cat"})
#: Arguments of those that are given by name.
NAMED_OF_MIXING = frozenset(
    {
        *(
            "dim",
            "axis",
            "keepdim",
            "unbiased",
            "correction",
            "dtype",
            "q",
            "interpolation",
            "p",
            "eps",
            "dims",
            "shifts",
        ),
        "input",
    }
)
