// The Chebyshev solver's transform for a GPU: every kernel is launched once for all particles of a batch.
//
// The same sum as `chebyshev_numpy.amplitude`, where it is explained, and with the names of its compiled twin:
// `moments` is `moments.py`, `turns`, `along_rows`, `coefficients` and `across` are the functions of
// `chebyshev_numba.py` that are called so, but for an underscore and `coefficients`, which is `_tables`.
// Columns and rows of all particles follow each other (`column_batch.py`). Threads share nothing.
//
// Compiled with REAL (float or double), PARTS (2 where the attenuation is complex, else 1: a moment has so
// many parts), STEP (of the phases in `terms`) and START (see `chebyshev_numba`) defined.

typedef REAL real;

struct Double { double re, im; };
struct Complex { real re, im; };
struct Pair { real cosine, sine; };
// of four orders that follow each other, n = 0, 1, 2, 3 modulo 4: i^n is 1, i, -1, -i
struct alignas(16) Four { real of[4]; };
struct alignas(16) Particle { int row, rows, orders, closed; };
struct Depths { double middle, half; };
struct Factor { Double multiplier, inverse; };

// a moment, or a wave
#if PARTS == 2
typedef Double Wave;
__device__ inline Wave operator+(Wave a, Wave b) { return {a.re + b.re, a.im + b.im}; }
__device__ inline Wave operator-(Wave a, Wave b) { return {a.re - b.re, a.im - b.im}; }
__device__ inline Wave operator*(double a, Wave b) { return {a * b.re, a * b.im}; }
__device__ inline Wave operator*(Double a, Wave b)
{
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
__device__ inline double part_of(Wave a, int part) { return part ? a.im : a.re; }
#else
typedef double Wave;
__device__ inline Wave operator*(Double a, Wave b) { return a.re * b; }
__device__ inline double part_of(Wave a, int) { return a; }
#endif

// one end of a chord: where it is, -1 to 1 over the depths, and the wave there times the density
struct End { double place; Wave wave; };

// What all kernels are given. Numbers of a column stand `columns` apart, those of an order too. `images` has an
// image of complex numbers for each particle or, if `squares`, of their squares times the pixels' weights.
#define ARGUMENTS                                                                                         \
    const real *__restrict__ positions, const int *__restrict__ start,                                    \
        const int *__restrict__ particle_of_row, const Particle *__restrict__ particles,                  \
        const Depths *__restrict__ depths, const int *__restrict__ place, const real *__restrict__ z_in,  \
        const real *__restrict__ z_out, const real *__restrict__ area,                                    \
        const double *__restrict__ densities, const Factor *__restrict__ factors,                         \
        const int *__restrict__ terms, Wave *__restrict__ right, Four *__restrict__ values,               \
        Pair *__restrict__ turn, Four *__restrict__ along, Four *__restrict__ table,                      \
        const float *__restrict__ weight, void *__restrict__ images, int squares, int count, int columns, \
        int rows, int chords, int closed, int fours, int lit, int wide, int pixels, double s_re,          \
        double s_im, double deepest, double k, double q_step

#define NUMBER (blockIdx.x * size_t(blockDim.x) + threadIdx.x)

// e^{-s path} times the density at a depth
__device__ inline End end_at(double z, double path, double density, Depths within, double s_re, double s_im)
{
    double size = density * exp(-s_re * path);
#if PARTS == 2
    double cosine, sine;
    sincospi(s_im * path * 0.31830988618379067, &sine, &cosine);
    return {(z - within.middle) / within.half, {size * cosine, -size * sine}};
#else
    return {(z - within.middle) / within.half, size};
#endif
}

// add half an area times the moments of a chord; `right` and `values` begin with those of its column
__device__ void add_moments(const End &entering, const End &leaving, Double sigma, const Factor *factors,
                            int closed, int orders, double area, int fours, size_t columns, Wave *right,
                            Four *values)
{
    double before_in = 1, before_out = 1, now_in = entering.place, now_out = leaving.place;
    // B_{n-1}, B_n and the right-hand side of the order before, from which it is eliminated
    Wave lower = leaving.wave - entering.wave, first = now_out * leaving.wave - now_in * entering.wave;
    Wave middle = first, sum = 0.0 * first;
    double below = 0, half_inverse = 0.5;
    for (int n = 1; n < closed; ++n) {
        double next_in = 2 * entering.place * now_in - before_in;
        double next_out = 2 * leaving.place * now_out - before_out;
        before_in = now_in, now_in = next_in, before_out = now_out, now_out = next_out;
        Wave higher = now_out * leaving.wave - now_in * entering.wave;
        double above = 0.5 / (n + 1);
        sum = above * higher - below * lower - factors[n].multiplier * sum;
        right[n * columns] = sum;
        lower = middle, middle = higher, below = half_inverse, half_inverse = above;
    }
    // the right-hand side becomes the moment, from the highest order down
    Wave after = 0.0 * first;
    for (int f = (closed - 1) / 4; f >= 0; --f) {
        Four total[PARTS];
        if (4 * f < orders)
            for (int part = 0; part < PARTS; ++part)
                total[part] = values[(part * fours + f) * columns];
        for (int e = 3; e >= 0; --e) {
            const int n = 4 * f + e;
            if (n >= closed)
                continue;
            double up = 0.5 / (n + 1);
            if (n > 0)
                after = factors[n].inverse * (right[n * columns] + Double{up * sigma.re, up * sigma.im} * after);
            else
                after = first + sigma * after;
            for (int part = 0; part < PARTS; ++part)
                if (n < orders)
                    total[part].of[e] += real(area * part_of(after, part));
        }
        if (4 * f < orders)
            for (int part = 0; part < PARTS; ++part)
                values[(part * fours + f) * columns] = total[part];
    }
}

// the last of the particles that begin at a column or before: one without columns is never the last
__device__ inline int particle_of_column(size_t column, const int *start, const Particle *particles, int count)
{
    int from = 0, to = count;
    while (to - from > 1) {
        int middle = (from + to) / 2;
        (start[particles[middle].row] <= column ? from : to) = middle;
    }
    return from;
}

// Moments of all columns, values[part, n / 4, column]: one thread each.
extern "C" __global__ void moments(ARGUMENTS)
{
    size_t p = NUMBER;
    if (p >= columns)
        return;
    const int i = particle_of_column(p, start, particles, count);
    const Particle own = particles[i];
    const Depths within = depths[i];
    for (int f = 0; f < PARTS * fours; ++f)
        values[f * size_t(columns) + p] = {};
    double path = 0;
    for (int c = 0; c < chords; ++c) {
        double enters = z_in[c * size_t(columns) + p], length = z_out[c * size_t(columns) + p] - enters;
        double density = densities[i * chords + c], before = path;
        if (length <= 0)
            continue;
        path += density * length;
        if (before >= deepest || density == 0)
            continue;
        // a chord ends where there is no more light
        double rest = (deepest - before) / density;
        length = rest < length ? rest : length;
        add_moments(end_at(enters, before, density, within, s_re, s_im),
                    end_at(enters + length, before + density * length, density, within, s_re, s_im),
                    {s_re * density * within.half, s_im * density * within.half},
                    factors + (i * size_t(chords) + c) * closed, own.closed, own.orders,
                    within.half * area[p], fours, columns, right + p, values + p);
    }
}

// cos(q x) and sin(q x), q = 0, q_step, ...: of the columns' x, then of the rows' y; one thread each
extern "C" __global__ void turns(ARGUMENTS)
{
    size_t t = NUMBER, p = t / lit;
    if (p >= size_t(columns) + rows)
        return;
    double cosine, sine;
    sincospi(t % lit * q_step * positions[p] * 0.31830988618379067, &sine, &cosine);
    turn[t] = {real(cosine), real(sine)};
}

// Sums along[row, q, cosine or sine, part, n / 4]: one thread for eight orders of a row at a q
extern "C" __global__ void along_rows(ARGUMENTS)
{
    size_t t = NUMBER, j = t / wide / (PARTS * fours / 2);
    int m = t % wide, first = t / wide % (PARTS * fours / 2) * 2;
    // `fours` is even: both are of one part
    if (j >= rows || m >= lit || first % fours * 4 >= particles[particle_of_row[j]].orders)
        return;
    Four cosines[2] = {}, sines[2] = {};
    const Four *here = values + first * size_t(columns), *next = here + columns;
    for (int p = start[j]; p < start[j + 1]; ++p) {
        const Pair wave = turn[p * size_t(lit) + m];
        const Four both[2] = {here[p], next[p]};
        for (int f = 0; f < 2; ++f)
            for (int n = 0; n < 4; ++n) {
                cosines[f].of[n] += wave.cosine * both[f].of[n];
                sines[f].of[n] += wave.sine * both[f].of[n];
            }
    }
    Four *out = along + (j * lit + m) * (2 * PARTS * fours) + first;
    for (int f = 0; f < 2; ++f) {
        out[f] = cosines[f];
        out[PARTS * fours + f] = sines[f];
    }
}

// a pixel (m, v) of the quadrant q_x, q_y >= 0 of particle i, and whether it sees light
#define PIXEL                                                                                             \
    size_t t = NUMBER, i = t / wide / lit;                                                                \
    int v = t % wide, m = t / wide % lit;                                                                 \
    double squared = m * q_step * (m * q_step) + v * q_step * (v * q_step);                               \
    if (i >= count || v >= lit || squared >= k * k)                                                       \
        return;                                                                                           \
    const double q_z = squared / (k + sqrt(k * k - squared)), phase = depths[i].half * q_z;               \
    const int enough = terms[int(ceil(phase / STEP))];                                                    \
    const int needed = enough < particles[i].orders ? enough : particles[i].orders;

// The coefficients (2 - [n = 0]) J_n(phase) of all pixels, table[particle, n / 4, pixel], by backward
// recurrence (Miller): twice, since numbers of single precision hold none before their scale is known.
extern "C" __global__ void coefficients(ARGUMENTS)
{
    PIXEL
    const size_t quadrant = size_t(lit) * lit;
    Four *own = table + i * fours * quadrant + m * size_t(lit) + v;
    const int last = (needed + 3) / 4 * 4;
    for (int n = needed; n < last; ++n)
        own[n / 4 * quadrant].of[n % 4] = 0;
    if (phase < 1e-12) {
        for (int n = 0; n < needed; ++n)
            own[n / 4 * quadrant].of[n % 4] = n == 0;
        return;
    }
    const double twice_inverse = 2 / phase;
    double scale = 0;
    for (int round = 0; round < 2; ++round) {
        double after = 0, now = 1e-30, total = 0;
        for (int n = needed + START; n > 0; --n) {
            // now is J_n but for a factor
            if (round == 1 && n < needed)
                own[n / 4 * quadrant].of[n % 4] = real(2 * scale * now);
            if (n % 2 == 0)
                total += 2 * now;
            double before = twice_inverse * n * now - after;
            after = now, now = before;
        }
        if (round == 1)
            own[0].of[0] = real(scale * now);
        scale = 1 / (total + now);
    }
}

// add i^n times coefficients times moments, of four orders
__device__ inline void add_orders(Complex &sum, const Four &c, const Four *moment, int fours)
{
    const Four a = *moment;
    sum.re += c.of[0] * a.of[0] - c.of[2] * a.of[2];
    sum.im += c.of[1] * a.of[1] - c.of[3] * a.of[3];
#if PARTS == 2
    const Four b = moment[fours];
    sum.re -= c.of[1] * b.of[1] - c.of[3] * b.of[3];
    sum.im += c.of[0] * b.of[0] - c.of[2] * b.of[2];
#endif
}

__device__ inline void add_product(Complex &sum, real factor, Complex value)
{
    sum.re += factor * value.re;
    sum.im += factor * value.im;
}

// rows for which coefficients are read once: they are as many bytes as moments, but each thread's own
#define TOGETHER 4

// The four pixels (+-q_x, +-q_y) of particle i: one thread
extern "C" __global__ void across(ARGUMENTS)
{
    PIXEL
    const Particle own = particles[i];
    const size_t quadrant = size_t(lit) * lit;
    const Four *mine = table + i * fours * quadrant + m * size_t(lit) + v;
    const int used = (needed + 3) / 4;
    // over cos cos, cos sin, sin cos and sin sin, y last
    Complex sums[4] = {};
    for (int first = 0; first < own.rows; first += TOGETHER) {
        const Four *here[TOGETHER];
        Complex part[TOGETHER][2] = {};
        for (int r = 0; r < TOGETHER; ++r) {
            // beyond the last row, that one, which is not added again
            size_t j = own.row + (first + r < own.rows ? first + r : own.rows - 1);
            here[r] = along + (j * lit + m) * (2 * PARTS * fours);
        }
        for (int f = 0; f < used; ++f) {
            const Four coefficient = mine[f * quadrant];
            for (int r = 0; r < TOGETHER; ++r)
                for (int side = 0; side < 2; ++side)
                    add_orders(part[r][side], coefficient, here[r] + side * PARTS * fours + f, fours);
        }
        for (int r = 0; r < TOGETHER && first + r < own.rows; ++r) {
            const Pair wave = turn[(columns + size_t(own.row) + first + r) * lit + v];
            for (int side = 0; side < 2; ++side) {
                add_product(sums[2 * side], wave.cosine, part[r][side]);
                add_product(sums[2 * side + 1], wave.sine, part[r][side]);
            }
        }
    }
    double cosine, sine;
    sincospi(q_z * depths[i].middle * 0.31830988618379067, &sine, &cosine);
    const int middle = pixels / 2;
    const Complex a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    for (int sign_x = 1; sign_x >= -1; sign_x -= 2) {
        int column = middle + sign_x * m;
        if (column >= pixels || (m == 0 && sign_x < 0))
            continue;
        for (int sign_y = 1; sign_y >= -1; sign_y -= 2) {
            int row = middle + sign_y * v;
            if (row >= pixels || (v == 0 && sign_y < 0))
                continue;
            // e^{-i (q_x x + q_y y)}
            real re = a.re - sign_x * sign_y * d.re + sign_y * b.im + sign_x * c.im;
            real im = a.im - sign_x * sign_y * d.im - sign_y * b.re - sign_x * c.re;
            size_t at = (place[i] * size_t(pixels) + row) * pixels + column;
            if (squares)
                static_cast<float *>(images)[at] = float(re * re + im * im) * weight[row * pixels + column];
            else
                static_cast<Complex *>(images)[at] = {real(re * cosine - im * sine),
                                                   real(re * sine + im * cosine)};
        }
    }
}
