// The smallest object of every point: 1,024 points at a time stay in the cache, and an object is compared with a run of
// thirty-two only if its centre area reaches into the box around them and its size into their ranges.
#pragma once
#include "../complete/native.h"

namespace LA_SET {
namespace {

constexpr float kUnseen = __builtin_nanf("");   // compares with nothing
constexpr int32_t kMostRank = 0x4CBEBC20;        // the bits of 1e8
constexpr int32_t kInfiniteRank = 0x7F800000;
constexpr float kMostFloat = 3.40282347e38f;

// An object that may own points.
struct Thing {
  Box box;
  float x, y;        // its centre
  float far, least;  // no point inside is farther from its farthest side, or nearer to it
  int32_t rank, row;
};

struct Smallest {
  const FcosArguments& a;
  int64_t chunks;   // of one image
  int32_t nobody;   // the rank that wins against none
  Thing* things;    // [rows], those of image i from its first row on
  int32_t* held;    // [images], how many
  uint8_t* alone;   // [images], all of them lose to what does not match: a point has to match every one
  uint8_t* near;    // [rows], has points inside
  uint8_t* kept;    // [rows], and in range
};

// Points of one chunk, and what is around each run of them; lanes without a valid point are nowhere.
struct PointChunk {
  int64_t begin, count;
  float x[kChunk], y[kChunk], low[kChunk], high[kChunk], reach[kChunk];
  float left[kRuns], top[kRuns], right[kRuns], bottom[kRuns], nearest[kRuns], farthest[kRuns], wide[kRuns];
};

LA_INLINE int32_t rank_of(float size, int64_t rule) {
  float value = size;
  if (rule == kAreaRest) value = 1e8f - size, value = value < 1e-5f ? 0.0f : value;
  if (rule == kArea) value = size > kMostFloat ? kMostFloat : size;
  const int32_t found = (int32_t)float_bits(value);
  return rule == kAreaRest ? kMostRank - found : found;
}

LA_INLINE void read_things(const Smallest& s) {
  const Objects& o = s.a.objects;
  for (int64_t i = 0; i < o.images; i++) {
    Thing* out = s.things + begin_of(o, i);
    s.alone[i] = s.a.rule == kAreaBelow;
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) {
      if (g >= o.offsets[o.images] || o.ignore[g] || !formed(o, g)) continue;
      const Box b = box_at(o.boxes + g * 4);
      const float side = most(b.x2 - b.x1, b.y2 - b.y1);
      // rounded down: half of the longer side, for a point in the middle
      *out = {b, (b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, side, least(side, kMostFloat) * 0.49f,
              rank_of(area(b), s.a.rule), (int32_t)g};
      if (out->rank <= s.nobody) s.alone[i] = 0;
      out++;
    }
    s.held[i] = (int32_t)(out - (s.things + begin_of(o, i)));
  }
}

// Where levels learn: as given, or by strides, the first and the last level with priors open towards the outside.
LA_INLINE void load_ranges(PointChunk& p, const FcosArguments& a) {
  const int64_t n = a.priors.count;
  int64_t first = 0, last = 0;  // the sizes of these levels
  for (int64_t level = 0, at = 0; level < a.levels; at += a.sizes[level], level++) {
    if (!a.sizes[level]) continue;
    first = first ? first : a.sizes[level], last = a.sizes[level];
    if (!a.ranges) continue;
    const float low = (float)a.ranges[2 * level], high = (float)a.ranges[2 * level + 1];
    const int64_t from = at > p.begin ? at - p.begin : 0, end = at + last - p.begin;
    for (int64_t i = from; i < end && i < p.count; i++) p.low[i] = low, p.high[i] = high;
  }
  if (a.ranges) return;
  const float* strides = a.strides + p.begin;
  for (int64_t i = 0; i < p.count; i++) p.low[i] = strides[i] * 4.0f, p.high[i] = strides[i] * 8.0f;
  for (int64_t i = 0; i < p.count && i < first - p.begin; i++) p.low[i] = 0.0f;
  const float open = a.rule == kAreaBelow ? 1e8f : kInfinity;
  for (int64_t i = n - last > p.begin ? n - last - p.begin : 0; i < p.count; i++) p.high[i] = open;
}

LA_INLINE void load_points(PointChunk& p, const FcosArguments& a, int64_t image, int64_t chunk) {
  p.begin = chunk * kChunk;
  p.count = a.priors.count - p.begin < kChunk ? a.priors.count - p.begin : kChunk;
  const float* boxes = a.priors.boxes + (image * a.priors.step + p.begin) * 4;
  const uint8_t* valid = a.priors.valid ? a.priors.valid + image * a.priors.count + p.begin : nullptr;
  // without branches, for the compiler to take many points at once
  for (int64_t i = 0; i < p.count; i++)
    p.x[i] = (boxes[4 * i] + boxes[4 * i + 2]) / 2, p.y[i] = (boxes[4 * i + 1] + boxes[4 * i + 3]) / 2;
  for (int64_t i = 0; valid && i < p.count; i++)
    if (!valid[i]) p.x[i] = p.y[i] = kUnseen;
  load_ranges(p, a);
  const float radius = (float)a.radius;
  const bool whole = a.radius < 0 || !a.strides;
  for (int64_t i = 0; i < p.count; i++) p.reach[i] = whole ? 0.0f : a.strides[p.begin + i] * radius;
  for (int64_t i = p.count; i < kChunk; i++) p.x[i] = p.y[i] = p.low[i] = p.high[i] = p.reach[i] = kUnseen;
}

// A NaN is smaller and larger than nothing.
LA_INLINE float lowest(const float* from) {
  return smallest(smaller(load<F>(from), smaller(load<F>(from + kFloats), all(kInfinity))));
}
LA_INLINE float highest(const float* from) {
  return largest(larger(load<F>(from), larger(load<F>(from + kFloats), all(-kInfinity))));
}
LA_INLINE void surround(PointChunk& p) {
  for (int r = 0; r < kRuns; r++) {
    const int at = r * kRun;
    p.left[r] = lowest(p.x + at), p.top[r] = lowest(p.y + at), p.right[r] = highest(p.x + at);
    p.bottom[r] = highest(p.y + at), p.nearest[r] = lowest(p.low + at), p.farthest[r] = highest(p.high + at);
    p.wide[r] = highest(p.reach + at);
  }
}

// Whether points from..to, of at most this reach, can lie inside along one axis; for a single point: whether it does.
// Rounding is monotone, so that what holds for a point inside holds for the ends.
LA_INLINE I inside(const FcosArguments& a, F from, F to, F reach, float low, float high, float middle) {
  I found = (to > all(low)) & (from < all(high));
  if (a.radius < 0 || !a.strides) return found;
  if (a.rule == kAreaRest)
    return found & (from - all(middle) < reach) & (to - all(middle) > all(0.0f) - reach);
  return found & (to > all(middle) - reach) & (from < all(middle) + reach);
}

struct PointBest {
  int32_t rank[kChunk], row[kChunk], met[kChunk];
};

// What a run of points has of an object: bit 0: a point inside, bit 1: and in range.
LA_INLINE int meet_run(const FcosArguments& a, const PointChunk& p, const Thing& t, int run, bool count,
                       PointBest& best) {
  uint32_t near = 0, kept = 0;
  for (int i = run * kRun; i < (run + 1) * kRun; i += kFloats) {
    const F x = load<F>(p.x + i), y = load<F>(p.y + i), reach = load<F>(p.reach + i);
    const I in = inside(a, x, x, reach, t.box.x1, t.box.x2, t.x) & inside(a, y, y, reach, t.box.y1, t.box.y2, t.y);
    const F across = larger(x - all(t.box.x1), all(t.box.x2) - x), down = larger(y - all(t.box.y1), all(t.box.y2) - y);
    const F far = larger(across, down), low = load<F>(p.low + i), high = load<F>(p.high + i);
    const bool open = a.rule == kAreaRest;
    const I match = in & (open ? (far > low) & (far < high) : at_most(low, far) & at_most(far, high));
    near |= lanes(in);
    const uint32_t hit = lanes(match);
    if (!hit) continue;
    kept |= hit;
    const I old = load<I>(best.rank + i), wins = match & (old > all(t.rank));  // strictly: of equal ones the lower row
    store(best.rank + i, select(wins, all(t.rank), old));
    store(best.row + i, select(wins, all(t.row), load<I>(best.row + i)));
    if (count) store(best.met + i, load<I>(best.met + i) - match);
  }
  return (near ? 1 : 0) | (kept ? 2 : 0);
}

LA_INLINE void meet(const Smallest& s, const PointChunk& p, const Thing& t, bool count, PointBest& best) {
  const FcosArguments& a = s.a;
  uint8_t *near = s.near + t.row, *kept = s.kept + t.row;
  // that it has a point inside has to be known only if no point is in range
  bool known = __atomic_load_n(near, __ATOMIC_RELAXED) || __atomic_load_n(kept, __ATOMIC_RELAXED);
  int found = 0;
  for (int from = 0; from < kRuns; from += kFloats) {
    const F reach = load<F>(p.wide + from);
    const I across = inside(a, load<F>(p.left + from), load<F>(p.right + from), reach, t.box.x1, t.box.x2, t.x);
    const I down = inside(a, load<F>(p.top + from), load<F>(p.bottom + from), reach, t.box.y1, t.box.y2, t.y);
    const I fits = at_most(load<F>(p.nearest + from), all(t.far)) & at_most(all(t.least), load<F>(p.farthest + from));
    const uint32_t touched = lanes(across & down), wanted = lanes(fits);
    for (uint32_t runs = touched; runs; runs &= runs - 1) {
      const int k = __builtin_ctz(runs);
      if (known && !(wanted >> k & 1)) continue;
      found |= meet_run(a, p, t, from + k, count, best);
      known |= found != 0;
    }
  }
  if (found & 1) __atomic_store_n(near, (uint8_t)1, __ATOMIC_RELAXED);
  if (found & 2 && t.rank < s.nobody) __atomic_store_n(kept, (uint8_t)1, __ATOMIC_RELAXED);
}

// Root of (nearer over farther side, across) times (the same, down).
LA_INLINE float centerness(Box b, double x, double y) {
  const double left = x - b.x1, top = y - b.y1, right = b.x2 - x, bottom = b.y2 - y;
  const double across = (left < right ? left : right) / (left > right ? left : right);
  const double down = (top < bottom ? top : bottom) / (top > bottom ? top : bottom);
  return (float)__builtin_sqrt(across * down);
}

LA_INLINE void learn_chunk(const Smallest& s, int64_t image, int64_t chunk) {
  const FcosArguments& a = s.a;
  const Thing* things = s.things + begin_of(a.objects, image);
  const bool alone = s.alone[image];
  PointChunk p;
  PointBest best;
  load_points(p, a, image, chunk);
  for (int i = 0; i < kChunk; i++) best.rank[i] = alone ? INT32_MAX : s.nobody, best.row[i] = -1, best.met[i] = 0;
  if (s.held[image]) surround(p);
  float top = kInfinity, bottom = -kInfinity;
  for (int r = 0; s.held[image] && r < kRuns; r++) top = least(p.top[r], top), bottom = most(p.bottom[r], bottom);
  for (int32_t k = 0; k < s.held[image]; k++)
    if (bottom > things[k].box.y1 && top < things[k].box.y2) meet(s, p, things[k], alone, best);
  int64_t* index = a.answer.index + image * a.priors.count + p.begin;
  float* quality = a.answer.quality + image * a.priors.count + p.begin;
  for (int64_t i = 0; alone && i < p.count; i++)
    if (best.met[i] != s.held[image]) best.row[i] = -1;
  for (int64_t i = 0; i < p.count; i++) index[i] = best.row[i], quality[i] = 0.0f;
  for (int64_t i = 0; i < p.count; i++)
    if (best.row[i] >= 0) quality[i] = centerness(box_at(a.objects.boxes + best.row[i] * (int64_t)4), p.x[i], p.y[i]);
}

int32_t fcos(const FcosArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const int64_t n = a.priors.count;
  if (!sound(o)) return kBadIndex;
  for (int64_t k = 0; a.ranges && k < 2 * a.levels; k++) {
    const double end = __builtin_fabs(a.ranges[k]);
    if (end > (double)kMostFloat && end < (double)kInfinity) return kBadIndex;  // beyond float32: the reference says so
  }
  Smallest s = {a, (n + kChunk - 1) / kChunk, a.rule == kArea ? kInfiniteRank : kMostRank,
                memory.take<Thing>(o.rows), memory.take<int32_t>(o.images), memory.take<uint8_t>(o.images),
                memory.zeros<uint8_t>(o.rows), memory.zeros<uint8_t>(o.rows)};
  const Completion done(a.priors, o, a.answer, memory);
  if (memory.failed) return kNoMemory;
  read_things(s);
  spread(matching(threads, a.priors, o), o.images * s.chunks, [&](int64_t t, int) {
    const int64_t image = t / s.chunks, chunk = t % s.chunks, start = image * n + chunk * kChunk;
    learn_chunk(s, image, chunk);
    done.priors(start, start + (n - chunk * kChunk < kChunk ? n - chunk * kChunk : kChunk));
  });
  for (int64_t g = 0; g < o.rows; g++)
    a.answer.reason[g] = (int8_t)(s.kept[g] ? kFine : s.near[g] ? kRejected : kNoCandidate);
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
