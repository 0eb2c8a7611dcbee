"""Ordinary Python, without torch: each snippet sets `result`."""

SNIPPETS = {
    "annotated assignment": "x: int = 3\ny: 'int'\nclass A:\n    z: float = 1.5\nresult = (x, A.z)",
    "augmented items": "x = [1, 2]\nd = {'a': {'b': 1}}\nx[0] += 5\nx[1:] *= 2\nd['a']['b'] **= 3\nresult = (x, d)",
    "augmented item evaluates once": (
        "seen = []\ndef at():\n    seen.append(1)\n    return 0\nx = [1]\nx[at()] += 1\nresult = (x, len(seen))"
    ),
    "augmented names": "a = [1]\nb = a\na += [2]\nn = 7\nn //= 2\nn <<= 3\nresult = (a, b, n)",
    "augmented attributes": (
        "class A:\n    def __init__(self):\n        self.n = 1\na = A()\na.n += 2\na.n -= 1\nresult = a.n"
    ),
    "chained assignment calls once": (
        "seen = []\ndef f():\n    seen.append(1)\n    return [1, 2]\n(a, b) = c = f()\nresult = (a, b, c, len(seen))"
    ),
    "unpacking": "(a, (b, *c)), d = [[1, [2, 3, 4]], 5]\n[e, f] = 'xy'\nresult = (a, b, c, d, e, f)",
    "unpacking errors": "try:\n    a, b = [1, 2, 3]\nexcept ValueError as e:\n    result = str(e)",
    "iterator unpacking is lazy": "it = iter(range(9))\na, b = next(it), next(it)\nresult = (a, b, list(it))",
    "loop with a tuple": "out = []\nfor i, (a, b) in enumerate([(1, 2), (3, 4)]):\n    out.append(i + a * b)\nresult = out",
    "loop else": "for i in range(3):\n    if i == 5:\n        break\nelse:\n    result = 'else'",
    "while": "n = 0\nwhile True:\n    n += 1\n    if n % 2:\n        continue\n    if n > 6:\n        break\nresult = n",
    "comprehensions": (
        "result = ([i * j for i in range(3) for j in range(i) if j], {i: i for i in 'ab'}, {i % 2 for i in range(5)},"
        " sum(a * b for a, b in [(1, 2), (3, 4)]))"
    ),
    "underscore names": "_EPS = 1e-3\ndef _f(_x, *_a, **_k):\n    _ = _x\n    return _ + _EPS\nresult = _f(1)",
    "closures": (
        "def outer():\n    n = 0\n    def inner():\n        nonlocal n\n        n += 1\n        return n\n    inner()\n"
        "    return inner\nresult = outer()()"
    ),
    "late binding": "fs = [lambda: i for i in range(3)]\ngs = [lambda i=i: i for i in range(3)]\nresult = [f() for f in fs + gs]",
    "star calls": (
        "def f(a, /, b, *c, d=1, **e):\n    return (a, b, c, d, e)\nresult = f(*[1, 2, 3], **{'d': 4, 'z': 5})"
    ),
    "keyword only": "def f(*, a, b=2):\n    return a - b\nresult = f(a=1)",
    "defaults evaluate at definition": "n = 1\ndef f(x=n):\n    return x\nn = 2\nresult = f()",
    "f-strings": (
        "x = 3.14159\nn = 8\nd = {'a': \"q'\"}\n"
        "result = (f'{x:.2f}|{x:>{n}.{2}f}|{d[\"a\"]!r:<6}|{{}}|{x=}|{\"é\"!a}|{n!s}', f'', f'plain', f'{x}' 'tail')"
    ),
    "f-string with quotes of both kinds": "x = 'a'\nresult = f'''{x.upper()}\"'\\n{x + \"b\"}'''",
    "f-string format errors": "try:\n    f'{1:zz}'\nexcept ValueError as e:\n    result = type(e) is ValueError",
    "str.format": "result = '{:.2f} {n} {1!r:>5} {{}}'.format(1.5, 'b', n=2) + ', '.join(['x', 'y'])",
    "percent formatting": "result = '%.3f %s' % (1.0, [1])",
    "match values": (
        "def f(x):\n    match x:\n        case 0 | 1:\n            return 'small'\n        case int() if x > 9:\n"
        "            return 'big'\n        case [a, *rest]:\n            return (a, rest)\n        case {'k': v, **kw}:\n"
        "            return (v, kw)\n        case str() as s:\n            return s\n        case None:\n            return 'none'\n"
        "        case -1.5:\n            return 'neg'\n        case _:\n            return 'other'\n"
        "result = [f(v) for v in (0, 1, 10, [1, 2], {'k': 1, 'z': 2}, 's', None, -1.5, 5)]"
    ),
    "match classes": (
        "from dataclasses import dataclass\nimport math\n@dataclass\nclass P:\n    x: int\n    y: int = 0\ndef f(v):\n    match v:\n"
        "        case P(x=0, y=y):\n            return y\n        case P(1, b):\n            return b\n        case math.pi:\n"
        "            return 'pi'\n        case P():\n            return 'p'\n"
        "result = [f(P(0, 5)), f(P(1, 6)), f(P(2)), f(math.pi)]"
    ),
    "data classes": (
        "from __future__ import annotations\nfrom dataclasses import dataclass, field, replace\nfrom typing import ClassVar\n"
        "import typing\n@dataclass(frozen=True)\nclass C:\n    a: int\n    b: list[int] = field(default_factory=list)\n"
        "    _c: float = 1.0\n    k: typing.ClassVar[int] = 7\n    m: ClassVar[int] = 8\n    def total(self) -> float:\n"
        "        return self.a + self._c + self.k\n"
        "result = (repr(C(1)), replace(C(1), a=2).total(), C(1) == C(1))"
    ),
    "named tuples": (
        "from collections import namedtuple\nfrom typing import NamedTuple\nA = namedtuple('A', 'left right')\n"
        "class B(NamedTuple):\n    up: int\n    down: int = 2\nresult = (A(1, 2).left, B(1).down, B(3).up, repr(A(1, 2)))"
    ),
    "enumerations": (
        "from enum import Enum, auto\nclass M(Enum):\n    A = auto()\n    B = 'b'\n"
        "result = (M.A.value, M('b').name, M.B is M['B'], [m.name for m in M])"
    ),
    "classes": (
        "class Base:\n    k = 2\n    def __init__(self, x):\n        self.x = x\n    def __call__(self, y):\n        return self.x * y\n"
        "    def __len__(self):\n        return 4\n    @property\n    def twice(self):\n        return 2 * self.x\n"
        "    @staticmethod\n    def s():\n        return 's'\n    @classmethod\n    def make(cls):\n        return cls(9)\n"
        "class Child(Base):\n    k = 3\nc = Child(5)\nresult = (c(2), len(c), c.twice, c.k, Child.s(), Child.make().x)"
    ),
    "own exceptions": (
        "class Oops(ValueError):\n    pass\ntry:\n    raise Oops('a', 1) from KeyError('k')\nexcept (TypeError, Oops) as e:\n"
        "    result = (str(e), e.args)\nfinally:\n    done = True"
    ),
    "try else finally": (
        "log = []\ndef f(x):\n    try:\n        y = 1 / x\n    except ZeroDivisionError:\n        log.append('zero')\n        return 0\n"
        "    else:\n        log.append('else')\n        return y\n    finally:\n        log.append('finally')\nresult = (f(0), f(2), log)"
    ),
    "assert": "try:\n    assert 1 > 2, f'no {1 + 1}'\nexcept AssertionError as e:\n    result = str(e)",
    "with": (
        "from contextlib import contextmanager, nullcontext\n@contextmanager\ndef c():\n    yield (1, 2)\n"
        "with c() as (a, b), nullcontext(3) as d:\n    result = (a, b, d)"
    ),
    "walrus": "result = [y for x in range(5) if (y := x * x) > 3]",
    "conditional and chained comparison": "x = 3\nresult = ('a' if 1 < x <= 3 != 4 else 'b', not x, x and 0 or 7)",
    "generators": "def g(n):\n    for i in range(n):\n        yield i\n    yield from 'ab'\nresult = list(g(2))",
    "decorators": (
        "import functools\ndef twice(f):\n    def inner(*a, **k):\n        return 2 * f(*a, **k)\n    return inner\n"
        "@twice\n@functools.lru_cache(maxsize=None)\ndef f(x):\n    return x + 1\nresult = f(2)"
    ),
    "partial and reduce": (
        "from functools import partial, reduce\nimport operator as op\n"
        "result = (partial(pow, 2)(5), reduce(op.add, [1, 2, 3]), reduce(lambda a, b: a * b, [2, 3, 4]))"
    ),
    "slices": "x = list(range(10))\ndel x[0]\nx[1:3] = [7]\nresult = (x[::-1], x[2:-1], x[-1])",
    "deleting": "x = {'a': 1, 'b': 2}\ny = 1\ndel x['a'], y\nresult = x",
    "lambda features": "f = lambda a, *b, c=3, **d: (a, b, c, d)\nresult = f(1, 2, z=4)",
    "type hints": (
        "from __future__ import annotations\nfrom typing import Optional, Callable\n"
        "def f(x: Optional[Unknown] = None, *, g: Callable[[int], int] | None = None) -> 'Missing':\n    y: Nowhere = 1\n"
        "    return y\nresult = f()"
    ),
    "evaluated hints": "import math\ndef f(x: float | None = None, y: math.inf = 1) -> list[int]:\n    return [y]\nresult = f()",
    "builtins": (
        "result = (sorted([3, 1], reverse=True), list(zip('ab', [1, 2])), max([1, 5], key=lambda v: -v), any([]), round(2.5),"
        " isinstance(True, int), divmod(7, 2), type(1) is int, callable(len), hasattr([], 'append'), repr(range(2)),"
        " list(map(str, [1])), list(filter(None, [0, 1])), complex(1, 2).imag, (1.5).is_integer())"
    ),
    "string methods": "result = ' A-b '.strip().lower().replace('-', '_').split('_')",
    "containers": (
        "from collections import Counter, defaultdict, deque\nd = defaultdict(list)\nd['a'].append(1)\nq = deque([1], maxlen=2)\n"
        "q.appendleft(0)\nresult = (dict(d), Counter('aab').most_common(1), list(q), {1} | {2}, {'a': 1} | {'b': 2})"
    ),
    "itertools and math": (
        "import itertools, math\nfrom math import log1p as lp, pi\n"
        "result = (list(itertools.chain.from_iterable([[1], [2]])), math.log(2.0), lp(0.5), pi, math.inf > 1e308, -0.0, 1e309)"
    ),
    "main guard": "result = 1\nif __name__ == '__main__':\n    import os\n    os.abort()\nelse:\n    result = 2",
    "metadata": "__all__ = ['f']\n__version__ = '1'\nresult = __name__ != '__main__'",
    "docstrings": "def f():\n    '''Doc \"quoted\" \\\\ back\n\n    more é'''\n    return 1\n'''text'''\nresult = f()",
    "literals": "result = (0x1F, 1_000, 1e-7, 3j, b'a\\x00', r'\\d', 'a' 'b', ..., (), (1,), {*[1], 2}, {**{'a': 1}}, [*'ab'])",
    "precedence": "result = (-2 ** 2, (-2) ** 2, 2 ** -1, not 1 == 2, 1 - (2 - 3), 2 ** 3 ** 0, ~1 & 3 | 4 ^ 1, 7 // -2, -7 % 3)",
    "print": "result = print('printed', end='')",
    "raise from none": "try:\n    raise ValueError('x') from None\nexcept ValueError as e:\n    result = e.args",
    "nested functions and recursion": "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nresult = f(6)",
    "attribute error text": "try:\n    [].values\nexcept AttributeError as e:\n    result = str(e)",
    "string building": "x = ['a', 'b']\nresult = f\"{', '.join(x)} {x[0]:>3}{'!' if x else ''}\"",
}
