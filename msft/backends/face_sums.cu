// The exact solver's pixel sum for a GPU: one thread a pixel, one launch for every pixel of every mesh.
//
// The same sum as `with_numpy.face_sums`, where it is explained, in the order and with the names of
// `with_numba`: what that computes before each loop over a block's pixels is computed by `pack`, and what
// stands inside those loops by `face_sums`. A thread keeps nothing but the last vertex and the left cell of
// the edge before: computing the others anew for the next edge takes fewer cycles than reading them from
// memory would. Threads share nothing, and all of a block walk the same edges of the same mesh, so that every
// branch on the mesh is one branch for all of them.
//
// Compiled with REAL (float or double), NEAR (of that precision, see `with_numba`) and THREADS (of a block)
// defined.

typedef REAL real;

struct alignas(16) Point { double x, y, z, path; };
struct alignas(16) Face { double z_x, z_y, l_x, l_y, sign, extent; };
struct alignas(16) Vertex { real x, y, z, decay, shift, unused[3]; };
struct alignas(16) Step { real x, y, z, difference_re, shift, unused[3]; };
struct alignas(16) Cell { real z_x, z_y, re_x, re_y, shift_x, shift_y, sign, limit; };
struct alignas(16) Edge { int first, last, left, right; };
struct Complex { real re, im; };
struct Weight { real x_re, x_im, y_re, y_im; };
struct Vector { real x, y, z; };

// in half turns the argument folds exactly and without the slow path that sincosf has for large ones
__device__ inline void cosine_sine(float phase, float *cosine, float *sine)
{
    sincospif(phase * 0.318309886f, sine, cosine);
}

__device__ inline void cosine_sine(double phase, double *cosine, double *sine)
{
    sincospi(phase * 0.31830988618379067, sine, cosine);
}

// exp(exponent)
__device__ inline Complex value_at(const Vertex &v, const Vector &q)
{
    real cosine, sine;
    cosine_sine(q.z * v.z - q.x * v.x - q.y * v.y - v.shift, &cosine, &sine);
    return {v.decay * cosine, v.decay * sine};
}

// conj(kappa) / |kappa|^2 with the sign; near kappa = 0 it is 0 instead, and `flat` tells
__device__ inline Weight weight_of(const Cell &cell, const Vector &q, bool *flat)
{
    real im_x = q.z * cell.z_x - q.x - cell.shift_x;
    real im_y = q.z * cell.z_y - q.y - cell.shift_y;
    real squared = cell.re_x * cell.re_x + cell.re_y * cell.re_y + im_x * im_x + im_y * im_y;
    bool keep = squared >= cell.limit;
    *flat = *flat || !keep;
    real inverse = keep ? cell.sign / squared : real(0);
    return {inverse * cell.re_x, -inverse * im_x, inverse * cell.re_y, -inverse * im_y};
}

// (e^b - e^a) / (b - a)
__device__ inline Complex mean_far(const Complex &a, const Complex &b, real difference_re,
                                   real difference_im, real squared)
{
    real inverse = real(1) / squared;
    real rise_re = (b.re - a.re) * inverse;
    real rise_im = (b.im - a.im) * inverse;
    return {rise_re * difference_re + rise_im * difference_im,
            rise_im * difference_re - rise_re * difference_im};
}

// (e^a + e^b) / 2 * tanh(d) / d with d = (b - a) / 2, t = d^2
__device__ inline Complex mean_near(const Complex &a, const Complex &b, real difference_re,
                                    real difference_im)
{
    const real t1 = real(-1.0 / 3), t2 = real(2.0 / 15), t3 = real(-17.0 / 315), t4 = real(62.0 / 2835);
    const real t5 = real(-1382.0 / 155925);
    real t_re = real(0.25) * (difference_re * difference_re - difference_im * difference_im);
    real t_im = real(0.5) * difference_re * difference_im;
    real c_re = t4 + t5 * t_re, c_im = t5 * t_im, next;
    next = t3 + t_re * c_re - t_im * c_im, c_im = t_re * c_im + t_im * c_re, c_re = next;
    next = t2 + t_re * c_re - t_im * c_im, c_im = t_re * c_im + t_im * c_re, c_re = next;
    next = t1 + t_re * c_re - t_im * c_im, c_im = t_re * c_im + t_im * c_re, c_re = next;
    next = 1 + t_re * c_re - t_im * c_im, c_im = t_re * c_im + t_im * c_re, c_re = next;
    real sum_re = real(0.5) * (a.re + b.re);
    real sum_im = real(0.5) * (a.im + b.im);
    return {sum_re * c_re - sum_im * c_im, sum_re * c_im + sum_im * c_re};
}

struct Double { double re, im; };

__device__ inline Double operator+(Double a, Double b) { return {a.re + b.re, a.im + b.im}; }
__device__ inline Double operator-(Double a, Double b) { return {a.re - b.re, a.im - b.im}; }
__device__ inline Double operator*(Double a, Double b)
{
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

__device__ inline Double exponent_at(const Point &point, const Vector &q, Double s)
{
    double phase = double(q.z) * point.z - double(q.x) * point.x - double(q.y) * point.y;
    return {-s.re * point.path, phase - s.im * point.path};
}

// `with_numpy._triangle` for one pixel
__device__ Double triangle(const Point &first, const Point &second, const Point &third, const Vector &q,
                           Double s)
{
    double twice_area = (second.x - first.x) * (third.y - first.y)
                        - (second.y - first.y) * (third.x - first.x);
    Double a = exponent_at(first, q, s), b = exponent_at(second, q, s), c = exponent_at(third, q, s);
    Double sum = a + b + c, mean = {sum.re / 3, sum.im / 3};
    a = a - mean, b = b - mean, c = c - mean;
    Double e2 = a * b + b * c + c * a, e3 = a * b * c;
    Double h3 = {0, 0}, h2 = {1, 0}, h1 = {0, 0}, total = {0.5, 0};
    double factorial = 6;
    for (int n = 2; n < 10; ++n) {
        Double h0 = e3 * h3 - e2 * h2;
        h3 = h2, h2 = h1, h1 = h0;
        factorial *= n + 2;
        total.re += h1.re / factorial, total.im += h1.im / factorial;
    }
    double cosine, sine, size = twice_area * exp(mean.re);
    cosine_sine(mean.im, &cosine, &sine);
    return Double{size * cosine, size * sine} * total;
}

__device__ inline Complex edge_sums(const Vertex *vertices, const Step *steps, const Cell *cells,
                                    const Edge *edges, int n_edges, const Vector &q, bool *flat)
{
    const real near_squared = real(NEAR) * real(NEAR);
    Complex out = {0, 0}, a, b = {0, 0};
    Weight here = {0, 0, 0, 0}, there;
    int last = -1, left = -1;
    for (int e = 0; e < n_edges; ++e) {
        const Edge edge = edges[e];
        const Step d = steps[e];
        a = edge.first == last ? b : value_at(vertices[edge.first], q);
        b = value_at(vertices[edge.last], q);
        if (edge.left != left)
            here = weight_of(cells[edge.left], q, flat);
        there = {0, 0, 0, 0};
        if (edge.right >= 0)
            there = weight_of(cells[edge.right], q, flat);
        last = edge.last, left = edge.left;
        real difference_im = q.z * d.z - q.x * d.x - q.y * d.y - d.shift;
        real squared = d.difference_re * d.difference_re + difference_im * difference_im;
        real across_re = (here.x_re - there.x_re) * d.y - (here.y_re - there.y_re) * d.x;
        real across_im = (here.x_im - there.x_im) * d.y - (here.y_im - there.y_im) * d.x;
        Complex mean = squared >= near_squared ? mean_far(a, b, d.difference_re, difference_im, squared)
                                               : mean_near(a, b, d.difference_re, difference_im);
        out.re += across_re * mean.re - across_im * mean.im;
        out.im += across_re * mean.im + across_im * mean.re;
    }
    return out;
}

// What all kernels are given: first what `overlay` made, of which mesh i has counts[3 * i] vertices from number
// starts[3 * i] on, then as many edges and cells; further down what `pack` makes of these, one set after the
// other for each attenuation. Mesh i with its j-th attenuation is row i * `attenuations` + j of `s`, `out` and
// `flat`.
#define ARGUMENTS                                                                                          \
    const Point *__restrict__ points, const Edge *__restrict__ edges, const Face *__restrict__ faces,      \
        const int *__restrict__ loops, const int *__restrict__ counts, const int *__restrict__ starts,     \
        const Double *__restrict__ s, const real *__restrict__ q, const int *__restrict__ wanted,          \
        Vertex *__restrict__ vertices, Step *__restrict__ steps, Cell *__restrict__ cells,                 \
        Complex *__restrict__ out, unsigned char *__restrict__ flat, int corners, int attenuations, int pixels

// where those of a row begin which `pack` makes: 0 vertices, 1 steps, 2 cells
#define PACKED(kind) (attenuations * starts[3 * i + kind] + (row - i * attenuations) * counts[3 * i + kind])

// What is the same for all pixels, computed in double and rounded once: one block a row
extern "C" __global__ void pack(ARGUMENTS)
{
    const unsigned row = blockIdx.x, i = row / attenuations;
    const int *count = counts + 3 * i, *start = starts + 3 * i;
    const Double rate = s[row];
    const Point *own = points + start[0];
    for (int v = threadIdx.x; v < count[0]; v += blockDim.x)
        vertices[PACKED(0) + v] = {real(own[v].x), real(own[v].y), real(own[v].z),
                           real(exp(-rate.re * own[v].path)), real(rate.im * own[v].path)};
    for (int e = threadIdx.x; e < count[1]; e += blockDim.x) {
        const Point a = own[edges[start[1] + e].first], b = own[edges[start[1] + e].last];
        steps[PACKED(1) + e] = {real(b.x - a.x), real(b.y - a.y), real(b.z - a.z),
                        real(-rate.re * (b.path - a.path)), real(rate.im * (b.path - a.path))};
    }
    for (int c = threadIdx.x; c < count[2]; c += blockDim.x) {
        const Face f = faces[start[2] + c];
        cells[PACKED(2) + c] = {real(f.z_x), real(f.z_y), real(-rate.re * f.l_x), real(-rate.re * f.l_y),
                        real(rate.im * f.l_x), real(rate.im * f.l_y), real(f.sign),
                        real((NEAR / f.extent) * (NEAR / f.extent))};
    }
}

// the row, the mesh and the pixel of a thread, its place in `out`, and whether there is work for it
#define PLACE                                                                                              \
    const unsigned tasks_each = (pixels + blockDim.x - 1) / blockDim.x;                                    \
    const unsigned row = blockIdx.x / tasks_each, i = row / attenuations;                                  \
    const int p = blockIdx.x % tasks_each * blockDim.x + threadIdx.x;                                      \
    if (p >= wanted[i])                                                                                    \
        return;                                                                                            \
    const size_t place = (size_t)row * pixels + p;                                                         \
    const Vector at = {q[p], q[pixels + p], q[2 * (size_t)pixels + p]};

extern "C" __global__ void __launch_bounds__(THREADS) face_sums(ARGUMENTS)
{
    PLACE
    bool some_flat = false;
    out[place] = edge_sums(vertices + PACKED(0), steps + PACKED(1), cells + PACKED(2),
                           edges + starts[3 * i + 1], counts[3 * i + 1], at, &some_flat);
    flat[place] = some_flat;
}

// Add the cells near kappa = 0 at the pixels where `face_sums` met some, by the triangles' series, in double:
// a kernel of its own, which leaves the other one more registers
extern "C" __global__ void __launch_bounds__(THREADS) add_flat(ARGUMENTS)
{
    PLACE
    if (!flat[place])
        return;
    const Point *own = points + starts[3 * i];
    Double total = {0, 0};
    for (int c = 0; c < counts[3 * i + 2]; ++c) {
        bool here = false;
        const Cell cell = cells[PACKED(2) + c];
        weight_of(cell, at, &here);
        if (!here)
            continue;
        const int *loop = loops + (starts[3 * i + 2] + c) * corners;
        for (int m = 1; m < corners - 1 && loop[m + 1] >= 0; ++m) {
            Double part = triangle(own[loop[0]], own[loop[m]], own[loop[m + 1]], at, s[row]);
            total.re += cell.sign * part.re, total.im += cell.sign * part.im;
        }
    }
    out[place].re += total.re, out[place].im += total.im;
}
