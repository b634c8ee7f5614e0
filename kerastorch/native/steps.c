/* All steps of a recurrence, forward and back, in float32. Nothing here knows torch: `__init__.py` calls it, and
 * `kernels/equations.py` says the same in operations of torch.
 *
 * A row of the batch never needs another one, over all the steps: each thread takes some rows and runs all steps of
 * them, and nobody waits at a step. `w` is packed once into panels, and stays in the cache.
 *
 * Arrays are row-major, time first: gates (T, B, G*U), histories of a state (T + 1, B, U) with the initial state in front,
 * use (T, B). Gates are in torch's order: i f g o, r z n.
 */
#include "walk.h"
#include "activations.h"

/* -------------------------------------------------------------------------------------------------------- SimpleRNN */

static void rnn_run(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    for (size step = 0; step < walk->steps; step++) {
        float *before = walk->h + place(p, step, n), *h = walk->h + place(p, step + 1, n);
        add_product(p->product, p, before, walk->gates + place(p, step, n), n, h, n);
        for (size row = 0; row < p->rows; row++, h += n, before += n)
            if (counts(p, step, row)) activate(walk->activation, h, h, n);
            else copy(h, before, n);
    }
}

static void rnn_run_back(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    begin_back(p);
    for (size step = walk->steps; step-- > 0;) {
        for (size row = 0; row < p->rows; row++) {
            float *restrict dh = walk->dh + place(p, 0, n) + row * n;
            float *restrict dgates = walk->dgates + place(p, step, n) + row * n;
            if (counts(p, step, row)) {
                slope(walk->activation, walk->h + place(p, step + 1, n) + row * n, dgates, n);
                for (size j = 0; j < n; j++) dgates[j] *= dh[j], dh[j] = 0.0f;
            } else {
                clear(dgates, n);
            }
            if (step) add_grad(p, step - 1, row, 1, dh);
        }
        float *dh = walk->dh + place(p, 0, n);
        add_product_back(p->product, p, walk->dgates + place(p, step, n), n, dh, dh);
    }
}

/* ------------------------------------------------------------------------------------------------------------- LSTM */

static void lstm_run(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    for (size step = 0; step < walk->steps; step++) {
        float *gates = walk->gates + place(p, step, 4 * n);
        float *before = walk->h + place(p, step, n), *h = walk->h + place(p, step + 1, n);
        float *c_before = walk->c + place(p, walk->keep ? step : 0, n);
        float *c = walk->c + place(p, walk->keep ? step + 1 : 0, n);
        add_product(p->product, p, before, gates, 4 * n, gates, 4 * n);
        for (size row = 0, rows; row < p->rows; row += rows) {
            rows = alike(p, step, row);
            size m = rows * n;
            if (!counts(p, step, row)) {
                copy(h, before, m);
                if (walk->keep) copy(c, c_before, m);
            } else {
                float *i = rows > 1 ? p->row : gates, *f = i + m, *g = f + m, *o = g + m;
                if (rows > 1) collect(gates, rows, 4, n, i);
                activate(walk->recurrent, i, i, 2 * m);
                activate(walk->activation, g, g, m);
                activate(walk->recurrent, o, o, m);
                if (rows > 1 && walk->keep) spread(i, rows, 4, n, gates);
#pragma GCC ivdep
                for (size j = 0; j < m; j++) c[j] = f[j] * c_before[j] + i[j] * g[j];
                activate(walk->activation, c, h, m);
#pragma GCC ivdep
                for (size j = 0; j < m; j++) h[j] *= o[j];
            }
            gates += 4 * m, before += m, h += m, c_before += m, c += m;
        }
    }
}

static void lstm_run_back(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units, most = block(walk) * n;
    float *restrict out = p->row, *restrict slopes = out + most;
    float *collected = slopes + 4 * most, *made = collected + 4 * most;
    begin_back(p);
    for (size step = walk->steps; step-- > 0;) {
        float *all_dgates = walk->dgates + place(p, step, 4 * n), *all_dh = walk->dh + place(p, 0, n);
        for (size row = 0, rows; row < p->rows; row += rows) {
            rows = alike(p, step, row);
            size m = rows * n;
            float *restrict dh = all_dh + row * n, *restrict dc = walk->dc + place(p, 0, n) + row * n;
            if (counts(p, step, row)) {
                float *restrict dgates = rows > 1 ? made : all_dgates + row * 4 * n;
                const float *gates = walk->gates + place(p, step, 4 * n) + row * 4 * n;
                const float *before = walk->c + place(p, step, n) + row * n;
                if (rows > 1) {
                    collect(gates, rows, 4, n, collected);
                    gates = collected;
                }
                activate(walk->activation, walk->c + place(p, step + 1, n) + row * n, out, m);
                slope(walk->recurrent, gates, slopes, 4 * m);
                slope(walk->activation, gates + 2 * m, slopes + 2 * m, m);
                const float *i = gates, *f = gates + m, *g = gates + 2 * m, *o = gates + 3 * m;
                slope(walk->activation, out, dgates, m);
                for (size j = 0; j < m; j++) {
                    float d = dc[j] + dh[j] * o[j] * dgates[j];
                    dgates[j] = d * g[j] * slopes[j];
                    dgates[m + j] = d * before[j] * slopes[m + j];
                    dgates[2 * m + j] = d * i[j] * slopes[2 * m + j];
                    dgates[3 * m + j] = dh[j] * out[j] * slopes[3 * m + j];
                    dc[j] = d * f[j];
                    dh[j] = 0.0f;
                }
                if (rows > 1) spread(dgates, rows, 4, n, all_dgates + row * 4 * n);
            } else {
                clear(all_dgates + row * 4 * n, 4 * m);
            }
            if (step) add_grad(p, step - 1, row, rows, dh);
        }
        add_product_back(p->product, p, all_dgates, 4 * n, all_dh, all_dh);
    }
}

/* -------------------------------------------------------------------------------------------------------------- GRU */

/* h = z * before + (1 - z) * n */
INLINE void interpolate(const float *restrict z, const float *restrict new, const float *restrict before,
                        float *restrict h, size n) {
    for (size j = 0; j < n; j++) h[j] = new[j] + z[j] * (before[j] - new[j]);
}

static void gru_run(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    for (size step = 0; step < walk->steps; step++) {
        float *gates = walk->gates + place(p, step, 3 * n);
        float *before = walk->h + place(p, step, n), *h = walk->h + place(p, step + 1, n);
        const float *products = p->products;
        add_product(p->product, p, before, walk->bias, 0, p->products, 3 * n);
        for (size row = 0; row < p->rows; row++, gates += 3 * n, before += n, h += n, products += 3 * n) {
            if (!counts(p, step, row)) {
                copy(h, before, n);
                continue;
            }
            const float *restrict hidden = products + 2 * n;
#pragma GCC ivdep
            for (size j = 0; j < 2 * n; j++) gates[j] += products[j];
            activate(walk->recurrent, gates, gates, 2 * n);
            float *new = gates + 2 * n;
#pragma GCC ivdep
            for (size j = 0; j < n; j++) new[j] += gates[j] * hidden[j];
            activate(walk->activation, new, new, n);
            interpolate(gates + n, new, before, h, n);
            if (walk->keep) copy(walk->hidden + place(p, step, n) + row * n, hidden, n);
        }
    }
}

static void gru_run_back(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    float *restrict slopes = p->row;
    begin_back(p);
    for (size step = walk->steps; step-- > 0;) {
        for (size row = 0; row < p->rows; row++) {
            float *restrict dh = walk->dh + place(p, 0, n) + row * n;
            float *restrict dgates = walk->dgates + place(p, step, 4 * n) + row * 4 * n;
            const float *r = walk->gates + place(p, step, 3 * n) + row * 3 * n, *z = r + n, *new = r + 2 * n;
            const float *before = walk->h + place(p, step, n) + row * n;
            if (counts(p, step, row)) {
                const float *hidden = walk->hidden + place(p, step, n) + row * n;
                slope(walk->recurrent, r, slopes, 2 * n);
                slope(walk->activation, new, slopes + 2 * n, n);
                for (size j = 0; j < n; j++) {
                    float d = dh[j] * (1.0f - z[j]) * slopes[2 * n + j];
                    dgates[j] = d * r[j];
                    dgates[n + j] = d * hidden[j] * slopes[j];
                    dgates[2 * n + j] = dh[j] * (before[j] - new[j]) * slopes[n + j];
                    dgates[3 * n + j] = d;
                    dh[j] *= z[j];
                }
            } else {
                clear(dgates, 4 * n);
            }
            if (step) add_grad(p, step - 1, row, 1, dh);
        }
        float *dh = walk->dh + place(p, 0, n);
        add_product_back(p->product, p, walk->dgates + place(p, step, 4 * n), 4 * n, dh, dh);
    }
}

/* ----------------------------------------------------------------------------------- GRU, its reset gate in front */

static void gru_before_run(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    for (size step = 0; step < walk->steps; step++) {
        float *gates = walk->gates + place(p, step, 3 * n);
        float *before = walk->h + place(p, step, n), *h = walk->h + place(p, step + 1, n);
        float *restrict reset = p->products;
        add_product(p->product, p, before, gates, 3 * n, gates, 3 * n);
        for (size row = 0; row < p->rows; row++) {
            float *r = gates + row * 3 * n, *state = before + row * n;
            activate(walk->recurrent, r, r, 2 * n);
            for (size j = 0; j < n; j++) reset[row * n + j] = r[j] * state[j];
        }
        add_product(p->second, p, reset, gates + 2 * n, 3 * n, gates + 2 * n, 3 * n);
        for (size row = 0; row < p->rows; row++, gates += 3 * n, before += n, h += n) {
            if (!counts(p, step, row)) {
                copy(h, before, n);
                continue;
            }
            activate(walk->activation, gates + 2 * n, gates + 2 * n, n);
            interpolate(gates + n, gates + 2 * n, before, h, n);
        }
    }
}

static void gru_before_run_back(const Part *p) {
    const Walk *walk = p->walk;
    size n = walk->units;
    float *restrict slopes = p->row;
    begin_back(p);
    for (size step = walk->steps; step-- > 0;) {
        const float *gates = walk->gates + place(p, step, 3 * n), *states = walk->h + place(p, step, n);
        float *all_dh = walk->dh + place(p, 0, n), *all_dgates = walk->dgates + place(p, step, 3 * n);
        for (size row = 0; row < p->rows; row++) {
            const float *z = gates + row * 3 * n + n, *new = z + n, *before = states + row * n, *dh = all_dh + row * n;
            float *restrict dgates = all_dgates + row * 3 * n;
            if (!counts(p, step, row)) {
                clear(dgates, 3 * n);
                continue;
            }
            slope(walk->recurrent, z, slopes, n);
            slope(walk->activation, new, slopes + n, n);
            for (size j = 0; j < n; j++) {
                dgates[n + j] = dh[j] * (before[j] - new[j]) * slopes[j];
                dgates[2 * n + j] = dh[j] * (1.0f - z[j]) * slopes[n + j];
            }
        }
        add_product_back(p->second, p, all_dgates + 2 * n, 3 * n, NULL, p->products);
        for (size row = 0; row < p->rows; row++) {
            const float *r = gates + row * 3 * n, *z = r + n, *before = states + row * n;
            const float *restrict dreset = p->products + row * n;
            float *restrict dh = all_dh + row * n, *restrict dgates = all_dgates + row * 3 * n;
            if (counts(p, step, row)) {
                slope(walk->recurrent, r, slopes, n);
                for (size j = 0; j < n; j++) {
                    dgates[j] = dreset[j] * before[j] * slopes[j];
                    dh[j] = dh[j] * z[j] + dreset[j] * r[j];
                }
            }
            if (step) add_grad(p, step - 1, row, 1, dh);
        }
        add_product_back(p->product, p, all_dgates, 3 * n, all_dh, all_dh);
    }
}

/* --------------------------------------------------------------------------------------- the functions that are called */

typedef void Run(const Part *);
typedef void Parallel(void (*)(void *), void *, unsigned threads, unsigned flags); /* GOMP_parallel */

typedef struct {
    Run *run;
    Part part; /* what all parts share */
    size pieces, next;
    size padded; /* floats of an image with zeros around it */
    float *room;
} Work;

static void take_pieces(void *data) {
    Work *work = data;
    const Walk *walk = work->part.walk;
    size places = places_of(&walk->window), images = walk->batch / places, units = walk->units, piece;
    size block_room = ROOM_OF_A_BLOCK * block(walk) * units, padded = work->padded;
    while ((piece = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED)) < work->pieces) {
        Part part = work->part;
        part.from = images * piece / work->pieces * places;
        part.rows = images * (piece + 1) / work->pieces * places - part.from;
        part.padded = work->room + ROOM * part.from * units + (block_room + padded) * piece;
        part.row = part.padded + padded;
        part.dropped = part.row + block_room;
        part.products = part.dropped + part.rows * units;
        clear(part.padded, padded);
        work->run(&part);
    }
}

/* 0, or 1 where there is no memory. `gates`: how many the first product has; the second has one where there is one. */
static int run(Run *run, const Walk *walk, size gates, int second, int back) {
    Recurrent first = {0}, other = {0};
    int made = prepare(&first, walk, 0, gates, back) && (!second || prepare(&other, walk, gates, 1, back));
    size threads = walk->parallel && walk->threads > 1 ? walk->threads : 1, places = places_of(&walk->window);
    size images = places ? walk->batch / places : 0, pieces = threads < images ? threads : images;
    size padded = padded_places(&walk->window) * (back ? first.width : walk->units);
    size floats = ROOM * walk->batch * walk->units + (ROOM_OF_A_BLOCK * block(walk) * walk->units + padded) * pieces;
    float *room = malloc(sizeof(float) * (size_t)(floats + 1)); /* of no rows malloc may give NULL */
    if (made && room) {
        Work work = {.run = run, .part = {.walk = walk, .product = &first, .second = &other}, .pieces = pieces,
                     .padded = padded, .room = room};
        if (pieces > 1) ((Parallel *)walk->parallel)(take_pieces, &work, (unsigned)pieces, 0);
        else take_pieces(&work);
    }
    free(room);
    release(&first);
    release(&other);
    return !(made && room);
}

EXPORT int rnn_forward(const Walk *walk) { return run(rnn_run, walk, 1, 0, 0); }
EXPORT int rnn_backward(const Walk *walk) { return run(rnn_run_back, walk, 1, 0, 1); }
EXPORT int lstm_forward(const Walk *walk) { return run(lstm_run, walk, 4, 0, 0); }
EXPORT int lstm_backward(const Walk *walk) { return run(lstm_run_back, walk, 4, 0, 1); }
EXPORT int gru_forward(const Walk *walk) { return run(gru_run, walk, 3, 0, 0); }
EXPORT int gru_backward(const Walk *walk) { return run(gru_run_back, walk, 3, 0, 1); }
EXPORT int gru_before_forward(const Walk *walk) { return run(gru_before_run, walk, 2, 1, 0); }
EXPORT int gru_before_backward(const Walk *walk) { return run(gru_before_run_back, walk, 2, 1, 1); }
EXPORT int size_of_walk(void) { return (int)sizeof(Walk); }
