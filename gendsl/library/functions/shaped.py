"""Functions with a shape rule of their own: linear algebra, constructors, axes."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import POSITIVE, REAL, UNIT, Interval, Structured, Support

__all__ = ["SHAPED"]

_MATRIX_VECTOR = (2, 1)
_VECTORS = (1, 1)
_ENTRY_OF_UNIT_VECTOR = Interval(lower=-1.0, upper=1.0)
_ANY_NUMBER = intervals.constant(REAL)


def _diagonal(hulls: Sequence[Interval]) -> Support:
    if hulls[0].lower >= 0:
        return Structured("covariance")
    return intervals.union([hulls[0], Interval(hulls[0].integer, 0.0, 0.0)])


def _shaped(
    name: str,
    params: tuple[str, ...],
    torch: str,
    summary: str,
    tex: str,
    range_: intervals.Range = _ANY_NUMBER,
    *,
    by_rank: tuple[tuple[tuple[int, ...], str], ...] = (),
    variadic: bool = False,
    domain: tuple[Interval, ...] = (),
    linear: tuple[tuple[str, ...], ...] = (),
) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        params=params,
        kind=Kind.SHAPED,
        domain=domain,
        range=range_,
        torch=torch,
        by_rank=by_rank,
        variadic=variadic,
        linear=linear,
        summary=summary,
        tex=tex,
    )


_LINEAR_ALGEBRA = (
    _shaped(
        "dot",
        ("x", "y"),
        "torch.sum(x * y, -1)",
        "Inner product of two vectors.",
        r"\textstyle\sum_i x_i y_i",
        linear=(("x",), ("y",)),
    ),
    _shaped(
        "outer",
        ("x", "y"),
        "x.unsqueeze(-1) * y.unsqueeze(-2)",
        "The matrix of all products of two vectors.",
        "x_i y_j",
        intervals.products,
        linear=(("x",), ("y",)),
    ),
    _shaped(
        "transpose",
        ("x",),
        "x.mT",
        "A matrix with rows and columns exchanged.",
        r"x^\top",
        intervals.same,
        linear=(("x",),),
    ),
    _shaped(
        "diag",
        ("x",),
        "torch.diag_embed(x)",
        "The diagonal matrix with these entries.",
        r"\operatorname{diag}(x)",
        _diagonal,
        linear=(("x",),),
    ),
    _shaped(
        "trace",
        ("x",),
        "torch.sum(torch.diagonal(x, dim1=-2, dim2=-1), -1)",
        "Sum of the diagonal of a matrix.",
        r"\operatorname{tr} x",
        intervals.total,
        linear=(("x",),),
    ),
    _shaped(
        "cholesky",
        ("x",),
        "torch.linalg.cholesky(x)",
        "The lower triangular L with L L^T = x.",
        r"L: L L^\top = x",
        intervals.constant(Structured("cholesky")),
    ),
    _shaped(
        "solve",
        ("x", "y"),
        "runtime.solve(x, y)",
        "The z with x @ z = y; y is a vector or a matrix.",
        "x^{-1} y",
        by_rank=((_MATRIX_VECTOR, "runtime.solve(x, y.unsqueeze(-1)).squeeze(-1)"),),
        linear=(("y",),),
    ),
    _shaped(
        "solve_triangular",
        ("x", "y"),
        "torch.linalg.solve_triangular(x, y, upper=False)",
        "The z with x @ z = y for a lower triangular x; nothing above the diagonal is read.",
        "x^{-1} y",
        by_rank=(
            (
                _MATRIX_VECTOR,
                "torch.linalg.solve_triangular(x, y.unsqueeze(-1), upper=False).squeeze(-1)",
            ),
        ),
        linear=(("y",),),
    ),
    _shaped("inverse", ("x",), "torch.linalg.inv(x)", "Inverse of a matrix.", "x^{-1}"),
    _shaped("det", ("x",), "torch.linalg.det(x)", "Determinant.", r"\det x"),
    _shaped(
        "logdet",
        ("x",),
        "torch.linalg.slogdet(x).logabsdet",
        "Logarithm of the absolute value of the determinant.",
        r"\log \lvert \det x \rvert",
    ),
    _shaped(
        "eigenvalues_sym",
        ("x",),
        "torch.linalg.eigvalsh(x)",
        "Eigenvalues of a symmetric matrix in increasing order; only its lower half is read.",
        r"\lambda_i: x v_i = \lambda_i v_i",
    ),
    _shaped(
        "eigenvectors_sym",
        ("x",),
        "runtime.eigenvectors(x)",
        "Eigenvectors of a symmetric matrix as columns, in the order of `eigenvalues_sym`; "
        "no entry of the first row is negative.",
        r"v_i: x v_i = \lambda_i v_i",
        intervals.constant(_ENTRY_OF_UNIT_VECTOR),
    ),
    _shaped(
        "quad_form",
        ("x", "y"),
        "y.mT @ x @ y",
        "Quadratic form of a square matrix x; y is a vector or a matrix.",
        r"y^\top x y",
        by_rank=((_MATRIX_VECTOR, "torch.sum(y * (x @ y.unsqueeze(-1)).squeeze(-1), -1)"),),
    ),
    _shaped(
        "kron",
        ("x", "y"),
        "(x.unsqueeze(-1).unsqueeze(-3) * y.unsqueeze(-2).unsqueeze(-4))"
        ".flatten(-4, -3).flatten(-2, -1)",
        "Kronecker product of two matrices, or of two vectors.",
        r"x \otimes y",
        intervals.products,
        by_rank=((_VECTORS, "(x.unsqueeze(-1) * y.unsqueeze(-2)).flatten(-2, -1)"),),
        linear=(("x",), ("y",)),
    ),
    _shaped(
        "diagonal",
        ("x",),
        "torch.diagonal(x, dim1=-2, dim2=-1)",
        "The diagonal of a square matrix.",
        "x_{ii}",
        intervals.same,
        linear=(("x",),),
    ),
    _shaped(
        "norm",
        ("x",),
        "torch.linalg.vector_norm(x, dim=-1)",
        "Length of a vector.",
        r"\sqrt{\textstyle\sum_i x_i^2}",
        intervals.constant(POSITIVE),
    ),
)

_VECTOR_SIZES = (
    _shaped(
        "stick_breaking",
        ("x",),
        "runtime.stick_breaking(x)",
        "Weights of one category more than there are fractions: each takes its part of what "
        "the ones before it left.",
        r"x_i \textstyle\prod_{j < i} (1 - x_j)",
        intervals.constant(Structured("simplex")),
        domain=(UNIT,),
    ),
    _shaped(
        "argsort",
        ("x",),
        "torch.argsort(x, dim=-1, stable=True)",
        "The positions of the entries in increasing order, as indices: `x[argsort(x)]` is "
        "`sort(x)`.",
        r"i: x_{(i)}",
    ),
    _shaped(
        "nearest",
        ("x", "table"),
        "runtime.nearest(x, table)",
        "The index of the row that is nearest to each vector; `nearest(x, codebook, p)` is the "
        "member of the plate p. In a guide it is the quantisation of a VQ-VAE.",
        r"\operatorname{argmin}_k \lVert x - e_k \rVert",
        by_rank=tuple(((1 + lead, 2), f"runtime.nearest(x, table, {lead})") for lead in (1, 2, 3)),
    ),
)

_CONSTRUCTORS = (
    _shaped(
        "zeros",
        ("sizes",),
        "torch.zeros(sizes)",
        "Zeros of these sizes: `zeros(D)`, `zeros(D, H)`.",
        "0",
        intervals.constant(Interval(integer=True, lower=0.0, upper=0.0)),
        variadic=True,
    ),
    _shaped(
        "ones",
        ("sizes",),
        "torch.ones(sizes)",
        "Ones of these sizes.",
        "1",
        intervals.constant(Interval(integer=True, lower=1.0, upper=1.0)),
        variadic=True,
    ),
    _shaped(
        "full",
        ("sizes", "x"),
        "x * torch.ones(sizes)",
        "One number, repeated: `full(D, 0.5)`.",
        "x",
        lambda hulls: intervals.same(hulls[-1:]),
        variadic=True,
        linear=(("x",),),
    ),
    _shaped(
        "eye",
        ("size",),
        "torch.eye(size)",
        "Identity matrix.",
        "I",
        intervals.constant(Structured("covariance")),
    ),
)

_AXES = (
    _shaped(
        "concat",
        ("x", "y"),
        "torch.cat([x, y], -1)",
        "One after the other, along the first axis.",
        "(x, y)",
        intervals.union,
        by_rank=(((2, 2), "torch.cat([x, y], -2)"),),
        variadic=True,
        linear=(("x", "y"),),
    ),
    _shaped(
        "lags",
        ("y", "K"),
        "",
        "The last K values along the sequence, nearest first.",
        r"(y_{t-1}, \dots, y_{t-K})",
        intervals.same,
    ),
    _shaped(
        "collect",
        ("x", "axis"),
        "",
        "A plate or sequence gathered into the first event axis.",
        r"(x_1, \dots, x_n)",
        intervals.same,
    ),
    _shaped(
        "odeint",
        ("f", "z0", "t0", "ts", "args"),
        "",
        "States at the times ts of the solution of z' = f(t, z, args...) with z(t0) = z0; f is a "
        "`fn`. Options by name: rtol, atol, max_steps.",
        r"z(t_i): \dot z = f(t, z, a),\ z(t_0) = z_0",
        variadic=True,
    ),
    _shaped(
        "log_prob",
        ("d", "x"),
        "",
        "Log density, or mass, of a distribution or a fitted model at x.",
        r"\log p_d(x)",
    ),
)

SHAPED = (*_LINEAR_ALGEBRA, *_VECTOR_SIZES, *_CONSTRUCTORS, *_AXES)
