/* Where a chain begins. The algorithm is that of `gendsl/runtime/starting.py`, `approach.py` and
`approximation.py`, with the same names, and its comments are there. Continues `sampler.c`. */

#define HISTORY 6
#define COLUMNS (2 * HISTORY)
#define DRAWS 5
#define LONGEST 200
#define SETTLED 3
#define LITTLE 0.02
#define PATIENCE 10
#define FAR 5.0
#define ARMIJO 1e-4
#define WOLFE 0.9
#define TRIALS 25
#define CURVED 1e-12
#define CANDIDATES 4
#define TRIES 20
#define PATHS 24
#define SHARE 3
#define LEAST_BUDGET 200
#define DEPENDENT 1e-12 /* a column with so little of its own, relatively, spans nothing new */

typedef struct {
    double *position, *gradient;
    double potential;
} point;

/* The best approximation of a path. */
typedef struct {
    point draws[DRAWS];
    double weights[DRAWS];
    double *variances;
    double elbo;
} found;

typedef struct {
    chain *chain;
    int64_t left, known;
    double *diagonal, *moves[HISTORY], *bends[HISTORY]; /* the oldest step first */
    /* The normal approximation at a point: see `Approximation` */
    double *scale, *basis[COLUMNS], *step, *inner;
    double root[COLUMNS][COLUMNS], log_top;
    int columns;
    point here, there, lower;
    found judged;
} path;

static point new_point(double **room, int64_t n) {
    point p = {.position = taken(room, n), .gradient = taken(room, n)};
    return p;
}

static found new_found(double **room, int64_t n) {
    found f = {.variances = taken(room, n)};
    for (int k = 0; k < DRAWS; k++) f.draws[k] = new_point(room, n);
    return f;
}

int64_t gendsl_start_room(int64_t size) {
    return size * (4 + 2 * HISTORY + COLUMNS + 4 * 2 + (PATHS + 2) * (1 + 2 * DRAWS));
}

static int all_finite(const double *a, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i])) return 0;
    return 1;
}

/* The potential at p; infinite where it or its gradient is not finite. 0 if nothing is left. */
static int looked_at(path *q, point *p) {
    chain *c = q->chain;
    if (q->left <= 0 || c->stop) return 0;
    q->left--;
    p->potential = c->function(p->position, p->gradient, c->constants, c->workspace);
    if (!isfinite(p->potential) || !all_finite(p->gradient, c->size)) p->potential = INFINITY;
    return 1;
}

static void exchange(point *a, point *b) {
    point t = *a;
    *a = *b;
    *b = t;
}

static void forget(path *q) {
    q->known = 0;
    for (int64_t i = 0; i < q->chain->size; i++) q->diagonal[i] = 1;
}

/* Take the step from `here` to `there` into account. */
static void learn_curvature(path *q) {
    int64_t n = q->chain->size;
    int last = q->known < HISTORY ? (int)q->known : HISTORY - 1;
    if (q->known == HISTORY) { /* the oldest is kept until the new one is known to be good */
        double *move = q->inner, *bend = q->step;
        for (int64_t i = 0; i < n; i++) {
            move[i] = q->there.position[i] - q->here.position[i];
            bend[i] = q->there.gradient[i] - q->here.gradient[i];
        }
        double b = dot(move, bend, n);
        if (!(b > CURVED * dot(bend, bend, n))) return;
        double *move_ = q->moves[0], *bend_ = q->bends[0];
        for (int k = 1; k < HISTORY; k++) q->moves[k - 1] = q->moves[k], q->bends[k - 1] = q->bends[k];
        q->moves[last] = move_;
        q->bends[last] = bend_;
    }
    double *move = q->moves[last], *bend = q->bends[last], *d = q->diagonal, a = 0, c = 0;
    for (int64_t i = 0; i < n; i++) {
        move[i] = q->there.position[i] - q->here.position[i];
        bend[i] = q->there.gradient[i] - q->here.gradient[i];
        a += bend[i] * d[i] * bend[i];
        c += move[i] * move[i] / d[i];
    }
    double b = dot(move, bend, n);
    if (!(b > CURVED * dot(bend, bend, n))) return;
    int good = 1;
    for (int64_t i = 0; i < n; i++) {
        double e = a / (b * d[i]) + bend[i] * bend[i] / b;
        q->inner[i] = 1 / (e - a * move[i] * move[i] / (b * c * d[i] * d[i]));
        good &= isfinite(q->inner[i]) && q->inner[i] > 0;
    }
    if (good) copy(d, q->inner, n);
    q->known = last + 1;
}

/* Orthonormal columns from those of `basis`, by Gram and Schmidt, twice; what they were made of.
A column that depends on those before it becomes 0. */
static void orthonormal(path *q, double triangle[COLUMNS][COLUMNS]) {
    int64_t n = q->chain->size;
    for (int j = 0; j < q->columns; j++) {
        double *column = q->basis[j], before = sqrt(dot(column, column, n));
        for (int i = 0; i < q->columns; i++) triangle[i][j] = 0;
        for (int twice = 0; twice < 2; twice++)
            for (int i = 0; i < j; i++) {
                double along = dot(q->basis[i], column, n);
                triangle[i][j] += along;
                for (int64_t k = 0; k < n; k++) column[k] -= along * q->basis[i][k];
            }
        double length = sqrt(dot(column, column, n));
        int own = length > DEPENDENT * before;
        triangle[j][j] = own ? length : 0;
        for (int64_t k = 0; k < n; k++) column[k] = own ? column[k] / length : 0;
    }
}

/* The lower factor of a symmetric matrix, in place; 0 if it is not positive definite. */
static int factored(double a[COLUMNS][COLUMNS], int n) {
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) {
            double s = a[i][j];
            for (int k = 0; k < j; k++) s -= a[i][k] * a[j][k];
            if (i == j && !(s > 0)) return 0;
            a[i][j] = i == j ? sqrt(s) : s / a[j][j];
        }
    return 1;
}

/* The inverse of the upper triangle of moves' * bends. 0 if it is singular. */
static int inverted(const path *q, double inverse[HISTORY][HISTORY]) {
    int m = (int)q->known;
    int64_t n = q->chain->size;
    double upper[HISTORY][HISTORY];
    for (int i = 0; i < m; i++)
        for (int j = i; j < m; j++) upper[i][j] = dot(q->moves[i], q->bends[j], n);
    for (int j = 0; j < m; j++)
        for (int i = m - 1; i >= 0; i--) {
            double s = i == j;
            for (int k = i + 1; k <= j; k++) s -= upper[i][k] * inverse[k][j];
            inverse[i][j] = i > j ? 0 : s / upper[i][i];
            if (!isfinite(inverse[i][j])) return 0;
        }
    return 1;
}

/* Byrd, Nocedal & Schnabel's middle matrix, for the columns (bends, moves). */
static int middle(const path *q, double core[COLUMNS][COLUMNS]) {
    int m = (int)q->known;
    int64_t n = q->chain->size;
    double inverse[HISTORY][HISTORY], inside[HISTORY][HISTORY], half[HISTORY][HISTORY];
    if (!inverted(q, inverse)) return 0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            double s = i == j ? dot(q->moves[i], q->bends[i], n) : 0;
            for (int64_t k = 0; k < n; k++)
                s += q->bends[i][k] * q->diagonal[k] * q->bends[j][k];
            inside[i][j] = s;
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            half[i][j] = 0;
            for (int k = 0; k < m; k++) half[i][j] += inside[i][k] * inverse[k][j];
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            core[i][j] = 0;
            core[i][m + j] = -inverse[i][j];
            core[m + i][j] = -inverse[j][i];
            core[m + i][m + j] = 0;
            for (int k = 0; k < m; k++) core[m + i][m + j] += inverse[k][i] * half[k][j];
        }
    return 1;
}

/* out = v + Q (M - 1) Q' v, where M is the root, or the root times its transpose. */
static void turned_by(const path *q, const double *v, double *out, int squared) {
    int64_t n = q->chain->size;
    int m = q->columns;
    double inside[COLUMNS], middle_[COLUMNS];
    for (int k = 0; k < m; k++) inside[k] = middle_[k] = dot(q->basis[k], v, n);
    if (squared)
        for (int k = 0; k < m; k++) {
            middle_[k] = 0;
            for (int j = k; j < m; j++) middle_[k] += q->root[j][k] * inside[j];
        }
    if (out != v) copy(out, v, n);
    for (int k = m - 1; k >= 0; k--) {
        double along = 0;
        for (int j = 0; j <= k; j++) along += q->root[k][j] * middle_[j];
        along -= inside[k];
        for (int64_t i = 0; i < n; i++) out[i] += along * q->basis[k][i];
    }
}

/* The normal distribution of the curvature at `p`; 0 where that is singular. */
static int approximated(path *q, const point *p) {
    int64_t n = q->chain->size;
    int m = (int)q->known, all = 2 * m;
    double core[COLUMNS][COLUMNS], triangle[COLUMNS][COLUMNS], half[COLUMNS][COLUMNS];
    if (!m || !middle(q, core)) return 0;
    q->columns = all;
    q->log_top = -0.5 * (double)n * log(2 * M_PI);
    for (int64_t i = 0; i < n; i++) q->scale[i] = sqrt(q->diagonal[i]);
    for (int64_t i = 0; i < n; i++) q->log_top -= log(q->scale[i]);
    for (int k = 0; k < m; k++)
        for (int64_t i = 0; i < n; i++) {
            q->basis[k][i] = q->bends[k][i] * q->scale[i];
            q->basis[m + k][i] = q->moves[k][i] / q->scale[i];
        }
    orthonormal(q, triangle);
    for (int i = 0; i < all; i++)
        for (int j = 0; j < all; j++) {
            half[i][j] = 0;
            for (int k = i; k < all; k++) half[i][j] += triangle[i][k] * core[k][j];
        }
    for (int i = 0; i < all; i++)
        for (int j = 0; j <= i; j++) {
            double s = 0, t = 0;
            for (int k = j; k < all; k++) s += half[i][k] * triangle[j][k];
            for (int k = i; k < all; k++) t += half[j][k] * triangle[i][k];
            q->root[i][j] = (i == j) + (s + t) / 2;
        }
    if (!factored(q->root, all)) return 0;
    for (int k = 0; k < all; k++) q->log_top -= log(q->root[k][k]);
    for (int64_t i = 0; i < n; i++) q->inner[i] = q->scale[i] * p->gradient[i];
    turned_by(q, q->inner, q->step, 1);
    for (int64_t i = 0; i < n; i++) q->step[i] *= -q->scale[i];
    return 1;
}

/* From `here` along `step`, to `there`, by the weak conditions of Wolfe: 1 if it was reached,
0 if not, -1 if nothing is left. */
static int searched(path *q, double length) {
    int64_t n = q->chain->size;
    const double *direction = q->step;
    double slope = dot(q->here.gradient, direction, n), low = 0, high = INFINITY;
    int lower = 0;
    if (!(slope < 0)) return 0;
    for (int k = 0; k < TRIALS; k++) {
        for (int64_t i = 0; i < n; i++)
            q->there.position[i] = q->here.position[i] + length * direction[i];
        if (!looked_at(q, &q->there)) return -1;
        if (!(q->there.potential <= q->here.potential + ARMIJO * length * slope)) {
            high = length;
        } else if (dot(q->there.gradient, direction, n) < WOLFE * slope) {
            low = length;
            lower = 1;
            exchange(&q->there, &q->lower);
        } else {
            return 1;
        }
        length = high < INFINITY ? (low + high) / 2 : 2 * length;
    }
    if (lower) exchange(&q->there, &q->lower);
    return lower;
}

static int stepped(path *q) {
    int64_t n = q->chain->size;
    int reached = approximated(q, &q->here) ? searched(q, 1) : 0;
    if (!reached) {
        forget(q);
        double steepness = sqrt(dot(q->here.gradient, q->here.gradient, n));
        for (int64_t i = 0; i < n; i++) q->step[i] = -q->here.gradient[i];
        reached = searched(q, 1 / fmax(1, steepness));
    }
    if (reached > 0) learn_curvature(q);
    return reached;
}

/* Estimate the ELBO: 1; 0 where a draw has no density or is much worse than the best; -1 if
nothing is left. */
static int judged(path *q, double floor) {
    int64_t n = q->chain->size;
    if (!approximated(q, &q->here)) return 0;
    q->judged.elbo = 0;
    for (int k = 0; k < DRAWS; k++) {
        point *p = &q->judged.draws[k];
        gendsl_normals(q->chain, n, q->inner);
        double log_density = q->log_top - 0.5 * dot(q->inner, q->inner, n);
        turned_by(q, q->inner, q->inner, 0);
        for (int64_t i = 0; i < n; i++)
            p->position[i] = q->here.position[i] + q->step[i] + q->scale[i] * q->inner[i];
        if (!looked_at(q, p)) return -1;
        q->judged.weights[k] = -p->potential - log_density;
        if (!(q->judged.weights[k] > floor)) return 0;
        q->judged.elbo += q->judged.weights[k] / DRAWS;
    }
    for (int64_t i = 0; i < n; i++) {
        double share = 1;
        for (int k = 0; k < q->columns; k++) {
            double along = 0;
            for (int j = k; j < q->columns; j++) along += q->basis[j][i] * q->root[j][k];
            share += along * along - q->basis[k][i] * q->basis[k][i];
        }
        q->judged.variances[i] = q->scale[i] * q->scale[i] * share;
    }
    return 1;
}

/* Follow a path downhill from `here`; whether `best` is an approximation on it. */
static int descend(path *q, found *best) {
    int64_t n = q->chain->size;
    int any = 0, little = 0, idle = 0;
    forget(q);
    for (int number = 1; number <= LONGEST; number++) {
        int reached = stepped(q);
        if (reached < 0) break;
        if (!reached) return any;
        double gain = q->here.potential - q->there.potential;
        exchange(&q->here, &q->there);
        little = gain < LITTLE * (double)n ? little + 1 : 0;
        if (gain < (double)n || (number & (number - 1)) == 0) {
            int is = judged(q, any ? best->elbo - FAR * (double)(1 + n) : -INFINITY);
            if (is < 0) break;
            if (is && (!any || q->judged.elbo > best->elbo)) {
                found t = *best;
                *best = q->judged;
                q->judged = t;
                any = 1;
                idle = 0;
            } else {
                idle += any;
            }
        }
        if (little == SETTLED || idle == PATIENCE) return any;
    }
    return any && idle;
}

/* A point of finite density and moderate gradient, in `here`: whether there is one. */
static int random_point(path *q) {
    static const double radii[] = {2.0, 2.0, 2.0, 1.0, 0.5, 0.1, 0.01};
    int64_t n = q->chain->size, left = q->left;
    int seen = 0;
    double least = INFINITY;
    q->left = INT64_MAX;
    for (int r = 0; r < 7 && !seen; r++)
        for (int k = 0; k < TRIES && seen < CANDIDATES; k++) {
            for (int64_t i = 0; i < n; i++)
                q->there.position[i] = radii[r] * (2 * uniform(q->chain) - 1);
            if (!looked_at(q, &q->there) || q->there.potential == INFINITY) continue;
            double steepness = sqrt(dot(q->there.gradient, q->there.gradient, n));
            if (!seen++ || steepness < least) {
                least = steepness;
                exchange(&q->here, &q->there);
            }
        }
    q->left = left;
    return seen > 0;
}

/* An index, by the logarithms of weights. */
static int drawn(chain *c, const double *logs, int count) {
    double top = -INFINITY, total = 0;
    for (int k = 0; k < count; k++) top = fmax(top, logs[k]);
    for (int k = 0; k < count; k++) total += exp(logs[k] - top);
    double left = uniform(c) * total;
    for (int k = 0; k < count; k++)
        if ((left -= exp(logs[k] - top)) < 0) return k;
    return count - 1;
}

static void settle(chain *c, const point *p) {
    copy(c->position, p->position, c->size);
    copy(c->gradient, p->gradient, c->size);
    c->potential = p->potential;
}

static double together(double a, double b) {
    double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

static double evidence(const found *f) {
    double total = f->weights[0];
    for (int k = 1; k < DRAWS; k++) total = together(total, f->weights[k]);
    return total - log(DRAWS);
}

/* Put a chain where the posterior has probability, and the variances there into its scale, as
square roots. 2; 1 where they are not known, at a random point; 0 where there is no start. */
int64_t gendsl_start(chain *c, int64_t warmup, double *room) {
    int64_t n = c->size;
    path q = {.chain = c, .left = warmup ? SHARE * (warmup > LEAST_BUDGET ? warmup : LEAST_BUDGET) : 0};
    q.diagonal = taken(&room, n), q.scale = taken(&room, n);
    q.step = taken(&room, n), q.inner = taken(&room, n);
    for (int k = 0; k < HISTORY; k++) q.moves[k] = taken(&room, n), q.bends[k] = taken(&room, n);
    for (int k = 0; k < COLUMNS; k++) q.basis[k] = taken(&room, n);
    q.here = new_point(&room, n), q.there = new_point(&room, n), q.lower = new_point(&room, n);
    q.judged = new_found(&room, n);
    found ends[PATHS + 1];
    double logs[PATHS];
    for (int k = 0; k <= PATHS; k++) ends[k] = new_found(&room, n);
    if (!random_point(&q)) return 0;
    settle(c, &q.here);
    int count = 0, alive = 1;
    for (int k = 0; k < PATHS && alive && q.left > 0; k++) {
        count += descend(&q, &ends[count]);
        alive = random_point(&q);
    }
    if (!count) return 1;
    for (int k = 0; k < count; k++) logs[k] = evidence(&ends[k]) / fmax(1, 0.5 * sqrt((double)n));
    found *chosen = &ends[drawn(c, logs, count)];
    settle(c, &chosen->draws[drawn(c, chosen->weights, DRAWS)]);
    for (int64_t i = 0; i < n; i++) c->scale[i] = sqrt(chosen->variances[i]);
    return 2;
}
