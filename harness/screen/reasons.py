"""Why something is refused, and the way out: one sentence each, for the cases that occur in practice."""

from __future__ import annotations

import re

from harness.sandbox.allowlist import ATTRIBUTES, MODULES

_RANDOM = "Randomness is refused, because a loss gives the same values for the same batch; compute from the inputs."
_MEMORY = "Uninitialised memory holds whatever was there before; use torch.zeros or torch.zeros_like."
_GLOBAL = "It changes a setting for everything that runs in the process; leave it out."
_DETACH = "Use detach() where a value should be a constant to the gradient."
_CUSTOM = "The gradient must be that of the values; write the formula and let autograd differentiate it."
_OURS = "The harness takes the gradient itself; return the loss values."
_DEVICE = "Take the device from an input, as in policy_chosen_logps.device."
_COMPILER = "The harness runs the function as it is written; leave the compiler out."
_NO_NUMPY = "Use torch: the sandbox has no numpy, and leaving torch cuts the gradient."
_LAYER = "A loss has no trainable parameters of its own; use functions, or constants in the body."
_PROCESS = "A loss needs no files, processes or interpreter; leave it out."
_STATE = "A loss keeps no state between calls; compute everything from the arguments."
_DYNAMIC = "Write the computation out instead of building it from text."
_NAME_IT = "Write the attribute's name after a dot."

_MODULES = {
    "numpy": _NO_NUMPY,
    "scipy": "Use torch.special: the sandbox has no scipy.",
    "random": _RANDOM,
    "secrets": _RANDOM,
    "time": "A loss does not depend on the time; use the argument progress for a schedule.",
    "datetime": "A loss does not depend on the time; use the argument progress for a schedule.",
    "logging": "Use print while you develop; what is printed is captured and shown.",
    "warnings": "Use print while you develop; what is printed is captured and shown.",
    "transformers": "The loss gets log-probabilities and nothing else; leave the import out.",
    "trl": "The loss gets log-probabilities and nothing else; leave the import out.",
    "jax": "Use torch.",
    "tensorflow": "Use torch.",
    "copy": "Use the tensor method clone().",
    **dict.fromkeys(
        (
            *("os", "sys", "io", "subprocess", "socket", "ctypes", "pickle", "shutil", "pathlib", "tempfile"),
            *("importlib", "builtins", "inspect", "gc", "signal", "threading", "multiprocessing", "asyncio"),
        ),
        _PROCESS,
    ),
    "torch.autograd": _CUSTOM,
    "torch.jit": _COMPILER,
    "torch.cuda": _DEVICE,
    "torch.random": _RANDOM,
    "torch.utils": "A loss needs no data loaders, hooks or extensions; leave it out.",
    "torch.optim": _LAYER,
    "torch.distributed": "A loss sees one batch on one device; leave it out.",
    "torch.nn.modules": "Import from torch.nn.",
    "torch.nn.init": _LAYER,
}
_TORCH = {
    "rand|randn|randint|randperm|rand_like|randn_like|randint_like|normal|bernoulli|multinomial|poisson|binomial"
    "|\\w*dropout\\w*|rrelu_?|gumbel_softmax|Generator|random|manual_seed|seed|initial_seed|\\w*rng_state"
    "|Dropout\\w*|RReLU|AlphaDropout|FeatureAlphaDropout|default_generator": _RANDOM,
    "empty\\w*|as_strided\\w*|new_empty\\w*": _MEMORY,
    "set_\\w+|use_deterministic_algorithms|inference_mode|autocast\\w*|amp": _GLOBAL,
    "autograd|func|functional|vmap|cond|while_loop": _CUSTOM,
    "jit|compile|compiler|fx|export|_dynamo": _COMPILER,
    "cuda|cpu|mps|xpu|accelerator|backends|get_default_device|get_default_dtype": _DEVICE,
    "from_numpy": _NO_NUMPY,
    "optim|Parameter|Module|Linear|Conv\\w*|Embedding\\w*|LSTM\\w*|GRU\\w*|RNN\\w*|Transformer\\w*|\\w*Norm\\w*"
    "|Sequential|ModuleList|ModuleDict|Parameter\\w+|PReLU|Bilinear|init|modules": _LAYER,
    "save|load|from_file|hub|os|sys|ctypes|builtins|inspect|importlib|multiprocessing|utils|storage|serialization"
    "|package|platform|library|overrides|ops|glob|signal|threading|testing|frombuffer|textwrap|warnings|_C"
    "|classes|types|torch|np": _PROCESS,
    "distributed": "A loss sees one batch on one device; leave it out.",
}
_ATTRIBUTE = {
    "data": _DETACH,
    "numpy|__array__": _NO_NUMPY,
    "backward|grad|retain_grad|retains_grad|grad_fn|requires_grad_|is_leaf": _OURS,
    "register_hook|register_\\w+|detach_": _CUSTOM,
    "uniform_|normal_|random_|bernoulli_?|exponential_|cauchy_|log_normal_|geometric_|multinomial"
    "|r?sample(_n)?": _RANDOM,
    "new_empty\\w*|new|resize_?|resize_as_?|as_strided_?|set_|storage\\w*|untyped_storage|data_ptr": _MEMORY,
    "cuda|xpu|mps": _DEVICE,
    "apply_|map_|map2_": "Use torch operations, which work on whole tensors and keep the gradient.",
    "format_map": "Use an f-string.",
    "cache_clear|cache_info": _STATE,
}
_NAMES = {
    "exec|eval|compile": _DYNAMIC,
    "getattr|setattr|delattr": _NAME_IT,
    "open|input|breakpoint|exit|quit|help": _PROCESS,
    "globals|locals|vars|dir|id|memoryview": "Use plain variables and function parameters.",
    "__import__": "Use an import statement at the top.",
    "super": "Write the helper as a plain function.",
    "BaseException|KeyboardInterrupt|SystemExit|GeneratorExit|BaseExceptionGroup": (
        "Raise or catch the exception that you mean, such as ValueError."
    ),
    "np|numpy": _NO_NUMPY,
    "scipy|sp": "Use torch.special: the sandbox has no scipy.",
    "os|sys|subprocess|socket|ctypes|pickle|shutil|pathlib|importlib|builtins|gc|inspect": _PROCESS,
    "random": _RANDOM,
    "time": "Use the argument progress for a schedule.",
}
#: Names of modules that are often used without an import, and are not there.
USUAL_MODULES = frozenset({"np", "numpy", "scipy", "os", "sys", "random", "time"})


def for_module(module: str) -> str:
    """Give the way out for a module that may not be imported."""
    for path, reason in _MODULES.items():
        if module == path or module.startswith(f"{path}."):
            return reason
    if module.startswith("torch."):
        return "Use torch, torch.nn.functional, torch.special or torch.linalg."
    return "Use torch, math or another module that only computes; the list is in docs/dialects.md."


def for_member(module: str, name: str) -> str:
    """Give the way out for something that may not be taken from a module that may be imported."""
    if module.partition(".")[0] != "torch":
        return f"Use what {module} computes with; the list is in docs/dialects.md."
    return _match(_TORCH, name) or _nearest(name) or "Use torch operations that compute values from tensors."


def for_attribute(name: str) -> str:
    """Give the way out for an attribute."""
    known = _match(_ATTRIBUTE, name)
    if known:
        return known
    if name.startswith("_"):
        return "Leave it out: names that begin with an underscore belong to the object that has them."
    return _nearest_attribute(name) or "Use tensor methods that compute, or functions of torch."


def for_name(name: str) -> str:
    """Give the way out for a name."""
    otherwise = "Use a name without double underscores." if name.startswith("__") else "Leave it out."
    return _match(_NAMES, name) or otherwise


def _match(reasons: dict[str, str], name: str) -> str:
    return next((reason for pattern, reason in reasons.items() if re.fullmatch(pattern, name)), "")


def _nearest(name: str) -> str:
    for module, prefix in (
        ("torch.nn.functional", "F"),
        ("torch", "torch"),
        ("torch.special", "torch.special"),
    ):
        if name in MODULES[module]:
            return f"Use {prefix}.{name}."
    if name in ATTRIBUTES:
        return f"Use the tensor method {name}()."
    import difflib  # noqa: PLC0415 - only a refusal pays for it

    operations = {n: f"torch.{n}" for n in MODULES["torch"]} | {n: f"F.{n}" for n in MODULES["torch.nn.functional"]}
    close = difflib.get_close_matches(name, sorted(operations), 1, 0.75)
    return f"Use {operations[close[0]]}, if that is what was meant." if close else ""


def _nearest_attribute(name: str) -> str:
    if name in MODULES["torch"]:
        return f"Use torch.{name}(x)."
    if name in MODULES["torch.nn.functional"]:
        return f"Use F.{name}(x)."
    import difflib  # noqa: PLC0415 - only a refusal pays for it

    close = difflib.get_close_matches(name, sorted(ATTRIBUTES), 1, 0.8)
    return f"Use {close[0]}, if that is what was meant." if close else ""
