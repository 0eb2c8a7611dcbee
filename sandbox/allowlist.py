"""What the policy admits: modules, the names in them, attributes of any other object, builtins.

Covered: the one list that the screen checks before anything runs, and that the guards check again while
the candidate runs. Pure mathematics is admitted generously. Left out on purpose: random numbers,
uninitialised memory, global settings, files, compilers, autograd's internals, and every function that
looks an attribute up by a string it is given (attrgetter, wraps, get_type_hints, make_dataclass).
Not covered: safety. The container is the boundary; this list keeps honest candidates honest, and says
early and clearly what a loss may use.
"""

from __future__ import annotations

import string

_ELEMENTWISE = """
abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin
asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
ceil clamp clamp_max clamp_min clip conj conj_physical copysign cos cosh deg2rad digamma div divide eq erf
erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmax fmin fmod frac gcd ge greater
greater_equal gt heaviside hypot i0 igamma igammac isclose isfinite isinf isnan isneginf isposinf isreal lcm
ldexp le lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
logical_or logical_xor logit lt maximum minimum mul multiply mvlgamma nan_to_num ne neg negative nextafter
not_equal polygamma positive pow rad2deg reciprocal relu remainder round rsqrt sgn sigmoid sign signbit sin
sinc sinh sqrt square sub subtract tan tanh true_divide trunc xlogy
"""
_REDUCTIONS = """
all allclose amax amin aminmax any argmax argmin argsort argwhere bincount corrcoef count_nonzero cov cummax
cummin cumprod cumsum diff dist equal histc kthvalue logcumsumexp logsumexp max mean median min mode msort
nanmean nanmedian nanquantile nansum nonzero norm numel prod quantile renorm sort std sum topk trace unique
unique_consecutive var
"""
_SHAPES = """
adjoint broadcast_to chunk clone contiguous detach diag diag_embed diagflat diagonal diagonal_scatter dsplit
flatten flip fliplr flipud gather hsplit imag index_add index_copy index_fill index_put index_reduce
index_select is_complex is_conj is_floating_point is_neg is_nonzero is_same_size is_signed masked_fill
masked_scatter masked_select moveaxis movedim narrow permute ravel real repeat_interleave reshape
resolve_conj resolve_neg roll rot90 scatter scatter_add scatter_reduce select select_scatter slice_scatter
split squeeze swapaxes swapdims t take take_along_dim tensor_split tile transpose tril triu unbind unflatten
unsqueeze vsplit where
"""
_ALGEBRA = """
addbmm addmm addmv addr baddbmm bmm cholesky cholesky_inverse cholesky_solve cross det dot ger inner inverse
kron logdet lu_solve matmul matrix_exp matrix_power mm mv outer pinverse qr slogdet svd vdot
"""
_ACTIVATIONS = "celu hardshrink log_softmax prelu relu selu sigmoid softmax tanh threshold"

#: What works in place, as a tensor method and as a function: the same name with an underscore behind it.
_IN_PLACE = """
abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh ceil clamp clamp_max clamp_min clip copysign
cos cosh cumprod cumsum digamma div divide eq erf erfc erfinv exp exp2 expm1 fill float_power floor
floor_divide fmod frac ge gt heaviside hypot index_add index_copy index_fill index_put le lerp lgamma log
log10 log1p log2 logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter mul
multiply nan_to_num ne neg negative polygamma pow reciprocal relu remainder round rsqrt scatter scatter_add
sigmoid sign sin sinc sinh sqrt square squeeze sub subtract tan tanh transpose tril triu true_divide trunc
unsqueeze xlogy zero
"""

_TORCH_ONLY = """
arange as_tensor asarray atleast_1d atleast_2d atleast_3d binary_cross_entropy_with_logits block_diag
broadcast_shapes broadcast_tensors bucketize can_cast cartesian_prod cat cdist chain_matmul column_stack
combinations complex concat concatenate cosine_embedding_loss cosine_similarity cumulative_trapezoid dstack
einsum eye finfo frexp full full_like gradient hann_window hinge_embedding_loss hstack iinfo is_tensor isin
kl_div linspace logspace lstsq margin_ranking_loss meshgrid ones ones_like pairwise_distance pdist polar
poisson_nll_loss promote_types range result_type row_stack rsub scalar_tensor searchsorted segment_reduce
stack std_mean tensor tensordot trapezoid trapz tril_indices triplet_margin_loss triu_indices vander
var_mean view_as_complex view_as_real vstack zeros zeros_like e inf nan newaxis pi Size Tensor BoolTensor
DoubleTensor FloatTensor HalfTensor IntTensor LongTensor BFloat16Tensor device dtype bfloat16 bool
complex128 complex64 double float float16 float32 float64 half int int16 int32 int64 int8 long short uint8
contiguous_format preserve_format strided enable_grad no_grad linalg nn special fft
"""
_FUNCTIONAL = """
binary_cross_entropy binary_cross_entropy_with_logits celu cosine_embedding_loss cosine_similarity
cross_entropy elu gaussian_nll_loss gelu glu hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss
huber_loss kl_div l1_loss layer_norm leaky_relu linear log_softmax logsigmoid margin_ranking_loss mish
mse_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss normalize one_hot pad
pairwise_distance pdist poisson_nll_loss prelu relu relu6 rms_norm selu sigmoid silu smooth_l1_loss
soft_margin_loss softmax softmin softplus softshrink softsign tanh tanhshrink threshold triplet_margin_loss
avg_pool1d max_pool1d unfold
"""
_LAYERS = """
functional BCELoss BCEWithLogitsLoss CELU CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss ELU Flatten
GELU GLU GaussianNLLLoss Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity
KLDivLoss L1Loss LeakyReLU LogSigmoid LogSoftmax MSELoss MarginRankingLoss Mish MultiLabelMarginLoss
MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PairwiseDistance PoissonNLLLoss ReLU ReLU6 SELU SiLU
Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold
TripletMarginLoss
"""
_SPECIAL = """
airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc
gammaincc gammaln i0 i0e i1 i1e log1p log_ndtr log_softmax logit logsumexp modified_bessel_i0
modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 multigammaln ndtr ndtri polygamma psi round
scaled_modified_bessel_k0 scaled_modified_bessel_k1 sinc softmax spherical_bessel_j0 xlog1py xlogy zeta
"""
_LINALG = """
cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq lu matmul matrix_exp matrix_norm
matrix_power matrix_rank multi_dot norm pinv qr slogdet solve solve_triangular svd svdvals vander vecdot
vector_norm
"""
_FFT = "fft fftfreq fftshift ifft ifftshift irfft rfft rfftfreq"
_DISTRIBUTIONS = """
Bernoulli Beta Categorical Cauchy Distribution Exponential Gamma Gumbel HalfNormal Laplace LogNormal Normal
StudentT Uniform kl_divergence
"""
_TYPING = """
AbstractSet Annotated Any AnyStr Callable ClassVar Collection Concatenate Container Counter DefaultDict
Deque Dict Final FrozenSet Generator Generic Hashable Iterable Iterator List Literal LiteralString Mapping
MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoReturn NotRequired Optional OrderedDict
ParamSpec Protocol Required Self Sequence Set Sized SupportsAbs SupportsFloat SupportsIndex SupportsInt
TYPE_CHECKING Text Tuple Type TypeAlias TypeGuard TypeVar TypedDict Union Unpack assert_never cast final
overload
"""
_MATH = """
acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2
expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp
lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt tan tanh tau
trunc ulp
"""
_CMATH = """
acos acosh asin asinh atan atanh cos cosh e exp inf infj isclose isfinite isinf isnan log log10 nan nanj
phase pi polar rect sin sinh sqrt tan tanh tau
"""
_ITERTOOLS = """
accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse
groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest
"""
_OPERATOR = """
abs add and_ concat contains countOf eq floordiv ge getitem gt index indexOf inv invert is_ is_not
itemgetter le lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor
"""
_COLLECTIONS = "ChainMap Counter OrderedDict abc defaultdict deque namedtuple"
_COLLECTIONS_ABC = """
Callable Collection Container Generator Hashable Iterable Iterator Mapping MutableMapping MutableSequence
MutableSet Sequence Set Sized
"""
_FUTURE = "annotations division absolute_import print_function unicode_literals generator_stop"


def _in_place(names: str) -> set[str]:
    return {f"{name}_" for name in names.split()}


_PURE = set(f"{_ELEMENTWISE} {_REDUCTIONS} {_SHAPES} {_ALGEBRA}".split())
_TORCH_IN_PLACE = _in_place(
    "abs acos asin atan ceil clamp clamp_max clamp_min clip cos cosh erf erfc exp exp2 expm1 fill floor frac "
    "log log10 log1p log2 logit nan_to_num neg negative reciprocal relu round rsqrt sigmoid sin sinh sqrt "
    "square tan tanh trunc xlogy zero threshold celu selu"
)
_TORCH = frozenset(f"{_TORCH_ONLY} {_ACTIVATIONS}".split()) | _TORCH_IN_PLACE | (_PURE - {"contiguous"})

#: Modules that may be imported and reached, each with the names that may be taken from it.
MODULES: dict[str, frozenset[str]] = {
    "torch": _TORCH | {"distributions"},
    "torch.nn": frozenset(_LAYERS.split()),
    "torch.nn.functional": frozenset(_FUNCTIONAL.split()) | _in_place("celu elu hardtanh leaky_relu relu selu"),
    "torch.special": frozenset(_SPECIAL.split()),
    "torch.linalg": frozenset(_LINALG.split()),
    "torch.fft": frozenset(_FFT.split()),
    "torch.distributions": frozenset(_DISTRIBUTIONS.split()),
    "math": frozenset(_MATH.split()),
    "cmath": frozenset(_CMATH.split()),
    "typing": frozenset(_TYPING.split()),
    "functools": frozenset({"cache", "lru_cache", "partial", "reduce"}),
    "itertools": frozenset(_ITERTOOLS.split()),
    "operator": frozenset(_OPERATOR.split()),
    "dataclasses": frozenset({"asdict", "astuple", "dataclass", "field", "fields", "replace"}),
    "collections": frozenset(_COLLECTIONS.split()),
    "collections.abc": frozenset(_COLLECTIONS_ABC.split()),
    "contextlib": frozenset({"contextmanager", "nullcontext"}),
    "enum": frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum", "auto", "unique"}),
    "fractions": frozenset({"Fraction"}),
    "numbers": frozenset({"Complex", "Integral", "Number", "Rational", "Real"}),
    "__future__": frozenset(_FUTURE.split()),
}

_TENSOR_ONLY = """
H T mH mT bfloat16 bool byte copy_ cpu device dim double dtype element_size expand expand_as float half
fill_diagonal_ index int is_contiguous is_cuda is_leaf item itemsize long logical_and ndim ndimension
nelement new_full new_ones new_tensor new_zeros repeat requires_grad reshape_as shape short size stride
sum_to_size to tolist type type_as unfold view view_as
"""
_TEXT = """
capitalize casefold center count encode endswith expandtabs find format index isalnum isalpha isascii
isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip
partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines
startswith strip swapcase title translate upper zfill decode hex
"""
_CONTAINERS = """
add append appendleft clear copy count difference difference_update discard elements extend extendleft
fromkeys get insert intersection intersection_update isdisjoint issubset issuperset items keys maxlen
most_common move_to_end pop popitem popleft remove reverse rotate setdefault sort start step stop subtract
symmetric_difference symmetric_difference_update union update values
"""
_NUMBERS = """
as_integer_ratio bit_count bit_length conjugate denominator imag is_integer limit_denominator numerator real
bits eps max min resolution smallest_normal smallest_subnormal tiny
"""
#: Results of torch functions that have named parts, distributions, exceptions, itertools, contexts.
_PARTS = """
values indices eigenvalues eigenvectors Q R U S Vh V L solution residuals rank singular_values logabsdet
sign mantissa exponent hist bin_edges counts batch_shape cdf entropy event_shape icdf log_prob mean stddev
variance probs logits loc scale args from_iterable beta
"""

#: Attributes that may be taken from an object that is no module.
ATTRIBUTES = frozenset(
    _PURE
    | set(f"{_ACTIVATIONS} {_TENSOR_ONLY} {_TEXT} {_CONTAINERS} {_NUMBERS} {_PARTS}".split())
    | _in_place(_IN_PLACE)
)

_BUILTINS = """
abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter
float format frozenset hash hex int isinstance issubclass iter len list map max min next object oct ord pow
print property range repr reversed round set slice sorted staticmethod str sum tuple zip None False True
Ellipsis NotImplemented
"""
#: Functions and types that are admitted as they are. Exceptions are added by the guards.
BUILTINS = frozenset(_BUILTINS.split())
#: Builtins that the guards replace by a stricter one.
REPLACED_BUILTINS = frozenset({"hasattr", "type"})

#: Double-underscore methods that a helper class may define.
CLASS_METHODS = frozenset({"__init__", "__post_init__", "__call__", "__repr__", "__len__", "__iter__", "__getitem__"})
#: What the candidate's own module is called, inside the sandbox and in the types that it defines.
CANDIDATE = "candidate"
#: Names that are bound before a candidate runs, for candidates that do not import them.
INJECTED = {"torch": "torch", "F": "torch.nn.functional", "nn": "torch.nn", "math": "math"}


def is_reserved(name: str) -> bool:
    """Say whether a name is Python's or the guards' own: double underscores in front, or one on each side."""
    return name.startswith("__") or (len(name) > 1 and name.startswith("_") and name.endswith("_"))


def looks_up(template: str) -> bool:
    """Say whether a format string reads an attribute or an item of an argument, at any depth."""
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return False  # str.format itself will say what is wrong
    return any(
        (field and not (field.isidentifier() or field.isdecimal())) or (spec and looks_up(spec))
        for _, field, spec, _ in fields
    )
