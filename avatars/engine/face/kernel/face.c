/* The face renderer in C: controls' weights in, one I420 frame out. It draws what renderer.py draws, on the planes that
 * are sent instead of on BGR, and in one pass over the picture.
 *
 * Maps are known at the nodes of a grid, CELL pixels apart, node i at CELL*i + 3.5; between nodes they are linear. The
 * grids here have one more node on each side, so that every pixel lies in a cell of four nodes: cell c holds the pixels
 * CELL*c - 4 to CELL*c + 3. A map says where in the source a pixel comes from.
 *
 * Colours are "linear": Y - 16, U - 128, V - 128 of BT.601 limited range, so that light is a multiplication.
 * Nothing is allocated and nothing is kept but what the session's memory holds.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <smmintrin.h>
#endif

#define CELL 8
#define HALF (CELL / 2)
#define HEAD_COUNT 9
#define SHAPE_COUNT 10
#define SHADE_COUNT 4
#define INVERSION_STEPS 3
#define DAMPING 0.7f
#define CONTOUR_MAX 64
/* How far softening reaches: three sigmas of 4 px. */
#define SOFT_REACH 12
/* Rows of scratch: two rings of softening rows, and for each the one they are made of. */
#define ROW_COUNT (2 * (2 * SOFT_REACH + 2))
/* A pixel that changed by so much is new altogether; so far beyond a new one softening goes on. */
#define FRESH 8.0f
#define NEAR_GAIN 2.5f
#define TABLE 256
#define TOOTH_TABLE 256
#define TOOTH_REACH 0.5f
#define U_OF_B 0.5772f
#define V_OF_R 0.7295f
#define WHITE_Y 219.0f
/* So far from the edges of the moved lips, IOD, a pixel may be that fetches from the other lip. */
#define OWN_LIP_REACH 0.08f
/* Over so much of the mouth's width, from each corner, what is behind the lips comes into sight. */
#define OPENING_FADE 0.10f
/* A narrower opening, IOD, has a softer edge within its lips, not beyond them. */
#define NARROW 0.03f

/* The rows that a loop reads and writes are never the same memory. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

/* Drawn once for full size and once for half: what is known when this is compiled need not be asked for each pixel. */
#define FOR_BOTH_SIZES static inline __attribute__((always_inline))

enum { PHOTO, DRAWING, ANIMAL };

/* One eye over a box of the source with even corners: six maps (rows, columns), and the same at half the size; the skin
 * of its closed lid, three planes as large as the box. */
typedef struct {
    int32_t left, top, columns, rows;
    const float *maps[2];
    const uint8_t *lid[3];
    float centre_x, centre_y, axis_x, axis_y, width_px;
    float iris_x, iris_y, iris_radius, lash, strip, fold_share, largest_aperture;
    int32_t is_painted;
    float paint[3];
} Eye;

typedef struct {
    float cavity[3], tongue[3], tooth[3], bounced_tooth[3], bounce[3], lip_upper[3], lip_lower[3], line[3];
    /* What brings all of this inside a mouth to the person's own: how much contrast is added, and a colour. */
    float contrast, shift[3];
    /* Shadows, as powers and as a share, of blue, green and red. */
    float gain_powers[3], contact_powers[3], roll_shade[3];
} Colours;

typedef struct {
    int32_t width, height, columns, rows;
    int32_t region_column, region_row, region_columns, region_rows;
    int32_t contour_count, kind, is_open, plane_stride, half_stride, block_columns, block_rows, scalar;
    float origin_x, origin_y, right_x, right_y, iod_px;
    float upper_edge, upper_height, meets_y, teeth_rise, hidden_by_rounding;
    const float *head;
    const float *upper, *lower;
    const float *shading;
    const float *contour;
    const float *upper_teeth, *lower_teeth;
    const uint8_t *source[3];
    const uint8_t *plate[3];
    const uint8_t *matte, *matte_half;
    const uint8_t *matte_low, *matte_high;
    const uint8_t *own_teeth;
    const uint8_t *teeth_source[3];
    /* Y, U, V, and how much they cover at full and at half size; and the most of that in each block. */
    const uint8_t *healed[5];
    const uint8_t *healed_high;
    Eye eyes[2];
    Colours colours;
} Avatar;

typedef struct {
    float head[HEAD_COUNT], shapes[SHAPE_COUNT], shade[SHADE_COUNT];
    float blink[2], gaze_px[2];
    float jaw_drop, rounding, tongue, press, tuck, relax;
    int32_t paint_eyes;
    /* Over footage: the similarity that takes the portrait's pixels to those of this picture, and its inverse. */
    int32_t is_posed;
    float pose[6], pose_back[6], pose_scale;
    /* How far skin may move at each node, of 255, where something is in front of the face; else it is NULL. */
    const uint8_t *free;
} Frame;

/* `before` keeps what is drawn over, where that is softened afterwards; else it is NULL. */
typedef struct {
    uint8_t *source[3];
    float *memory;
    uint8_t *before;
    float blur_px;
} Session;

/* ---- curves ---- */

static inline float clampf(float v, float low, float high) { return fminf(fmaxf(v, low), high); }

static inline float smooth(float low, float high, float v) {
    float t = clampf((v - low) / (high - low), 0, 1);
    return t * t * (3 - 2 * t);
}

/* exp of what is not positive, to about 1e-4. */
static inline float fading(float v) {
    float t = fmaxf(v, -80.0f) * 1.44269504f;
    int32_t whole = (int32_t)(t - 0.99999f);
    float part = t - (float)whole;
    union { int32_t bits; float value; } power = {(whole + 127) << 23};
    return power.value * (1 + part * (0.69583f + part * (0.22607f + part * 0.07810f)));
}

static inline float bell(float v, float width) {
    float r = v / width;
    return fading(-r * r);
}

static inline float sigmoid(float v) {
    float e = fading(-fabsf(v));
    return v >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static inline uint8_t byte_of(float v) { return (uint8_t)(int32_t)clampf(v + 0.5f, 0, 255); }

/* ---- fetching pixels ---- */

/* The planes that are fetched together have one size and one stride. */
typedef struct {
    const uint8_t *planes[3];
    uint8_t *out[3];
    int count, stride;
    float limit_x, limit_y;
} Fetch;

static inline uint8_t fetch_one(const uint8_t *plane, int stride, float limit_x, float limit_y, float x, float y) {
    int32_t fixed_x = (int32_t)(clampf(x, 0, limit_x) * 64), fixed_y = (int32_t)(clampf(y, 0, limit_y) * 32768);
    const uint8_t *at = plane + (ptrdiff_t)(fixed_y >> 15) * stride + (fixed_x >> 6);
    int32_t across = fixed_x & 63, down = fixed_y & 32767;
    int32_t top = at[0] * (64 - across) + at[1] * across;
    int32_t bottom = at[stride] * (64 - across) + at[stride + 1] * across;
    return (uint8_t)((top + (((bottom - top) * down + 16384) >> 15) + 32) >> 6);
}

static void fetch_scalar(const Fetch *f, const float *xs, const float *ys, int from, int to) {
    for (int p = 0; p < f->count; p++)
        for (int i = from; i < to; i++)
            f->out[p][i] = fetch_one(f->planes[p], f->stride, f->limit_x, f->limit_y, xs[i], ys[i]);
}

#if defined(__x86_64__)
/* Eight pixels at once. Neighbours come from close by: three rows of sixteen bytes hold them nearly always. */
__attribute__((target("sse4.1"))) static void fetch_sse(const Fetch *f, const float *xs, const float *ys, int n) {
    const __m128 zero = _mm_setzero_ps(), far_x = _mm_set1_ps(f->limit_x), far_y = _mm_set1_ps(f->limit_y);
    const __m128 scale_x = _mm_set1_ps(64), scale_y = _mm_set1_ps(32768);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i x_low = _mm_cvttps_epi32(_mm_mul_ps(_mm_min_ps(_mm_max_ps(_mm_loadu_ps(xs + i), zero), far_x), scale_x));
        __m128i x_high = _mm_cvttps_epi32(_mm_mul_ps(_mm_min_ps(_mm_max_ps(_mm_loadu_ps(xs + i + 4), zero), far_x), scale_x));
        __m128i y_low = _mm_cvttps_epi32(_mm_mul_ps(_mm_min_ps(_mm_max_ps(_mm_loadu_ps(ys + i), zero), far_y), scale_y));
        __m128i y_high = _mm_cvttps_epi32(_mm_mul_ps(_mm_min_ps(_mm_max_ps(_mm_loadu_ps(ys + i + 4), zero), far_y), scale_y));
        __m128i column = _mm_packs_epi32(_mm_srai_epi32(x_low, 6), _mm_srai_epi32(x_high, 6));
        __m128i row = _mm_packs_epi32(_mm_srai_epi32(y_low, 15), _mm_srai_epi32(y_high, 15));
        int first_column = (int16_t)_mm_extract_epi16(column, 0);
        int first = (int16_t)_mm_extract_epi16(row, 0), last = (int16_t)_mm_extract_epi16(row, 7);
        int first_row = first < last ? first : last;
        __m128i dx = _mm_sub_epi16(column, _mm_set1_epi16((short)first_column));
        __m128i dy = _mm_sub_epi16(row, _mm_set1_epi16((short)first_row));
        __m128i beyond = _mm_or_si128(_mm_cmpgt_epi16(dx, _mm_set1_epi16(14)), _mm_cmpgt_epi16(dy, _mm_set1_epi16(1)));
        beyond = _mm_or_si128(beyond, _mm_srai_epi16(_mm_or_si128(dx, dy), 15));
        if (!_mm_testz_si128(beyond, beyond)) {
            fetch_scalar(f, xs, ys, i, i + 8);
            continue;
        }
        const __m128i low_x = _mm_set1_epi32(63), low_y = _mm_set1_epi32(32767);
        __m128i across = _mm_packs_epi32(_mm_and_si128(x_low, low_x), _mm_and_si128(x_high, low_x));
        __m128i down = _mm_packs_epi32(_mm_and_si128(y_low, low_y), _mm_and_si128(y_high, low_y));
        __m128i pairs = _mm_add_epi16(_mm_or_si128(dx, _mm_slli_epi16(dx, 8)), _mm_set1_epi16(0x0100));
        __m128i weights = _mm_or_si128(_mm_sub_epi16(_mm_set1_epi16(64), across), _mm_slli_epi16(across, 8));
        __m128i second = _mm_cmpgt_epi16(dy, _mm_setzero_si128());
        for (int p = 0; p < f->count; p++) {
            const uint8_t *at = f->planes[p] + (ptrdiff_t)first_row * f->stride + first_column;
            __m128i a = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), pairs);
            __m128i b = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(at + f->stride)), pairs);
            __m128i c = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(at + 2 * (ptrdiff_t)f->stride)), pairs);
            __m128i top = _mm_maddubs_epi16(_mm_blendv_epi8(a, b, second), weights);
            __m128i bottom = _mm_maddubs_epi16(_mm_blendv_epi8(b, c, second), weights);
            __m128i sum = _mm_add_epi16(top, _mm_mulhrs_epi16(_mm_sub_epi16(bottom, top), down));
            sum = _mm_srai_epi16(_mm_add_epi16(sum, _mm_set1_epi16(32)), 6);
            _mm_storel_epi64((__m128i *)(f->out[p] + i), _mm_packus_epi16(sum, sum));
        }
    }
    fetch_scalar(f, xs, ys, i, n);
}
#endif

static void fetch(const Avatar *a, const Fetch *f, const float *xs, const float *ys, int n) {
#if defined(__x86_64__)
    if (!a->scalar) {
        fetch_sse(f, xs, ys, n);
        return;
    }
#endif
    (void)a;
    fetch_scalar(f, xs, ys, 0, n);
}

static Fetch luma_fetch(const Avatar *a, const uint8_t *plane, uint8_t *out) {
    return (Fetch){{plane}, {out}, 1, a->plane_stride, a->width - 1.004f, a->height - 1.004f};
}

static Fetch chroma_fetch(const Avatar *a, const uint8_t *u, const uint8_t *v, uint8_t *out_u, uint8_t *out_v) {
    return (Fetch){{u, v}, {out_u, out_v}, 2, a->half_stride, a->width / 2 - 1.004f, a->height / 2 - 1.004f};
}

static void to_chroma(float *xs, float *ys, int n) {
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        xs[i] = (xs[i] - 0.5f) * 0.5f;
        ys[i] = (ys[i] - 0.5f) * 0.5f;
    }
}

/* ---- the memory of a session ---- */

typedef struct {
    float *x, *y;
} Grid;

typedef struct {
    int stride, nodes, row_length;
    Grid head, upper, lower;
    float *light, *tint_u, *tint_v;
    float *forward[2], *back[2], *gain;
    float *nodes_row[6];
    float *rows[ROW_COUNT];
    uint8_t *bytes[4];
} Memory;

static size_t lay_out(const Avatar *a, float *memory, Memory *m) {
    size_t used = 0;
    m->stride = a->columns + 2;
    m->nodes = m->stride * (a->rows + 2);
    m->row_length = CELL * (a->columns + 2) + 16;
    float **whole[] = {&m->head.x, &m->head.y, &m->upper.x, &m->upper.y, &m->lower.x, &m->lower.y,
                       &m->light, &m->tint_u, &m->tint_v};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++, used += m->nodes) *whole[i] = memory + used;
    size_t region = (size_t)a->region_columns * a->region_rows;
    for (int side = 0; side < 2; side++) {
        m->forward[side] = memory + used;
        m->back[side] = memory + used + 2 * region;
        used += 4 * region;
    }
    m->gain = memory + used;
    used += region;
    for (int i = 0; i < 6; i++, used += m->stride + 2) m->nodes_row[i] = memory + used;
    for (int i = 0; i < ROW_COUNT; i++, used += m->row_length) m->rows[i] = memory + used;
    for (int i = 0; i < 4; i++, used += m->row_length / 4 + 8) m->bytes[i] = (uint8_t *)(memory + used);
    return used;
}

/* How many floats of memory a session of this avatar needs. */
size_t face_memory(const Avatar *a) {
    Memory m;
    return lay_out(a, NULL, &m);
}

/* ---- eyes ---- */

enum { MAP_UPPER, MAP_LOWER, MAP_ZONE, MAP_APERTURE, MAP_TRAVEL, MAP_OUTSIDE, MAP_COUNT };

/* One row of an eye, at full size (`half` 0, the plane Y) or at half (the planes U and V). */
FOR_BOTH_SIZES void eye_row(const Avatar *a, const Session *s, const Frame *f, const Eye *e, Memory *m, float blink, int row, const int half) {
    int n = e->columns >> half, rows = e->rows >> half, step = 1 << half;
    const float *map[MAP_COUNT];
    for (int i = 0; i < MAP_COUNT; i++) map[i] = e->maps[half] + ((size_t)i * rows + row) * n;
    float **r = m->rows;
    float *x = r[0], *y = r[1], *at_x = r[2], *at_y = r[3], *drop = r[4], *rise = r[5], *shape = r[6], *lid = r[7];
    float *fetch_x = r[8], *fetch_y = r[9], *line = r[10], *gives = r[14], *rolled = r[15];
    float gaze_x = (f->gaze_px[0] * e->axis_x + f->gaze_px[1] * e->axis_y) / e->width_px;
    float gaze_y = (-f->gaze_px[0] * e->axis_y + f->gaze_px[1] * e->axis_x) / e->width_px;
    float follow = clampf(0.62f * gaze_y, -0.10f, 0.40f * e->largest_aperture) * (1 - blink);
    float widest = fmaxf(e->largest_aperture, 1e-3f), raised = fmaxf(0, gaze_y), px = e->width_px;
    float pull_width = 1.9f * e->iris_radius;
    pull_width = 1 / (pull_width * pull_width);
    float offset = half ? 0.5f : 0.0f;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        at_x[i] = e->left + i * step + offset;
        at_y[i] = e->top + row * step + offset;
        float dx = at_x[i] - e->centre_x, dy = at_y[i] - e->centre_y;
        x[i] = (dx * e->axis_x + dy * e->axis_y) / px;
        y[i] = (dy * e->axis_x - dx * e->axis_y) / px;
        shape[i] = sqrtf(clampf(map[MAP_APERTURE][i] / widest, 0, 1));
        float closing = 0.86f * map[MAP_TRAVEL][i] * blink;
        drop[i] = fmaxf(closing + follow * shape[i], -0.2f * map[MAP_ZONE][i]);
        gives[i] = drop[i] - closing + closing * 0.04f / (0.04f + closing);
        rise[i] = 0.16f * map[MAP_APERTURE][i] * blink - 0.25f * raised * shape[i];
        lid[i] = map[MAP_UPPER][i] + drop[i];
        line[i] = map[MAP_LOWER][i] - rise[i];
    }
    const uint8_t *const *from = a->source;
    int planes = half ? 2 : 1, first = half ? 1 : 0;
    float base = half ? 128 : 16;
    float *ball[2] = {r[11], r[12]}, *colour = r[13], *skin[2] = {r[16], r[17]};
    uint8_t *bytes[2] = {m->bytes[0], m->bytes[1]};
    Fetch fetches = half ? chroma_fetch(a, from[1], from[2], bytes[0], bytes[1]) : luma_fetch(a, from[0], bytes[0]);

#define FETCH_AT(OFFSET_X, OFFSET_Y)                                         \
    for (int i = 0; i < n; i++) {                                            \
        float ox = (OFFSET_X) * px, oy = (OFFSET_Y) * px;                    \
        fetch_x[i] = at_x[i] + ox * e->axis_x - oy * e->axis_y;              \
        fetch_y[i] = at_y[i] + ox * e->axis_y + oy * e->axis_x;              \
    }                                                                        \
    if (half) to_chroma(fetch_x, fetch_y, n);                                \
    fetch(a, &fetches, fetch_x, fetch_y, n);

    /* The eyeball: the iris and what is near it moved, under the shadow of the lid. */
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float dx = x[i] - e->iris_x - gaze_x, dy = y[i] - e->iris_y - gaze_y;
        float near = (dx * dx + dy * dy) * pull_width;
        colour[i] = fading(-near * near);
    }
    FETCH_AT(-gaze_x * colour[i], -gaze_y * colour[i])
    uint8_t *out[2];
    for (int p = 0; p < planes; p++)
        out[p] = s->source[first + p] + (ptrdiff_t)((e->top >> half) + row) * (half ? a->half_stride : a->plane_stride) + (e->left >> half);
    if (e->is_painted) {
        /* As an animator closes an eye: paint of the skin's colour, with a line where it ends. */
        const uint8_t *was[2];
        for (int p = 0; p < planes; p++) was[p] = from[first + p] + (out[p] - s->source[first + p]);
        for (int i = 0; i < n; i++) lid[i] = map[MAP_UPPER][i] + map[MAP_APERTURE][i] * blink;
        float drawn = 0.8f * fminf(1, 4 * blink);
        for (int i = 0; i < n; i++) {
            int before = i > 0 ? i - 1 : 0, after = i < n - 1 ? i + 1 : n - 1;
            float slope = (lid[after] - lid[before]) / ((after - before) * step) * px;
            float dark = 1 - drawn * bell((y[i] - lid[i]) / sqrtf(1 + slope * slope), 0.026f);
            float over = clampf((lid[i] - y[i]) * px + 0.5f, 0, 1) * clampf((y[i] - map[MAP_UPPER][i]) * px + 0.5f, 0, 1);
            int within = map[MAP_APERTURE][i] > 0 && y[i] > map[MAP_UPPER][i] - 0.02f && y[i] < map[MAP_LOWER][i] + 0.02f;
            for (int p = 0; p < planes; p++) {
                float value = bytes[p][i] - base;
                value += (e->paint[first + p] - value) * over;
                out[p][i] = within ? byte_of(value * dark + base) : was[p][i];
            }
        }
        return;
    }
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float cover = clampf(drop[i] / fmaxf(map[MAP_APERTURE][i], 0.02f), 0, 1) * (1 - map[MAP_OUTSIDE][i]);
        float light = 1 - 0.22f * (1 - 0.5f * blink) * cover * bell(y[i] - lid[i] - 0.045f, 0.055f);
        for (int p = 0; p < planes; p++) ball[p][i] = (bytes[p][i] - base) * light;
    }
    /* The lower lid. */
    FETCH_AT(0, rise[i] * smooth(0.45f, 0, y[i] - line[i]) - drop[i] * map[MAP_OUTSIDE][i] * bell(fmaxf(0, y[i] - lid[i]), 0.09f))
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float alpha = clampf((y[i] - line[i]) * px + 0.5f, 0, 1);
        for (int p = 0; p < planes; p++) ball[p][i] += (bytes[p][i] - base - ball[p][i]) * alpha;
    }
    /* The upper lid: a strip at the lashes goes as it is, the skin over the fold gives way a little. */
    float strip = e->strip;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float zone = map[MAP_ZONE][i], top = map[MAP_UPPER][i] - zone;
        float stretch = (zone - strip) / fmaxf(zone - strip + gives[i], 0.02f);
        float stretched = fminf(top + (y[i] - top) * stretch, map[MAP_UPPER][i] - strip);
        float fetched = y[i] > lid[i] - strip ? y[i] - drop[i] : stretched;
        colour[i] = (y[i] > top ? fetched : y[i]) - y[i];
    }
    FETCH_AT(0, colour[i])
    INDEPENDENT
    for (int i = 0; i < n; i++)
        for (int p = 0; p < planes; p++) skin[p][i] = bytes[p][i] - base;
    if (blink > 0) {
        /* Between the two, the lid rolled out from under the fold. */
        float rolls = smooth(0, 0.3f, blink);
        INDEPENDENT
        for (int i = 0; i < n; i++) {
            float zone = map[MAP_ZONE][i], edge = 0.03f + 0.25f * zone;
            rolled[i] = rolls * smooth(-edge, edge, y[i] - map[MAP_UPPER][i] + e->fold_share * zone - gives[i]) *
                        smooth(0.4f * strip, 1.3f * strip, lid[i] - y[i]) * smooth(0.05f, 0.45f, map[MAP_TRAVEL][i] / widest);
            float below = (0.86f * map[MAP_TRAVEL][i] - drop[i]) * px;
            fetch_x[i] = i * step + offset - below * e->axis_y;
            fetch_y[i] = row * step + offset + below * e->axis_x;
        }
        if (half) to_chroma(fetch_x, fetch_y, n);
        Fetch of_lid = {{e->lid[first], e->lid[2]}, {bytes[0], bytes[1]}, planes, n, n - 1.004f, rows - 1.004f};
        fetch(a, &of_lid, fetch_x, fetch_y, n);
        INDEPENDENT
        for (int i = 0; i < n; i++)
            for (int p = 0; p < planes; p++) skin[p][i] += (bytes[p][i] - base - skin[p][i]) * rolled[i];
    }
    float lash = (0.14f + 0.42f * e->lash) * blink, lash_width = fmaxf(0.022f, 1.1f / px);
    float hanging = lash_width + 0.03f * e->lash;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float above = lid[i] - y[i];
        float crease = 0.10f * blink * (1 - 0.4f * blink) * shape[i] * bell(above - 0.13f - 0.3f * drop[i], 0.035f);
        float dome = 0.09f * blink * shape[i] * bell(above - 0.5f * drop[i], 0.10f);
        float alpha = clampf(above * px + 0.5f, 0, 1);
        float from_line = -above - 0.004f;
        float dark = 1 - lash * shape[i] * smooth(0.5f, 0.36f, fabsf(x[i])) * bell(from_line, from_line > 0 ? hanging : lash_width);
        for (int p = 0; p < planes; p++) {
            float value = ball[p][i] + (skin[p][i] * (1 - crease + dome) - ball[p][i]) * alpha;
            out[p][i] = byte_of(value * dark + base);
        }
    }
#undef FETCH_AT
}

static void paint_eyes(const Avatar *a, const Session *s, const Frame *f, Memory *m) {
    for (int k = 0; k < 2; k++) {
        const Eye *e = &a->eyes[k];
        int as_it_was = f->blink[k] == 0 && f->gaze_px[0] == 0 && f->gaze_px[1] == 0;
        if (!as_it_was) {
            for (int row = 0; row < e->rows; row++) eye_row(a, s, f, e, m, f->blink[k], row, 0);
            for (int row = 0; row < e->rows / 2; row++) eye_row(a, s, f, e, m, f->blink[k], row, 1);
            continue;
        }
        for (int half = 0; half < 2; half++)
            for (int row = 0; row < e->rows >> half; row++) {
                int stride = half ? a->half_stride : a->plane_stride;
                ptrdiff_t at = (ptrdiff_t)((e->top >> half) + row) * stride + (e->left >> half);
                for (int p = half; p <= 2 * half; p++) memcpy(s->source[p] + at, a->source[p] + at, e->columns >> half);
            }
    }
}

/* ---- grids ---- */

/* Writes the outer ring of a grid of places: the displacement goes on outside, the place moves on by one cell. */
static void pad(const Avatar *a, const Memory *m, Grid g) {
    int stride = m->stride, last_column = a->columns, last_row = a->rows;
    for (int r = 1; r <= last_row; r++) {
        float *x = g.x + r * stride, *y = g.y + r * stride;
        x[0] = x[1] - CELL;
        y[0] = y[1];
        x[last_column + 1] = x[last_column] + CELL;
        y[last_column + 1] = y[last_column];
    }
    for (int c = 0; c < stride; c++) {
        g.x[c] = g.x[stride + c];
        g.y[c] = g.y[stride + c] - CELL;
        g.x[(last_row + 1) * stride + c] = g.x[last_row * stride + c];
        g.y[(last_row + 1) * stride + c] = g.y[last_row * stride + c] + CELL;
    }
}

/* Over footage: the head is where the picture has it. */
static void follow_head(const Avatar *a, const Frame *f, Memory *m) {
    const float *back = f->pose_back;
    for (int r = 0; r < a->rows; r++)
        for (int c = 0; c < a->columns; c++) {
            size_t i = (size_t)(r + 1) * m->stride + 1 + c;
            float x = CELL * c + 3.5f, y = CELL * r + 3.5f;
            m->head.x[i] = back[0] * x + back[1] * y + back[2];
            m->head.y[i] = back[3] * x + back[4] * y + back[5];
        }
    pad(a, m, m->head);
}

/* Where each node looks with only the head posed; returns whether the head has moved at all. */
static int pose_head(const Avatar *a, const Frame *f, Memory *m) {
    float largest = 0;
    size_t field = (size_t)a->columns * a->rows * 2;
    for (int r = 0; r < a->rows; r++) {
        float *gx = m->head.x + (r + 1) * m->stride + 1, *gy = m->head.y + (r + 1) * m->stride + 1;
        const float *h = a->head + (size_t)r * a->columns * 2;
        float far = 0;
        for (int c = 0; c < a->columns; c++) {
            float dx = 0, dy = 0;
            for (int k = 0; k < HEAD_COUNT; k++) {
                dx += f->head[k] * h[k * field + 2 * c];
                dy += f->head[k] * h[k * field + 2 * c + 1];
            }
            far = fmaxf(far, fmaxf(fabsf(dx), fabsf(dy)));
            gx[c] = CELL * c + 3.5f - dx;
            gy[c] = CELL * r + 3.5f - dy;
        }
        largest = fmaxf(largest, far);
    }
    int moved = largest > 0.01f;
    if (!moved)
        for (int r = 0; r < a->rows; r++)
            for (int c = 0; c < a->columns; c++) {
                m->head.x[(r + 1) * m->stride + 1 + c] = CELL * c + 3.5f;
                m->head.y[(r + 1) * m->stride + 1 + c] = CELL * r + 3.5f;
            }
    pad(a, m, m->head);
    return moved;
}

typedef struct {
    float x, y;
} Pair;

static inline Pair look_up(const float *field, int columns, int rows, float x, float y) {
    x = clampf(x, 0, columns - 1.0001f);
    y = clampf(y, 0, rows - 1.0001f);
    int column = (int)x, row = (int)y;
    float right = x - column, down = y - row;
    const float *at = field + ((size_t)row * columns + column) * 2, *below = at + 2 * columns;
    float top_x = at[0] + (at[2] - at[0]) * right, top_y = at[1] + (at[3] - at[1]) * right;
    float low_x = below[0] + (below[2] - below[0]) * right, low_y = below[1] + (below[3] - below[1]) * right;
    return (Pair){top_x + (low_x - top_x) * down, top_y + (low_y - top_y) * down};
}

static void mix(const float *fields, const float *weights, int count, size_t length, float *out) {
    memset(out, 0, length * sizeof *out);
    for (int k = 0; k < count; k++) {
        if (weights[k] == 0) continue;
        const float *field = fields + k * length;
        for (size_t i = 0; i < length; i++) out[i] += weights[k] * field[i];
    }
}

/* For each node the way to where its pixel comes from: b with b(p) = -f(p + b). */
static void invert(const float *forward, int columns, int rows, float *back) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            size_t i = ((size_t)r * columns + c) * 2;
            float x = -forward[i], y = -forward[i + 1];
            for (int step = 0; step < INVERSION_STEPS; step++) {
                Pair moved = look_up(forward, columns, rows, c + x / CELL, r + y / CELL);
                x += DAMPING * (-moved.x - x);
                y += DAMPING * (-moved.y - y);
            }
            back[i] = x;
            back[i + 1] = y;
        }
}

/* A displacement in the portrait as it is in the picture. */
static inline Pair turned(const Frame *f, Pair way) {
    if (!f->is_posed) return way;
    return (Pair){f->pose[0] * way.x + f->pose[1] * way.y, f->pose[3] * way.x + f->pose[4] * way.y};
}

/* The maps above and below the seam, and the light on the moving skin; returns whether there is any such light. */
static int move_mouth(const Avatar *a, const Frame *f, Memory *m) {
    int columns = a->region_columns, rows = a->region_rows;
    size_t region = (size_t)columns * rows;
    mix(a->upper, f->shapes, SHAPE_COUNT, 2 * region, m->forward[0]);
    mix(a->lower, f->shapes, SHAPE_COUNT, 2 * region, m->forward[1]);
    for (int side = 0; side < 2; side++) invert(m->forward[side], columns, rows, m->back[side]);
    const float *powers = a->colours.gain_powers;
    int lit = 0;
    if (a->shading) {
        mix(a->shading, f->shade, SHADE_COUNT, region, m->gain);
        float largest = 0;
        for (size_t i = 0; i < region; i++) largest = fmaxf(largest, fabsf(m->gain[i]));
        lit = largest >= 0.004f;
    }
    if (lit)
        for (int i = 0; i < m->nodes; i++) {
            m->light[i] = 1;
            m->tint_u[i] = m->tint_v[i] = 0;
        }
    for (int r = 0; r < a->rows; r++)
        for (int c = 0; c < a->columns; c++) {
            size_t i = (size_t)(r + 1) * m->stride + c + 1;
            float x = m->head.x[i], y = m->head.y[i];
            float at_x = (x - 3.5f) / CELL - a->region_column, at_y = (y - 3.5f) / CELL - a->region_row;
            /* Over footage pixels come from the picture that is shown, not from the portrait. */
            float from_x = f->is_posed ? CELL * c + 3.5f : x, from_y = f->is_posed ? CELL * r + 3.5f : y;
            m->upper.x[i] = m->lower.x[i] = from_x;
            m->upper.y[i] = m->lower.y[i] = from_y;
            int in_region = f->is_posed
                                ? at_x > -0.5f && at_x < columns - 0.5f && at_y > -0.5f && at_y < rows - 0.5f
                                : r >= a->region_row && r < a->region_row + rows && c >= a->region_column && c < a->region_column + columns;
            if (!in_region) continue;
            Pair up = look_up(m->back[0], columns, rows, at_x, at_y), low = look_up(m->back[1], columns, rows, at_x, at_y);
            float free = f->free ? f->free[(size_t)r * a->columns + c] / 255.0f : 1;
            up = (Pair){up.x * free, up.y * free}, low = (Pair){low.x * free, low.y * free};
            Pair up_here = turned(f, up), low_here = turned(f, low);
            m->upper.x[i] += up_here.x;
            m->upper.y[i] += up_here.y;
            m->lower.x[i] += low_here.x;
            m->lower.y[i] += low_here.y;
            if (!lit) continue;
            float gain_x = clampf(at_x + (up.x + low.x) / (2 * CELL), 0, columns - 1.0001f);
            float gain_y = clampf(at_y + (up.y + low.y) / (2 * CELL), 0, rows - 1.0001f);
            int column = (int)gain_x, row = (int)gain_y;
            float right = gain_x - column, down = gain_y - row;
            const float *at = m->gain + (size_t)row * columns + column;
            float top = at[0] + (at[1] - at[0]) * right, bottom = at[columns] + (at[columns + 1] - at[columns]) * right;
            float gain = (top + (bottom - top) * down) * free;
            float blue = expf(powers[0] * gain), green = expf(powers[1] * gain), red = expf(powers[2] * gain);
            float light = 0.114f * blue + 0.587f * green + 0.299f * red;
            m->light[i] = light;
            m->tint_u[i] = U_OF_B * (blue - light) / light;
            m->tint_v[i] = V_OF_R * (red - light) / light;
        }
    pad(a, m, m->upper);
    pad(a, m, m->lower);
    return lit;
}

/* ---- the mouth of one frame ---- */

typedef struct {
    float upper[TABLE + 2], lower[TABLE + 2];
    float low, high, scale;
    /* The lips as the source has them, over their width. */
    float still_upper[TABLE + 2], still_lower[TABLE + 2];
    float still_low, still_high, still_scale;
    float widest, centre, half, light;
    float sharpness, roll_amount, roll_sigma, shown;
    int left, right, top, bottom;
    int draws_inside;
} Mouth;

/* The pixel in which a point of the face is seen. */
static Pair place(const Avatar *a, const Frame *f, const Memory *m, float x, float y) {
    float px = a->origin_x + (x * a->right_x - y * a->right_y) * a->iod_px;
    float py = a->origin_y + (x * a->right_y + y * a->right_x) * a->iod_px;
    if (f->is_posed) {
        const float *pose = f->pose;
        return (Pair){pose[0] * px + pose[1] * py + pose[2], pose[3] * px + pose[4] * py + pose[5]};
    }
    float gx = clampf((px - 3.5f) / CELL + 1, 0, m->stride - 1.0001f);
    float gy = clampf((py - 3.5f) / CELL + 1, 0, m->nodes / m->stride - 1.0001f);
    int column = (int)gx, row = (int)gy;
    float right = gx - column, down = gy - row;
    const float *sides[2] = {m->head.x, m->head.y};
    float moved[2];
    for (int k = 0; k < 2; k++) {
        const float *at = sides[k] + row * m->stride + column, *below = at + m->stride;
        float top = at[0] + (at[1] - at[0]) * right, bottom = below[0] + (below[1] - below[0]) * right;
        moved[k] = top + (bottom - top) * down;
    }
    /* The grid tells where a pixel looks; mirrored that is where a place of the source is seen. */
    float near_x = (gx - 1) * CELL + 3.5f, near_y = (gy - 1) * CELL + 3.5f;
    return (Pair){px - (moved[0] - near_x), py - (moved[1] - near_y)};
}

static void fill_table(const float *xs, const float *ys, int count, float low, float high, float *table) {
    int k = 0;
    for (int i = 0; i <= TABLE; i++) {
        float x = low + (high - low) * i / TABLE;
        while (k < count - 2 && xs[k + 1] < x) k++;
        float t = clampf((x - xs[k]) / fmaxf(xs[k + 1] - xs[k], 1e-6f), 0, 1);
        table[i] = ys[k] + (ys[k + 1] - ys[k]) * t;
    }
    table[TABLE + 1] = table[TABLE];
}

static void find_mouth(const Avatar *a, const Frame *f, const Memory *m, Mouth *o) {
    int count = a->contour_count;
    float xs[2][CONTOUR_MAX], ys[2][CONTOUR_MAX];
    const float *base_x = a->contour, *moves = a->contour + 3 * count;
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < count; i++) {
            float x = base_x[i], y = a->contour[(1 + side) * count + i];
            for (int k = 0; k < SHAPE_COUNT; k++) {
                const float *move = moves + (((size_t)side * SHAPE_COUNT + k) * count + i) * 2;
                x += f->shapes[k] * move[0];
                y += f->shapes[k] * move[1];
            }
            xs[side][i] = x;
            ys[side][i] = y;
        }
    float left = 1e9f, top = 1e9f, right = -1e9f, bottom = -1e9f;
    for (int i = 0; i < count; i++) {
        if (ys[1][i] < ys[0][i]) ys[0][i] = ys[1][i] = (ys[0][i] + ys[1][i]) / 2;
        for (int side = 0; side < 2; side++) {
            Pair p = place(a, f, m, xs[side][i], ys[side][i]);
            left = fminf(left, p.x), right = fmaxf(right, p.x);
            top = fminf(top, p.y), bottom = fmaxf(bottom, p.y);
        }
    }
    float iod = a->iod_px * (f->is_posed ? f->pose_scale : 1);
    /* Over footage nothing is healed outside of the box. */
    int wide = a->healed[0] && f->is_posed;
    float sideways = (wide ? 0.20f : 0.08f) * iod + 2, margin = (wide ? 0.15f : 0.08f) * iod + 2;
    /* Whole cells to the sides and even rows, so that luma, chroma and the runs beside the mouth share their borders. */
    o->left = ((int)fmaxf(left - sideways, 0) + HALF) / CELL * CELL - HALF;
    o->right = ((int)clampf(right + sideways, 0, a->width - 1) + HALF) / CELL * CELL + HALF;
    o->top = (int)fmaxf(top - margin, 0) & ~1;
    o->bottom = ((int)clampf(bottom + margin, 0, a->height - 1) + 2) & ~1;
    if (o->bottom > a->height) o->bottom = a->height;

    o->low = fminf(xs[0][0], xs[1][0]);
    o->high = fmaxf(fmaxf(xs[0][count - 1], xs[1][count - 1]), o->low + 1e-3f);
    o->scale = TABLE / (o->high - o->low);
    fill_table(xs[0], ys[0], count, o->low, o->high, o->upper);
    fill_table(xs[1], ys[1], count, o->low, o->high, o->lower);
    o->still_low = base_x[0];
    o->still_high = base_x[count - 1];
    o->still_scale = TABLE / (o->still_high - o->still_low);
    fill_table(base_x, base_x + count, count, o->still_low, o->still_high, o->still_upper);
    fill_table(base_x, base_x + 2 * count, count, o->still_low, o->still_high, o->still_lower);
    o->widest = 0;
    for (int i = 0; i <= TABLE; i++) o->widest = fmaxf(o->widest, o->lower[i] - o->upper[i]);
    float first = 1e9f, last = -1e9f;
    for (int i = 0; i <= TABLE; i++)
        if (o->lower[i] - o->upper[i] > 0.12f * o->widest) {
            float x = o->low + i / o->scale;
            first = fminf(first, x);
            last = fmaxf(last, x);
        }
    if (first > last) first = -0.1f, last = 0.1f;
    o->half = fmaxf(0.05f, (last - first) / 2);
    o->centre = (first + last) / 2;
    o->sharpness = a->iod_px / (1 + 2.75f * fmaxf(0.6f, 0.007f * a->iod_px));
    o->draws_inside = o->widest > 0.005f;
    o->roll_amount = a->kind != DRAWING ? 0.42f * smooth(0.004f, 0.03f, o->widest) : 0;
    o->roll_sigma = 0.020f;
    o->shown = smooth(0.006f, 0.03f, o->widest);
    o->light = clampf(0.36f + 0.64f * o->widest / 0.13f, 0.36f, 1) * clampf(0.62f + 0.38f * o->half / 0.30f, 0.6f, 1) *
               (1 - 0.36f * f->rounding);
}

/* The inner lips at x: tables over the width of the mouth, level beyond its corners. */
static void lips_at(const Mouth *o, const float *x, int n, float *upper, float *lower) {
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float at = clampf((x[i] - o->low) * o->scale, 0, TABLE);
        int k = (int)at;
        float t = at - k;
        upper[i] = o->upper[k] + (o->upper[k + 1] - o->upper[k]) * t;
        lower[i] = o->lower[k] + (o->lower[k + 1] - o->lower[k]) * t;
    }
}

static void to_face(const Avatar *a, const float *px, const float *py, int n, float *x, float *y) {
    float scale = 1 / a->iod_px;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float dx = px[i] - a->origin_x, dy = py[i] - a->origin_y;
        x[i] = (dx * a->right_x + dy * a->right_y) * scale;
        y[i] = (dy * a->right_x - dx * a->right_y) * scale;
    }
}

/* Only in the mouth's box are rows parted at the seam pixel by pixel. Beside it the nodes are: what is below the seam goes
 * with the lower side, as it does in the rows below the box. */
static void part_beside(const Avatar *a, Memory *m, const Mouth *o) {
    int from_cell = (o->left + HALF) / CELL, to_cell = (o->right + HALF) / CELL;
    float *x = m->rows[0], *y = m->rows[1], *upper = m->rows[2], *lower = m->rows[3];
    for (int r = (o->top + HALF) / CELL; r <= (o->bottom + HALF) / CELL + 1 && r <= a->rows + 1; r++) {
        size_t row = (size_t)r * m->stride;
        to_face(a, m->head.x + row, m->head.y + row, m->stride, x, y);
        lips_at(o, x, m->stride, upper, lower);
        for (int c = 0; c < m->stride; c++) {
            if ((c > from_cell && c < to_cell) || y[c] <= (upper[c] + lower[c]) / 2) continue;
            m->upper.x[row + c] = m->lower.x[row + c];
            m->upper.y[row + c] = m->lower.y[row + c];
        }
    }
}

/* What is behind the lips, for one row of places: into one plane (Y) or two (U, V). See interior.py. */
FOR_BOTH_SIZES void deep_inside(const Avatar *a, const Frame *f, const Mouth *o, int n, const float *x, const float *y,
                         const float *upper, const float *lower, const float *const own[3], const float *own_alpha,
                         float *const out[2], const int planes, const int has_teeth, const int has_own, float *const spare[4]) {
    const Colours *c = &a->colours;
    int first = planes == 1 ? 0 : 1;
    float light = o->light, height = fmaxf(o->widest, 1e-3f), drop = f->jaw_drop;
    float wet_amount = 0.19f * fminf(1, o->widest / 0.15f), white = planes == 1 ? WHITE_Y * light : 0;
    float *low_shade = spare[0], *low_rise = spare[1], *up_shade = spare[2], *up_rise = spare[3];
    const float index = (TOOTH_TABLE - 1) / (2 * TOOTH_REACH);
    if (has_teeth)
        for (int i = 0; i < n; i++) {
            int k = (int)clampf((x[i] - o->centre + TOOTH_REACH) * index, 0, TOOTH_TABLE - 1);
            low_shade[i] = a->lower_teeth[2 * k];
            low_rise[i] = a->lower_teeth[2 * k + 1];
        }
    if (has_teeth && !has_own)
        INDEPENDENT
        for (int i = 0; i < n; i++) {
            int k = (int)clampf((x[i] - o->centre * 0.3f + TOOTH_REACH) * index, 0, TOOTH_TABLE - 1);
            up_shade[i] = a->upper_teeth[2 * k];
            up_rise[i] = a->upper_teeth[2 * k + 1];
        }
    float seen = 1 - a->hidden_by_rounding * smooth(0.15f, 0.85f, f->rounding);
    float own_tint = smooth(0.02f, 0.05f, o->widest);
    /* What the lips throw back, as much of blue, of white and of red. */
    float back_y = c->bounce[0], back_u = back_y + c->bounce[1] / U_OF_B, back_v = back_y + c->bounce[2] / V_OF_R;
    float tint_u = U_OF_B * (back_u - back_y), tint_v = V_OF_R * (back_v - back_y);
    float press = f->press > 0.5f ? 0.03f : 0;
    float band = fmaxf(0.004f, fminf(0.020f + 0.016f * f->rounding, (0.16f + 0.22f * f->rounding) * o->widest));
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float from_centre = x[i] - o->centre, across = fabsf(from_centre) / o->half, depth = y[i] - upper[i];
        float across2 = across * across;
        float cavity = fmaxf((0.72f + 0.45f * depth / height - 0.20f * across2) * (0.55f + 0.45f * light), 0.2f);
        float bulge = from_centre / 0.34f;
        float below = y[i] - a->meets_y - (0.34f * drop + 0.030f - 0.105f * f->tongue + 0.16f * bulge * bulge);
        float furrow = 1 - 0.22f * bell(from_centre, 0.022f) * smooth(0.02f, 0.09f, below);
        float edge_dark = fminf(across, 1);
        float tongue = light * (0.48f + 0.54f * smooth(-0.02f, 0.13f, below)) * furrow * (1 - 0.35f * edge_dark * edge_dark);
        float wet = wet_amount * (bell(fabsf(from_centre - 0.01f) - 0.075f, 0.035f) * bell(below - 0.055f, 0.016f) +
                                  0.5f * bell(from_centre + 0.05f, 0.02f) * bell(below - 0.10f, 0.012f));
        float tongue_alpha = smooth(-0.02f, 0.055f, below);
        float from_lower = lower[i] - y[i];
        float enclosed = (0.62f + 0.38f * smooth(0, 0.05f, depth)) * (0.65f + 0.35f * smooth(0, 0.04f, from_lower));
        float direct = light * seen * enclosed;
        float corner = 1 - 0.45f * smooth(0.50f, 1.05f, across);
        float low_alpha = 0, low_light = 0, under = 1, up_alpha = 0, up_light = 0;
        if (has_teeth) {
            float bow = from_centre / 0.2f;
            float low_edge = a->meets_y + drop + 0.020f + press + 0.012f * bow * bow + low_rise[i];
            low_alpha = seen * clampf((y[i] - low_edge) * a->iod_px + 0.5f, 0, 1) * smooth(1.05f, 0.8f, across);
            low_light = fmaxf(low_shade[i] * (0.60f - 0.30f * across2) * clampf(0.30f + depth / 0.20f, 0.25f, 1), 0) * direct;
        }
        if (has_own) {
            up_light = (1 - 0.45f * smooth(0.45f, 1.05f, across)) * clampf(0.66f + depth / 0.10f, 0.66f, 1) *
                       (0.30f + 0.70f * light) * seen * enclosed;
            up_alpha = own_alpha[i] * seen;
        } else if (has_teeth) {
            float edge = a->meets_y + a->upper_edge - up_rise[i], past = y[i] - edge;
            float shadow = 0.30f * fading(-fmaxf(past, 0) / 0.025f);
            under = past > 0 ? 1 - shadow : 1;
            up_alpha = seen * clampf(-past * a->iod_px * 0.6f + 0.5f, 0, 1) *
                       smooth(edge - a->upper_height - 0.01f, edge - a->upper_height + 0.01f, y[i]) * smooth(1.12f, 0.92f, across);
            up_light = 0.88f * up_shade[i] * (1 - 0.55f * smooth(0.35f, 1, across)) * clampf(0.60f + depth / 0.10f, 0.60f, 1) *
                       (1 - 0.10f * smooth(0.03f, 0, -past)) * direct;
        }
        /* Teeth that rest on the lower lip stand in front of the mouth, in more of the light. */
        up_light += f->tuck * (0.62f - up_light);
        float rim = 1 - 0.6f * smooth(0.6f, 1, across);
        float lip_up = 0.85f * rim * smooth(1.1f * band, 0.15f * band, depth);
        float lip_low = 0.90f * rim * smooth(1.25f * band, 0.1f * band, from_lower);
        float highlight = planes == 1 ? WHITE_Y * 0.5f * 0.16f * bell(from_lower - 0.45f * band, 0.3f * band) : 0;
        float tint = has_own ? own_tint * (1 - own_alpha[i]) : own_tint;
        for (int p = 0; p < planes; p++) {
            int k = first + p;
            float v = c->cavity[k] * cavity;
            v += (c->tongue[k] * tongue + white * wet - v) * tongue_alpha;
            v *= enclosed;
            if (has_teeth) {
                float behind = c->bounced_tooth[k], before = c->tooth[k] - behind;
                v += (behind + before * low_light - v) * low_alpha;
                v *= under;
                float tooth = behind + before * up_light;
                if (has_own) {
                    float rest = 1 - up_light, own_luma = own[0][i];
                    tooth = k == 0   ? own_luma * (up_light + rest * back_y)
                            : k == 1 ? own[1][i] * (up_light + rest * back_u) + own_luma * rest * tint_u
                                     : own[2][i] * (up_light + rest * back_v) + own_luma * rest * tint_v;
                }
                v += (tooth * corner - v) * up_alpha;
            }
            v += (c->lip_upper[k] - v) * lip_up;
            v += (c->lip_lower[k] + highlight - v) * lip_low;
            out[p][i] = v + (v * c->contrast + c->shift[k]) * tint;
        }
    }
}

/* A drawn mouth: one dark colour and a tongue. */
static void drawn_inside(const Avatar *a, const Mouth *o, int n, const float *x, const float *y, const float *upper,
                        const float *lower, float *const out[2], int planes) {
    float shown = smooth(0.03f, 0.08f, o->widest);
    int first = planes == 1 ? 0 : 1;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float bulge = x[i] / 0.3f;
        float top = upper[i] + 0.62f * fmaxf(lower[i] - upper[i], 0.02f) + 0.10f * bulge * bulge;
        float alpha = clampf((y[i] - top) * a->iod_px * 0.7f + 0.5f, 0, 1) * shown;
        for (int p = 0; p < planes; p++) {
            float cavity = a->colours.cavity[first + p];
            out[p][i] = cavity + (a->colours.tongue[first + p] - cavity) * alpha;
        }
    }
}

/* ---- rows ---- */

/* One row of nodes between two rows of a grid. */
static void node_row(const float *grid, int stride, int cell_row, float t, float *out) {
    const float *above = grid + cell_row * stride, *below = above + stride;
    for (int i = 0; i < stride; i++) out[i] = above[i] + (below[i] - above[i]) * t;
}

/* A row of nodes to a row of pixels; the pixel x is at index x + 4 (at half size: j + 2). */
static void spread(const float *nodes, int from_cell, int to_cell, float *out) {
    for (int c = from_cell; c < to_cell; c++) {
        float start = nodes[c], step = (nodes[c + 1] - start) / CELL;
        float *at = out + CELL * c;
        for (int j = 0; j < CELL; j++) at[j] = start + step * (j + 0.5f);
    }
}

static void spread_half(const float *nodes, int from_cell, int to_cell, float *out) {
    for (int c = from_cell; c < to_cell; c++) {
        float start = nodes[c], step = (nodes[c + 1] - start) / CELL;
        float *at = out + HALF * c;
        for (int j = 0; j < HALF; j++) at[j] = start + step * (2 * j + 1);
    }
}

static inline uint8_t blend_byte(uint8_t below, uint8_t above, uint8_t alpha) {
    uint32_t v = below * (255u - alpha) + above * (uint32_t)alpha + 128;
    return (uint8_t)((v + (v >> 8)) >> 8);
}

static void blend_row(const uint8_t *plate, const uint8_t *alpha, uint8_t *out, int n) {
    for (int i = 0; i < n; i++) out[i] = blend_byte(plate[i], out[i], alpha[i]);
}

enum { AS_PLATE, AS_SOURCE, AS_MOVED, AS_RIM };

typedef struct {
    const Avatar *a;
    const Session *s;
    const Frame *f;
    Memory m;
    Mouth mouth;
    uint8_t *out[3];
    int moved, speaking, lit, heals;
} Drawing;

/* How the cells of a cell row are made. The matte is known for blocks of the source, its least and its most. */
static void classify(const Drawing *d, int cell_row, int uses_upper, int uses_lower, uint8_t *classes, uint8_t *shaded, uint8_t *mended) {
    const Avatar *a = d->a;
    const Memory *m = &d->m;
    for (int c = 0; c <= a->columns; c++) {
        float left = 1e9f, right = -1e9f, top = 1e9f, bottom = -1e9f, furthest = 0;
        for (int side = 0; side < 2; side++) {
            if (!(side ? uses_lower : uses_upper)) continue;
            Grid g = side ? m->lower : m->upper;
            for (int corner = 0; corner < 4; corner++) {
                int row = cell_row + (corner >> 1), column = c + (corner & 1);
                float x = g.x[row * m->stride + column], y = g.y[row * m->stride + column];
                left = fminf(left, x), right = fmaxf(right, x);
                top = fminf(top, y), bottom = fmaxf(bottom, y);
                furthest = fmaxf(furthest, fabsf(x - (CELL * (column - 1) + 3.5f)));
                furthest = fmaxf(furthest, fabsf(y - (CELL * (row - 1) + 3.5f)));
            }
        }
        int low = 255, high = d->moved ? 0 : 255, cover = 0;
        if (d->moved || d->heals) {
            int c0 = (int)clampf(left, 0, a->width - 1) / CELL, c1 = (int)clampf(right, 0, a->width - 1) / CELL;
            int r0 = (int)clampf(top, 0, a->height - 1) / CELL, r1 = (int)clampf(bottom, 0, a->height - 1) / CELL;
            for (int r = r0; r <= r1; r++)
                for (int k = c0; k <= c1; k++) {
                    int block = r * a->block_columns + k;
                    if (d->moved) {
                        low = a->matte_low[block] < low ? a->matte_low[block] : low;
                        high = a->matte_high[block] > high ? a->matte_high[block] : high;
                    }
                    if (d->heals) cover = a->healed_high[block] > cover ? a->healed_high[block] : cover;
                }
        }
        mended[c] = cover > 0;
        classes[c] = high <= 2 ? AS_PLATE : low >= 253 ? (furthest < 0.05f && !mended[c] ? AS_SOURCE : AS_MOVED) : AS_RIM;
        if (d->lit) {
            float most = 0;
            for (int corner = 0; corner < 4; corner++)
                most = fmaxf(most, fabsf(m->light[(cell_row + (corner >> 1)) * m->stride + c + (corner & 1)] - 1));
            shaded[c] = most > 0.002f;
        } else
            shaded[c] = 0;
    }
}

/* Light on the luma of a row, whole cells from x0 to x1. */
static void shade_luma(Drawing *d, uint8_t *row, int from_cell, int to_cell, int x0, int x1) {
    float *light = d->m.rows[2];
    spread(d->m.nodes_row[2], from_cell, to_cell, light);
    for (int x = x0; x < x1; x++) row[x] = byte_of((row[x] - 16) * light[x + HALF] + 16);
}

static void shade_chroma(Drawing *d, int line, int from_cell, int to_cell, int x0, int x1) {
    float *light = d->m.rows[2], *tint_u = d->m.rows[3], *tint_v = d->m.rows[4];
    spread_half(d->m.nodes_row[2], from_cell, to_cell, light);
    spread_half(d->m.nodes_row[3], from_cell, to_cell, tint_u);
    spread_half(d->m.nodes_row[4], from_cell, to_cell, tint_v);
    int width = d->a->width;
    const uint8_t *luma = d->out[0] + (ptrdiff_t)2 * line * width, *next = luma + width;
    uint8_t *u = d->out[1] + (ptrdiff_t)line * (width / 2), *v = d->out[2] + (ptrdiff_t)line * (width / 2);
    for (int x = x0; x < x1; x++) {
        float y = (luma[2 * x] + luma[2 * x + 1] + next[2 * x] + next[2 * x + 1]) * 0.25f - 16;
        u[x] = byte_of((u[x] - 128) * light[x + HALF / 2] + y * tint_u[x + HALF / 2] + 128);
        v[x] = byte_of((v[x] - 128) * light[x + HALF / 2] + y * tint_v[x + HALF / 2] + 128);
    }
}

/* Lays the healed picture over a row that was fetched from these places, which are those of its plane. */
FOR_BOTH_SIZES void heal_row(Drawing *d, const int half, const float *xs, const float *ys, int n, uint8_t *const out[2]) {
    const Avatar *a = d->a;
    Memory *m = &d->m;
    int planes = half ? 2 : 1;
    uint8_t *healed[2] = {m->bytes[0], m->bytes[1]}, *cover = m->bytes[3];
    Fetch f = half ? chroma_fetch(a, a->healed[1], a->healed[2], healed[0], healed[1]) : luma_fetch(a, a->healed[0], healed[0]);
    f.planes[f.count] = a->healed[half ? 4 : 3];
    f.out[f.count++] = cover;
    if (d->f->is_posed) {
        const float *back = d->f->pose_back;
        float *at_x = m->rows[27], *at_y = m->rows[28];
        for (int i = 0; i < n; i++) {
            float x = half ? 2 * xs[i] + 0.5f : xs[i], y = half ? 2 * ys[i] + 0.5f : ys[i];
            at_x[i] = back[0] * x + back[1] * y + back[2];
            at_y[i] = back[3] * x + back[4] * y + back[5];
        }
        if (half) to_chroma(at_x, at_y, n);
        xs = at_x, ys = at_y;
    }
    fetch(a, &f, xs, ys, n);
    float amount = smooth(0, 0.35f, d->f->relax) / 255;
    for (int p = 0; p < planes; p++)
        INDEPENDENT
        for (int i = 0; i < n; i++) out[p][i] = byte_of(out[p][i] + (healed[p][i] - (float)out[p][i]) * amount * cover[i]);
}

/* Lets no pixel of a row fetch from the other lip: towards the corners the shapes are steeper than the grid can tell.
 * Only close to the edges of the lips could one. */
static void keep_to_own_lip(const Avatar *a, const Mouth *o, int n, const float *y, const float *upper, const float *lower,
                            float *from_x, float *from_y) {
    float middle = (o->still_low + o->still_high) / 2, width = 2 / (o->still_high - o->still_low), scale = 1 / a->iod_px;
    for (int i = 0; i < n; i++) {
        int below = y[i] >= (upper[i] + lower[i]) / 2;
        if (fabsf(y[i] - (below ? lower[i] : upper[i])) > OWN_LIP_REACH) continue;
        float dx = from_x[i] - a->origin_x, dy = from_y[i] - a->origin_y;
        float x = (dx * a->right_x + dy * a->right_y) * scale, was = (dy * a->right_x - dx * a->right_y) * scale;
        float at = clampf((x - o->still_low) * o->still_scale, 0, TABLE);
        int k = (int)at;
        const float *lip = below ? o->still_lower : o->still_upper;
        float edge = lip[k] + (lip[k + 1] - lip[k]) * (at - k);
        float kept = ((below ? fmaxf(was, edge) : fminf(was, edge)) - was) * a->iod_px;
        if (kept == 0) continue;
        kept *= smooth(1.05f, 0.95f, fabsf(x - middle) * width);
        from_x[i] -= kept * a->right_y;
        from_y[i] += kept * a->right_x;
    }
}

/* A row of the mouth's box, at full size (Y) or at half (U, V): the seam, the shade under the lips, the inside. */
FOR_BOTH_SIZES void mouth_row(Drawing *d, int row, const int half, int rim) {
    const Avatar *a = d->a;
    const Mouth *o = &d->mouth;
    Memory *m = &d->m;
    int width = a->width >> half, cell = CELL >> half;
    int from_cell = (o->left + HALF) / CELL, to_cell = (o->right + HALF) / CELL;
    int x0 = o->left >> half, x1 = o->right >> half;
    if (x0 < 0) x0 = 0;
    if (x1 > width) x1 = width;
    int n = x1 - x0, shift = x0 + cell / 2;
    if (n <= 0) return;
    int at_y = half ? 2 * row : row;
    int cell_row = (at_y + HALF) / CELL;
    float t = (((at_y + HALF) % CELL) + (half ? 1.0f : 0.5f)) / CELL;
    float *q_x = m->rows[5], *q_y = m->rows[6], *low_x = m->rows[7], *low_y = m->rows[8], *map_x = m->rows[0], *map_y = m->rows[1];
    const float *grids[6] = {m->head.x, m->head.y, m->lower.x, m->lower.y, m->upper.x, m->upper.y};
    float *rows[6] = {q_x, q_y, low_x, low_y, map_x, map_y};
    for (int k = 0; k < 6; k++) {
        node_row(grids[k], m->stride, cell_row, t, m->nodes_row[5]);
        (half ? spread_half : spread)(m->nodes_row[5], from_cell, to_cell, rows[k]);
        rows[k] += shift;
    }
    float *x = m->rows[9], *y = m->rows[10], *upper = m->rows[11], *lower = m->rows[12];
    to_face(a, rows[0], rows[1], n, x, y);
    lips_at(o, x, n, upper, lower);
    float sharp = a->iod_px * (d->f->is_posed ? d->f->pose_scale : 1);
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        float below = clampf((y[i] - (upper[i] + lower[i]) / 2) * sharp + 0.5f, 0, 1);
        rows[4][i] += (rows[2][i] - rows[4][i]) * below;
        rows[5][i] += (rows[3][i] - rows[5][i]) * below;
    }
    if (!d->f->is_posed) keep_to_own_lip(a, o, n, y, upper, lower, rows[4], rows[5]);
    int planes = half ? 2 : 1, first = half ? 1 : 0;
    uint8_t *out[2];
    for (int p = 0; p < planes; p++) out[p] = d->out[first + p] + (ptrdiff_t)row * width + x0;
    uint8_t *alpha = m->bytes[2], *own_bytes = m->bytes[3];
    if (half) {
        to_chroma(rows[4], rows[5], n);
    }
    Fetch f = half ? chroma_fetch(a, d->s->source[1], d->s->source[2], out[0], out[1]) : luma_fetch(a, d->s->source[0], out[0]);
    if (rim) {
        f.planes[f.count] = half ? a->matte_half : a->matte;
        f.out[f.count++] = alpha;
    }
    fetch(a, &f, rows[4], rows[5], n);
    if (a->healed[0] && d->f->relax > 0) heal_row(d, half, rows[4], rows[5], n, out);
    if (d->lit) {
        for (int k = 0; k < 3; k++) {
            const float *const light[3] = {m->light, m->tint_u, m->tint_v};
            node_row(light[k], m->stride, cell_row, t, m->nodes_row[2 + k]);
        }
        if (half)
            shade_chroma(d, row, from_cell, to_cell, x0, x1);
        else
            shade_luma(d, d->out[0] + (ptrdiff_t)row * width, from_cell, to_cell, x0, x1);
    }
    if (d->s->before)
        for (int p = 0; p < planes; p++)
            memcpy(d->s->before + (out[p] - d->out[0]), out[p], n);
    if (o->draws_inside) {
        float *within = m->rows[15], *roll = m->rows[16];
        float any = 0;
        INDEPENDENT
        for (int i = 0; i < n; i++) {
            float along = (x[i] - o->low) / (o->high - o->low);
            float gap = lower[i] - upper[i], bias = 0.7f * smooth(0, NARROW, gap);
            float parted = smooth(0, 0.012f, gap) * smooth(0, OPENING_FADE, along) * smooth(1, 1 - OPENING_FADE, along);
            within[i] = clampf((y[i] - upper[i]) * o->sharpness + bias, 0, 1) * clampf((lower[i] - y[i]) * o->sharpness + bias, 0, 1) *
                        parted;
            any = fmaxf(any, within[i]);
        }
        if (o->roll_amount > 0) {
            float steep = 1.702f / o->roll_sigma;
            const float *to = a->colours.roll_shade;
            float rolled = 0.114f * to[0] + 0.587f * to[1] + 0.299f * to[2];
            INDEPENDENT
            for (int i = 0; i < n; i++)
                roll[i] = o->roll_amount * smooth(0, 0.012f, lower[i] - upper[i]) *
                          fmaxf(0, sigmoid((y[i] - upper[i]) * steep) - sigmoid((y[i] - lower[i]) * steep));
            if (half) {
                const uint8_t *luma = d->out[0] + (ptrdiff_t)2 * row * a->width + 2 * x0, *next = luma + a->width;
                INDEPENDENT
                for (int i = 0; i < n; i++) {
                    /* The luma is that of the finished row; inside the mouth this does not matter, it is painted over. */
                    float shade = 1 - rolled * roll[i];
                    float before = ((luma[2 * i] + luma[2 * i + 1] + next[2 * i] + next[2 * i + 1]) * 0.25f - 16) / shade;
                    out[0][i] = byte_of((out[0][i] - 128) * (1 - to[0] * roll[i]) + U_OF_B * before * (rolled - to[0]) * roll[i] + 128);
                    out[1][i] = byte_of((out[1][i] - 128) * (1 - to[2] * roll[i]) + V_OF_R * before * (rolled - to[2]) * roll[i] + 128);
                }
            } else
                for (int i = 0; i < n; i++) out[0][i] = byte_of((out[0][i] - 16) * (1 - rolled * roll[i]) + 16);
        }
        if (any > 0) {
            float *inside[2] = {m->rows[17], m->rows[18]};
            float *spare[4] = {m->rows[19], m->rows[20], m->rows[21], m->rows[22]};
            if (a->kind != DRAWING) {
                float *own[3] = {m->rows[23], m->rows[24], m->rows[25]}, *own_alpha = NULL;
                if (a->own_teeth) {
                    own_alpha = m->rows[26];
                    uint8_t *bytes[3] = {m->bytes[0], m->bytes[1], own_bytes};
                    Fetch whole = {{a->teeth_source[0], a->own_teeth}, {bytes[0], bytes[2]}, 2, a->plane_stride, a->width - 1.004f, a->height - 1.004f};
                    float rise = a->teeth_rise * d->f->relax * a->iod_px;
                    INDEPENDENT
                    for (int i = 0; i < n; i++) {
                        rows[0][i] -= rise * a->right_y;
                        rows[1][i] += rise * a->right_x;
                    }
                    fetch(a, &whole, rows[0], rows[1], n);
                    INDEPENDENT
                    for (int i = 0; i < n; i++) {
                        own[0][i] = bytes[0][i] - 16.0f;
                        own_alpha[i] = bytes[2][i] / 255.0f;
                    }
                    if (half) {
                        to_chroma(rows[0], rows[1], n);
                        Fetch halves = chroma_fetch(a, a->teeth_source[1], a->teeth_source[2], bytes[0], bytes[1]);
                        fetch(a, &halves, rows[0], rows[1], n);
                        INDEPENDENT
                        for (int i = 0; i < n; i++) {
                            own[1][i] = bytes[0][i] - 128.0f;
                            own[2][i] = bytes[1][i] - 128.0f;
                        }
                    }
                }
                const float *const *teeth = (const float *const *)own;
                if (a->kind == ANIMAL)
                    deep_inside(a, d->f, o, n, x, y, upper, lower, teeth, own_alpha, inside, planes, 0, 0, spare);
                else if (own_alpha)
                    deep_inside(a, d->f, o, n, x, y, upper, lower, teeth, own_alpha, inside, planes, 1, 1, spare);
                else
                    deep_inside(a, d->f, o, n, x, y, upper, lower, teeth, own_alpha, inside, planes, 1, 0, spare);
            } else
                drawn_inside(a, o, n, x, y, upper, lower, inside, planes);
            float base = half ? 128 : 16;
            for (int p = 0; p < planes; p++)
                INDEPENDENT
                for (int i = 0; i < n; i++) {
                    float was = out[p][i] - base;
                    out[p][i] = byte_of(was + (inside[p][i] - was) * within[i] * o->shown + base);
                }
        }
    }
    if (rim)
        for (int p = 0; p < planes; p++) blend_row(a->plate[first + p] + (ptrdiff_t)row * width + x0, alpha, out[p], n);
}

/* Whole cells of one row: copied, fetched, lit and laid over the background as their classes say. */
static void plain_row(Drawing *d, int row, int half, const uint8_t *classes, const uint8_t *shaded, const uint8_t *mended,
                      int from_cell, int to_cell) {
    const Avatar *a = d->a;
    Memory *m = &d->m;
    int width = a->width >> half, cell = CELL >> half, planes = half ? 2 : 1, first = half ? 1 : 0;
    int stride = half ? a->half_stride : a->plane_stride;
    for (int c = from_cell; c < to_cell;) {
        int end = c + 1;
        while (end < to_cell && classes[end] == classes[c] && shaded[end] == shaded[c] && mended[end] == mended[c]) end++;
        int x0 = cell * c - cell / 2, x1 = cell * end - cell / 2;
        if (x0 < 0) x0 = 0;
        if (x1 > width) x1 = width;
        int kind = classes[c], n = x1 - x0;
        if (n > 0) {
            uint8_t *out[2];
            for (int p = 0; p < planes; p++) {
                out[p] = d->out[first + p] + (ptrdiff_t)row * width + x0;
                if (kind == AS_PLATE) memcpy(out[p], a->plate[first + p] + (ptrdiff_t)row * width + x0, n);
                if (kind == AS_SOURCE) memcpy(out[p], d->s->source[first + p] + (ptrdiff_t)row * stride + x0, n);
            }
            if (kind >= AS_MOVED) {
                float *xs = m->rows[0], *ys = m->rows[1];
                (half ? spread_half : spread)(m->nodes_row[0], c, end, xs);
                (half ? spread_half : spread)(m->nodes_row[1], c, end, ys);
                xs += x0 + cell / 2;
                ys += x0 + cell / 2;
                if (half) to_chroma(xs, ys, n);
                Fetch f = half ? chroma_fetch(a, d->s->source[1], d->s->source[2], out[0], out[1])
                               : luma_fetch(a, d->s->source[0], out[0]);
                if (kind == AS_RIM) {
                    f.planes[f.count] = half ? a->matte_half : a->matte;
                    f.out[f.count++] = m->bytes[2];
                }
                fetch(a, &f, xs, ys, n);
                if (mended[c]) {
                    if (half)
                        heal_row(d, 1, xs, ys, n, out);
                    else
                        heal_row(d, 0, xs, ys, n, out);
                }
            }
            if (shaded[c] && kind != AS_PLATE) {
                if (half)
                    shade_chroma(d, row, c, end, x0, x1);
                else
                    shade_luma(d, d->out[0] + (ptrdiff_t)row * width, c, end, x0, x1);
            }
            if (kind == AS_RIM)
                for (int p = 0; p < planes; p++) blend_row(a->plate[first + p] + (ptrdiff_t)row * width + x0, m->bytes[2], out[p], n);
        }
        c = end;
    }
}

static void draw_rows(Drawing *d) {
    const Avatar *a = d->a;
    Memory *m = &d->m;
    const Mouth *o = &d->mouth;
    uint8_t *classes = (uint8_t *)m->rows[38], *shaded = (uint8_t *)m->rows[39], *mended = (uint8_t *)m->rows[40];
    int box_from = 0, box_to = 0;
    if (d->speaking) {
        box_from = (o->left + HALF) / CELL;
        box_to = (o->right + HALF) / CELL;
        if (box_to > a->columns + 1) box_to = a->columns + 1;
    }
    for (int cell_row = 0; cell_row <= a->rows; cell_row++) {
        int y0 = CELL * cell_row - HALF, y1 = y0 + CELL;
        if (y0 < 0) y0 = 0;
        if (y1 > a->height) y1 = a->height;
        if (y0 >= y1) continue;
        int lower_only = d->speaking && y0 >= o->bottom, upper_only = !d->speaking || y1 <= o->top;
        classify(d, cell_row, !lower_only, !upper_only, classes, shaded, mended);
        int rim = 0;
        for (int c = box_from; c < box_to; c++) rim |= d->moved && (classes[c] == AS_PLATE || classes[c] == AS_RIM);
        for (int half = 0; half < 2; half++)
            for (int y = y0; y < y1; y += 1 + half) {
                int in_box = d->speaking && y >= o->top && y < o->bottom;
                Grid g = d->speaking && y >= o->bottom ? m->lower : m->upper;
                float t = (((y + HALF) % CELL) + (half ? 1.0f : 0.5f)) / CELL;
                node_row(g.x, m->stride, cell_row, t, m->nodes_row[0]);
                node_row(g.y, m->stride, cell_row, t, m->nodes_row[1]);
                if (d->lit) {
                    node_row(m->light, m->stride, cell_row, t, m->nodes_row[2]);
                    if (half) {
                        node_row(m->tint_u, m->stride, cell_row, t, m->nodes_row[3]);
                        node_row(m->tint_v, m->stride, cell_row, t, m->nodes_row[4]);
                    }
                }
                int row = y >> half;
                if (in_box) {
                    plain_row(d, row, half, classes, shaded, mended, 0, box_from);
                    plain_row(d, row, half, classes, shaded, mended, box_to, a->columns + 1);
                    if (half)
                        mouth_row(d, row, 1, rim);
                    else
                        mouth_row(d, row, 0, rim);
                } else
                    plain_row(d, row, half, classes, shaded, mended, 0, a->columns + 1);
            }
    }
}

/* ---- where parted lips meet ---- */

/* One row of the mouth's box, already drawn: where its pixels are in the face, and between which lips. */
typedef struct {
    int n, planes, first;
    float *x, *y, *upper, *lower;
    uint8_t *out[2];
    const uint8_t *luma, *next;
} BoxRow;

static BoxRow box_row(Drawing *d, int row, int half) {
    const Avatar *a = d->a;
    const Mouth *o = &d->mouth;
    Memory *m = &d->m;
    int cell = CELL >> half, columns = a->width >> half, x0 = o->left >> half, x1 = o->right >> half;
    if (x0 < 0) x0 = 0;
    if (x1 > columns) x1 = columns;
    BoxRow b = {.n = x1 - x0, .planes = half ? 2 : 1, .first = half ? 1 : 0};
    int at_y = half ? 2 * row : row, cell_row = (at_y + HALF) / CELL;
    float t = (((at_y + HALF) % CELL) + (half ? 1.0f : 0.5f)) / CELL;
    const float *grids[2] = {m->head.x, m->head.y};
    for (int k = 0; k < 2; k++) {
        node_row(grids[k], m->stride, cell_row, t, m->nodes_row[5]);
        (half ? spread_half : spread)(m->nodes_row[5], (o->left + HALF) / CELL, (o->right + HALF) / CELL, m->rows[k]);
    }
    b.x = m->rows[9], b.y = m->rows[10], b.upper = m->rows[11], b.lower = m->rows[12];
    to_face(a, m->rows[0] + x0 + cell / 2, m->rows[1] + x0 + cell / 2, b.n, b.x, b.y);
    lips_at(o, b.x, b.n, b.upper, b.lower);
    for (int p = 0; p < b.planes; p++) b.out[p] = d->out[b.first + p] + (ptrdiff_t)row * columns + x0;
    b.luma = d->out[0] + (ptrdiff_t)2 * row * a->width + 2 * x0;
    b.next = b.luma + a->width;
    return b;
}

/* The pixels of an open source have no line where its lips meet: shade one. */
static void contact_line(Drawing *d) {
    const Mouth *o = &d->mouth;
    const float *powers = d->a->colours.contact_powers;
    float relaxed = smooth(0.5f, 0.85f, d->f->relax), core_base = 0.0045f + 0.35f / d->a->iod_px;
    for (int half = 0; half < 2; half++)
        for (int row = o->top >> half; row < o->bottom >> half; row++) {
            BoxRow b = box_row(d, row, half);
            for (int i = 0; i < b.n; i++) {
                float seam = (b.upper[i] + b.lower[i]) / 2, from = b.y[i] - seam, distance = fabsf(from);
                if (distance > 0.12f) continue;
                float along = clampf((b.x[i] - o->low) / (o->high - o->low), 0, 1);
                float taper = smooth(0, 0.22f, along) * smooth(1, 0.78f, along);
                if (taper <= 0) continue;
                float heals = relaxed * (1 - smooth(0.01f, 0.03f, b.lower[i] - b.upper[i]));
                if (heals <= 0) continue;
                float amount = heals * (0.15f + 0.85f * taper) * smooth(0, 0.05f, along) * smooth(1, 0.95f, along);
                float core = core_base * (0.6f + 0.4f * taper), wide = from > 0 ? 0.026f : 0.030f;
                float r = distance / core, s = distance / wide;
                float left = clampf(1 - amount * (0.30f * fading(-r * r / 2) + 0.12f * fading(-s * s / 2)), 0.05f, 1);
                float blue = powf(left, powers[0]), green = powf(left, powers[1]), red = powf(left, powers[2]);
                float light = 0.114f * blue + 0.587f * green + 0.299f * red;
                if (!half) {
                    b.out[0][i] = byte_of((b.out[0][i] - 16) * light + 16);
                    continue;
                }
                /* The luma is already darkened: undo that to know how much of it turns into colour. */
                float luma = (b.luma[2 * i] + b.luma[2 * i + 1] + b.next[2 * i] + b.next[2 * i + 1]) * 0.25f - 16;
                b.out[0][i] = byte_of((b.out[0][i] - 128) * blue + U_OF_B * luma / light * (blue - light) + 128);
                b.out[1][i] = byte_of((b.out[1][i] - 128) * red + V_OF_R * luma / light * (red - light) + 128);
            }
        }
}

/* Where the lips of an open drawn mouth or muzzle meet: one stroke from corner to corner. */
static void drawn_line(Drawing *d) {
    const Avatar *a = d->a;
    const Mouth *o = &d->mouth;
    for (int half = 0; half < 2; half++)
        for (int row = o->top >> half; row < o->bottom >> half; row++) {
            BoxRow b = box_row(d, row, half);
            for (int i = 0; i < b.n; i++) {
                float along = (b.x[i] - o->low) / (o->high - o->low);
                if (along <= 0 || along >= 1) continue;
                int before = i > 0 ? i - 1 : 0, after = i < b.n - 1 ? i + 1 : b.n - 1;
                float seam = (b.upper[i] + b.lower[i]) / 2;
                float slope = (b.upper[after] + b.lower[after] - b.upper[before] - b.lower[before]) / 2;
                slope *= a->iod_px / ((after - before) << half);
                float taper = smooth(0, 0.10f, along) * smooth(1, 0.90f, along);
                float width = 0.011f * (0.5f + 0.5f * taper);
                float stroke = clampf((width - fabsf(b.y[i] - seam) / sqrtf(1 + slope * slope)) * a->iod_px + 0.5f, 0, 1) *
                               (1 - smooth(0.008f, 0.03f, b.lower[i] - b.upper[i]));
                for (int p = 0; p < b.planes; p++) {
                    float base = half ? 128 : 16, was = b.out[p][i] - base;
                    b.out[p][i] = byte_of(was + (a->colours.line[b.first + p] - was) * stroke + base);
                }
            }
        }
}

/* ---- over footage ---- */

/* What was drawn into the mouth's box, made as soft as the picture around it where it differs from it; both what is
   there and how much of it is new are blurred, both ways. */
static void soften(Drawing *d) {
    const Mouth *o = &d->mouth;
    float weights[2 * SOFT_REACH + 1], *rows[2][2 * SOFT_REACH + 1];
    const int ring = 2 * SOFT_REACH + 2;
    for (int half = 0; half < 2; half++) {
        int width = d->a->width >> half;
        int x0 = (o->left > 0 ? o->left : 0) >> half, x1 = (o->right < d->a->width ? o->right : d->a->width) >> half;
        int y0 = o->top >> half, y1 = o->bottom >> half, n = x1 - x0;
        float sigma = d->s->blur_px / (1 << half), sum = 0;
        int reach = (int)ceilf(3 * sigma);
        if (reach > SOFT_REACH) reach = SOFT_REACH;
        for (int k = -reach; k <= reach; k++) sum += weights[k + reach] = expf(-0.5f * k * k / (sigma * sigma));
        for (int plane = half; plane <= 2 * half; plane++) {
            uint8_t *out = d->out[plane];
            const uint8_t *before = d->s->before + (out - d->out[0]);
            /* The rows of the blur across wait here until those above and below them are known. */
            for (int y = y0 - reach; y < y1 + reach; y++) {
                int slot = (y + 4 * (2 * reach + 1)) % (2 * reach + 1), from = y < y0 ? y0 : y >= y1 ? y1 - 1 : y;
                float *across = d->m.rows[slot], *across_new = d->m.rows[ring + slot];
                float *sharp = d->m.rows[ring - 1], *fresh = d->m.rows[2 * ring - 1];
                /* Rows that are done are soft already: what is below the last of them is all that is still asked for. */
                const uint8_t *now = out + (ptrdiff_t)from * width + x0, *was = before + (ptrdiff_t)from * width + x0;
                for (int i = 0; i < n; i++) {
                    sharp[i] = now[i];
                    fresh[i] = fminf(fabsf((float)now[i] - was[i]) / FRESH, 1);
                }
                for (int i = 0; i < n; i++) {
                    float total = 0, total_new = 0;
                    for (int k = -reach; k <= reach; k++) {
                        int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
                        total += weights[k + reach] * sharp[at];
                        total_new += weights[k + reach] * fresh[at];
                    }
                    across[i] = total / sum;
                    across_new[i] = total_new / sum;
                }
                int row = y - reach;
                if (row < y0) continue;
                for (int k = 0; k <= 2 * reach; k++) {
                    int slot_of = (row - reach + k + 4 * (2 * reach + 1)) % (2 * reach + 1);
                    rows[0][k] = d->m.rows[slot_of];
                    rows[1][k] = d->m.rows[ring + slot_of];
                }
                uint8_t *line = out + (ptrdiff_t)row * width + x0;
                for (int i = 0; i < n; i++) {
                    float total = 0, total_new = 0;
                    for (int k = 0; k <= 2 * reach; k++) {
                        total += weights[k] * rows[0][k][i];
                        total_new += weights[k] * rows[1][k][i];
                    }
                    float near = fminf(NEAR_GAIN * total_new / sum, 1);
                    line[i] = byte_of(line[i] + (total / sum - line[i]) * near);
                }
            }
        }
    }
}

static void copy_source(const Avatar *a, const Session *s, uint8_t *const out[3]) {
    for (int plane = 0; plane < 3; plane++) {
        int half = plane > 0, width = a->width >> half;
        for (int y = 0; y < a->height >> half; y++)
            memcpy(out[plane] + (ptrdiff_t)y * width, s->source[plane] + (ptrdiff_t)y * (half ? a->half_stride : a->plane_stride), width);
    }
}

/* ---- one frame ---- */

/* Draws a frame into `out`, an I420 picture without padding. */
void face_render(const Avatar *a, const Session *s, const Frame *f, uint8_t *out) {
    Drawing d = {.a = a, .s = s, .f = f};
    size_t pixels = (size_t)a->width * a->height;
    d.out[0] = out;
    d.out[1] = out + pixels;
    d.out[2] = out + pixels + pixels / 4;
    lay_out(a, s->memory, &d.m);
    if (f->paint_eyes) paint_eyes(a, s, f, &d.m);
    if (f->is_posed)
        follow_head(a, f, &d.m);
    else
        d.moved = pose_head(a, f, &d.m);
    for (int k = 0; k < SHAPE_COUNT; k++) d.speaking |= fabsf(f->shapes[k]) > 1e-3f;
    if (d.speaking) {
        d.lit = move_mouth(a, f, &d.m);
        find_mouth(a, f, &d.m, &d.mouth);
        part_beside(a, &d.m, &d.mouth);
        /* Over footage what is healed lies within the mouth's box: each picture there has folds of its own. */
        d.heals = a->healed[0] && f->relax > 0 && !f->is_posed;
    } else if (f->is_posed) {
        copy_source(a, s, d.out);
        return;
    } else
        d.m.upper = d.m.lower = d.m.head;
    draw_rows(&d);
    if (d.speaking && a->is_open && f->relax > 0.5f) {
        if (a->kind == PHOTO)
            contact_line(&d);
        else
            drawn_line(&d);
    }
    if (s->before && d.speaking) soften(&d);
}
