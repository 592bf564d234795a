/* The No-U-Turn sampler around a compiled potential.

The algorithm is that of `gendsl/runtime/trajectory.py` and `adaptation.py`, and its comments are
there. Everything here happens in the coordinates in which the metric is the identity: with the
covariance A A', a position is A z, a momentum p has the standard normal distribution, and the
gradient is A' times that of the potential. A is a diagonal matrix D; or D B with B lower
triangular; or D (1 + U diag(s - 1) U') with orthonormal columns U.

No memory is allocated: the caller hands over `gendsl_room` numbers. Nothing here assumes that
numbers are finite: this file must be compiled without -ffast-math. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MAX_ERROR 1000.0
#define DEEPEST 62

typedef double (*potential_function)(const double *, double *, const double *const *, double *);

typedef struct {
    /* The potential */
    potential_function function;
    const double *const *constants;
    double *workspace;
    int64_t size;
    /* Where the chain is: position, gradient, potential */
    double *position, *gradient;
    double potential;
    /* The metric: 0 for a diagonal, -1 for dense, else the rank */
    int64_t kind;
    double *scale;   /* (size) */
    double *root;    /* dense: (size, size), lower; low rank: (rank, size) */
    double *stretch; /* low rank: s (rank) */
    /* The step size */
    double step, target, mean_error, log_average, centre;
    int64_t learned;
    /* Random numbers */
    uint64_t random[4];
    double spare;
    int64_t has_spare;
    /* What others may read and write meanwhile */
    volatile int64_t iteration, divergences, stop;
    int64_t max_depth;
    double *room;
} chain;

/* ---- Random numbers: xoshiro256++ (Blackman & Vigna 2021), seeded by splitmix64. ---- */

static uint64_t turned(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static uint64_t bits(chain *c) {
    uint64_t *s = c->random, found = turned(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = turned(s[3], 45);
    return found;
}

/* Uniform on [0, 1). */
static double uniform(chain *c) { return (double)(bits(c) >> 11) * 0x1p-53; }

/* Standard normal, by the polar method of Marsaglia. */
static double normal(chain *c) {
    if (c->has_spare) {
        c->has_spare = 0;
        return c->spare;
    }
    double a, b, r;
    do {
        a = 2 * uniform(c) - 1;
        b = 2 * uniform(c) - 1;
        r = a * a + b * b;
    } while (r >= 1 || r == 0);
    double factor = sqrt(-2 * log(r) / r);
    c->spare = b * factor;
    c->has_spare = 1;
    return a * factor;
}

void gendsl_seed(chain *c, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        c->random[i] = z ^ (z >> 31);
    }
    c->has_spare = 0;
}

double gendsl_uniform(chain *c) { return uniform(c); }

void gendsl_normals(chain *c, int64_t count, double *out) {
    for (int64_t i = 0; i < count; i++) out[i] = normal(c);
}

/* ---- Vectors ---- */

static double dot(const double *restrict a, const double *restrict b, int64_t n) {
    double found = 0;
#pragma omp simd reduction(+ : found)
    for (int64_t i = 0; i < n; i++) found += a[i] * b[i];
    return found;
}

static void copy(double *to, const double *from, int64_t n) {
    memcpy(to, from, (size_t)n * sizeof(double));
}

static void swap(double **a, double **b) {
    double *t = *a;
    *a = *b;
    *b = t;
}

/* ---- The metric ---- */

/* out = (1 + U diag(s - 1) U') v */
static void stretched(const chain *c, const double *restrict v, double *restrict out) {
    int64_t n = c->size;
    copy(out, v, n);
    for (int64_t k = 0; k < c->kind; k++) {
        const double *restrict u = c->root + k * n;
        double along = (c->stretch[k] - 1) * dot(u, v, n);
        for (int64_t i = 0; i < n; i++) out[i] += along * u[i];
    }
}

/* x += step A p */
static void advance(const chain *c, double step, const double *restrict p, double *restrict x,
                    double *restrict scratch) {
    int64_t n = c->size;
    const double *restrict scale = c->scale;
    if (c->kind == 0) {
        for (int64_t i = 0; i < n; i++) x[i] += step * (scale[i] * p[i]);
    } else if (c->kind < 0) {
        const double *row = c->root;
        for (int64_t i = 0; i < n; i++, row += n) x[i] += step * (scale[i] * dot(row, p, i + 1));
    } else {
        stretched(c, p, scratch);
        for (int64_t i = 0; i < n; i++) x[i] += step * (scale[i] * scratch[i]);
    }
}

/* z = A' g */
static void whitened(const chain *c, const double *restrict g, double *restrict z,
                     double *restrict scratch) {
    int64_t n = c->size;
    const double *restrict scale = c->scale;
    if (c->kind == 0) {
        for (int64_t i = 0; i < n; i++) z[i] = scale[i] * g[i];
    } else if (c->kind < 0) {
        const double *restrict row = c->root;
        for (int64_t i = 0; i < n; i++) z[i] = 0;
        for (int64_t i = 0; i < n; i++, row += n) {
            double along = scale[i] * g[i];
            for (int64_t j = 0; j <= i; j++) z[j] += along * row[j];
        }
    } else {
        for (int64_t i = 0; i < n; i++) scratch[i] = scale[i] * g[i];
        stretched(c, scratch, z);
    }
}

/* ---- Trajectories ---- */

/* An end of a trajectory; the slope is in the whitened coordinates. */
typedef struct {
    double *position, *momentum, *slope;
} state;

/* A stretch of trajectory: a point drawn from it, its weight, exp(level) share, its momenta. */
typedef struct {
    double *position, *gradient;
    double potential, energy, level, share;
    double *rho, *first, *last;
} tree;

typedef struct {
    chain *chain;
    double *gradient, *scratch;
    double start, accepted;
    int64_t steps, diverging;
    tree spare[DEEPEST];
} builder;

/* One step from `s`, in place; the potential there, infinite where it is no number. */
static double leapfrog(chain *c, state *s, double step, double *gradient, double *scratch) {
    int64_t n = c->size;
    double *restrict p = s->momentum;
    const double *restrict slope = s->slope;
    for (int64_t i = 0; i < n; i++) p[i] -= 0.5 * step * slope[i];
    advance(c, step, p, s->position, scratch);
    double potential = c->function(s->position, gradient, c->constants, c->workspace);
    whitened(c, gradient, s->slope, scratch);
    for (int64_t i = 0; i < n; i++) p[i] -= 0.5 * step * slope[i];
    return isfinite(potential) ? potential : INFINITY;
}

/* Add the weight of `b` to that of `a`: what share of both is b's, and b's relative to a's. */
static double weighed(tree *a, const tree *b, double *relative) {
    double gap = b->level - a->level, mine = a->share, other = b->share;
    if (gap > 0) {
        mine *= exp(-gap);
        a->level = b->level;
    } else {
        other *= exp(gap);
    }
    a->share = mine + other;
    *relative = other / mine;
    return other / a->share;
}

static double chance(double log_ratio) { return log_ratio < 0 ? exp(log_ratio) : 1; }

/* Whether neither the whole of two stretches nor what spans their joint has turned back; the
momenta of `a` become those of both. */
static int merged(tree *a, tree *b, int64_t n) {
    const double *restrict first = a->first, *restrict end = a->last, *restrict next = b->first,
                 *restrict last = b->last, *restrict other = b->rho;
    double *restrict rho = a->rho;
    double whole = 0, whole_ = 0, left = 0, left_ = 0, right = 0, right_ = 0;
#pragma omp simd reduction(+ : whole, whole_, left, left_, right, right_)
    for (int64_t i = 0; i < n; i++) {
        double both = rho[i] + other[i], before = rho[i] + next[i], after = other[i] + end[i];
        whole += first[i] * both;
        whole_ += last[i] * both;
        left += first[i] * before;
        left_ += next[i] * before;
        right += end[i] * after;
        right_ += last[i] * after;
        rho[i] = both;
    }
    swap(&a->last, &b->last);
    return whole > 0 && whole_ > 0 && left > 0 && left_ > 0 && right > 0 && right_ > 0;
}

static void take_point(tree *a, tree *b) {
    swap(&a->position, &b->position);
    swap(&a->gradient, &b->gradient);
    a->potential = b->potential;
    a->energy = b->energy;
}

static int leaf(builder *b, tree *out, state *end, int sign) {
    chain *c = b->chain;
    int64_t n = c->size;
    if (c->stop) return 0;
    double potential = leapfrog(c, end, sign * c->step, b->gradient, b->scratch);
    double kinetic = 0.5 * dot(end->momentum, end->momentum, n);
    double energy = potential + kinetic, error = energy - b->start;
    b->steps++;
    if (!(kinetic >= 0 && error <= MAX_ERROR)) {
        b->diverging = 1;
        return 0;
    }
    b->accepted += chance(-error);
    out->potential = potential;
    out->energy = energy;
    out->level = -error;
    out->share = 1;
    copy(out->position, end->position, n);
    copy(out->gradient, b->gradient, n);
    copy(out->rho, end->momentum, n);
    copy(out->first, end->momentum, n);
    copy(out->last, end->momentum, n);
    return 1;
}

/* 2^depth steps on from `end`; 0 if it turns back or diverges. */
static int grow(builder *b, tree *out, int64_t depth, state *end, int sign) {
    if (depth == 0) return leaf(b, out, end, sign);
    tree *right = &b->spare[depth - 1];
    if (!grow(b, out, depth - 1, end, sign) || !grow(b, right, depth - 1, end, sign)) return 0;
    double relative, share = weighed(out, right, &relative);
    if (uniform(b->chain) < share) take_point(out, right);
    return merged(out, right, b->chain->size);
}

static double *taken(double **room, int64_t n) {
    double *found = *room;
    *room += n;
    return found;
}

static tree new_tree(double **room, int64_t n) {
    tree t = {.position = taken(room, n), .gradient = taken(room, n), .rho = taken(room, n)};
    t.first = taken(room, n);
    t.last = taken(room, n);
    return t;
}

static state new_state(double **room, int64_t n) {
    state s = {taken(room, n), taken(room, n), taken(room, n)};
    return s;
}

static void begin(const chain *c, state *s, const double *momentum, const double *slope) {
    copy(s->position, c->position, c->size);
    copy(s->momentum, momentum, c->size);
    copy(s->slope, slope, c->size);
}

/* One transition. `facts` gets potential, energy, mean acceptance, depth, steps, divergence. */
static void transition(chain *c, double *facts) {
    int64_t n = c->size, depth = 0;
    double *room = c->room;
    builder b = {.chain = c, .gradient = taken(&room, n), .scratch = taken(&room, n)};
    state forward = new_state(&room, n), backward = new_state(&room, n);
    tree whole = new_tree(&room, n), grown = new_tree(&room, n);
    for (int64_t k = 0; k < c->max_depth; k++) b.spare[k] = new_tree(&room, n);
    gendsl_normals(c, n, whole.rho);
    whitened(c, c->gradient, forward.slope, b.scratch);
    copy(whole.first, whole.rho, n);
    copy(whole.last, whole.rho, n);
    copy(whole.position, c->position, n);
    copy(whole.gradient, c->gradient, n);
    begin(c, &backward, whole.rho, forward.slope);
    copy(forward.position, c->position, n);
    copy(forward.momentum, whole.rho, n);
    whole.potential = c->potential;
    whole.energy = b.start = c->potential + 0.5 * dot(whole.rho, whole.rho, n);
    whole.level = 0;
    whole.share = 1;
    while (depth < c->max_depth) {
        int sign = uniform(c) > 0.5 ? 1 : -1;
        if (!grow(&b, &grown, depth, sign > 0 ? &forward : &backward, sign)) break;
        depth++;
        if (sign < 0) swap(&whole.first, &whole.last);
        double relative;
        weighed(&whole, &grown, &relative);
        if (uniform(c) < relative) take_point(&whole, &grown);
        int onwards = merged(&whole, &grown, n);
        if (sign < 0) swap(&whole.first, &whole.last);
        if (!onwards) break;
    }
    copy(c->position, whole.position, n);
    copy(c->gradient, whole.gradient, n);
    c->potential = whole.potential;
    facts[0] = whole.potential;
    facts[1] = whole.energy;
    facts[2] = b.accepted / (double)(b.steps ? b.steps : 1);
    facts[3] = (double)depth;
    facts[4] = (double)b.steps;
    facts[5] = (double)b.diverging;
}

/* ---- What chains are made of ---- */

/* So many numbers of room are needed. */
int64_t gendsl_room(int64_t size, int64_t max_depth) {
    return size * (2 + 6 + 5 * (2 + max_depth));
}

/* A step size at which about 0.8 of single steps are accepted, and dual averaging from there. */
void gendsl_restart_step(chain *c) {
    int64_t n = c->size;
    double *room = c->room, step = c->step;
    double *gradient = taken(&room, n), *scratch = taken(&room, n), *momentum = taken(&room, n);
    double *slope = taken(&room, n);
    state s = new_state(&room, n);
    int direction = 0;
    whitened(c, c->gradient, slope, scratch);
    for (int k = 0; k < 60 && !c->stop; k++) {
        gendsl_normals(c, n, momentum);
        begin(c, &s, momentum, slope);
        double before = c->potential + 0.5 * dot(momentum, momentum, n);
        double after = leapfrog(c, &s, step, gradient, scratch);
        double kinetic = 0.5 * dot(s.momentum, s.momentum, n);
        int now = kinetic >= 0 && before - (after + kinetic) > log(0.8) ? 1 : -1;
        if (direction && now != direction) break;
        direction = now;
        step = now > 0 ? step * 2 : step * 0.5;
    }
    c->step = step;
    c->learned = 0;
    c->mean_error = c->log_average = 0;
    c->centre = log(10 * step);
}

static void learn(chain *c, double accepted) {
    double count = (double)++c->learned, share = pow(count, -0.75);
    c->mean_error += (c->target - fmin(1.0, accepted) - c->mean_error) / (count + 10);
    double step = c->centre - c->mean_error * sqrt(count) / 0.05;
    c->log_average += share * (step - c->log_average);
    c->step = exp(step);
}

/* Transitions, until told to stop; how many. In warm-up the step size learns from each.
`positions` and `gradients` (count, size), each of which may be null, and `facts` (count, 6). */
int64_t gendsl_run(chain *c, int64_t count, int64_t warming, double *positions, double *gradients,
                   double *facts) {
    int64_t n = c->size;
    for (int64_t k = 0; k < count; k++) {
        transition(c, facts + 6 * k);
        if (c->stop) return k;
        if (warming) learn(c, facts[6 * k + 2]);
        if (positions) copy(positions + k * n, c->position, n);
        if (gradients) copy(gradients + k * n, c->gradient, n);
        c->divergences += !warming && facts[6 * k + 5] != 0;
        c->iteration++;
    }
    return count;
}
