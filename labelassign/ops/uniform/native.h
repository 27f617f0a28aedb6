// The closest boxes of every object, blocks of sixty-four that may hold one; who wins a prior; and what is left out.
#pragma once
#include "../complete/native.h"
#include "../native/shortlist.h"
#include "sound.h"

namespace LA_SET {
namespace {

constexpr int kGroup = 64;  // boxes in one block

// Boxes of all images by coordinate, and the box around the centres and sizes of each block.
struct Shapes {
  float* corner;  // [images, 4, stride], NaN where a box may not be taken
  double* hull;   // [images, 8, blocks]: the least centre x, centre y, width, height of a block; the largest
};

struct Uniform {
  const UniformArguments& a;
  int64_t chunks, stride, blocks;  // of one image; blocks: whole registers of them
  Shapes shapes[2];                // of predictions, of priors
  Box* box;                        // [rows], tame
  uint8_t* able;                   // [rows]
  int32_t* image;                  // [rows]
  int32_t* prior;                  // [rows, 2 * times], those of predictions first; -1: none
  float* distance;                 // [rows, 2 * times]
  int64_t* last;                   // [images, priors], who has written last
  float* far;                      // [threads, blocks]
};

struct Shape { D x, y, w, h; };

LA_INLINE Shape shape_of(D x1, D y1, D x2, D y2) {
  const D half = all(0.5);
  return {(x1 + x2) * half, (y1 + y2) * half, x2 - x1, y2 - y1};
}
LA_INLINE D size(D a) { return larger(a, all(0.0) - a); }

LA_INLINE void around_block(const float* corner, int64_t stride, double* hull, int64_t blocks) {
  D low[4], high[4];
  for (int k = 0; k < 4; k++) low[k] = all((double)kInfinity), high[k] = all(-(double)kInfinity);
  for (int i = 0; i < kGroup; i += kDoubles) {
    const float* at = corner + i;
    const Shape s = shape_of(widen(at), widen(at + stride), widen(at + 2 * stride), widen(at + 3 * stride));
    const D part[4] = {s.x, s.y, s.w, s.h};
    for (int k = 0; k < 4; k++) low[k] = smaller(part[k], low[k]), high[k] = larger(part[k], high[k]);  // passes by NaN
  }
  for (int k = 0; k < 4; k++) {
    double l[kDoubles], h[kDoubles];
    store(l, low[k]), store(h, high[k]);
    for (int i = 1; i < kDoubles; i++) l[0] = l[i] < l[0] ? l[i] : l[0], h[0] = h[i] > h[0] ? h[i] : h[0];
    hull[k * blocks] = l[0], hull[(4 + k) * blocks] = h[0];
  }
}

// Boxes of a block that may be taken, the others as NaN.
LA_INLINE void spread_corners(const float* boxes, const uint8_t* free, int64_t count, float* corner, int64_t stride) {
  const float none = __builtin_nanf("");
  for (int64_t i = 0; i < count; i++) {
    corner[i] = free[i] ? boxes[4 * i] : none, corner[stride + i] = free[i] ? boxes[4 * i + 1] : none;
    corner[2 * stride + i] = free[i] ? boxes[4 * i + 2] : none, corner[3 * stride + i] = free[i] ? boxes[4 * i + 3] : none;
  }
  for (int64_t i = count; i < kGroup; i++)
    corner[i] = corner[stride + i] = corner[2 * stride + i] = corner[3 * stride + i] = none;
}
LA_INLINE void keep_finite(const float* boxes, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; i++) {
    const float *b = boxes + 4 * i, rest = ((b[0] - b[0]) + (b[1] - b[1])) + ((b[2] - b[2]) + (b[3] - b[3]));
    out[i] &= rest == 0.0f;
  }
}

// Which boxes of a block are free, and where they are; how many predictions of it are lost.
LA_INLINE int64_t read_block(const Uniform& u, int64_t image, int64_t block) {
  const UniformArguments& a = u.a;
  const int64_t n = a.priors.count, begin = block * kGroup, at = image * n + begin;
  const int64_t count = begin >= n ? 0 : n - begin < kGroup ? n - begin : kGroup, columns = a.network.columns;
  uint8_t free[kGroup];
  float seen[4 * kGroup];
  std::memset(free, 1, sizeof free);
  if (!finite_elements(a.network.scores, a.network.scores_type, at * columns, count * columns))
    for (int64_t i = 0; i < count; i++)
      free[i] = finite_elements(a.network.scores, a.network.scores_type, (at + i) * columns, columns);
  read_boxes(a.network, at, count, seen);
  keep_finite(seen, count, free);
  const uint8_t* valid = a.priors.valid ? a.priors.valid + at : nullptr;
  int64_t lost = 0;
  for (int64_t i = 0; i < count; i++) lost += !free[i] && (!valid || valid[i]);
  const float* own = a.priors.boxes + (image * a.priors.step + begin) * 4;
  keep_finite(own, count, free);
  for (int64_t i = 0; valid && i < count; i++) free[i] &= valid[i] != 0;
  const float* boxes[2] = {seen, own};
  for (int side = 0; side < 2; side++) {
    float* corner = u.shapes[side].corner + image * 4 * u.stride + begin;
    spread_corners(boxes[side], free, count, corner, u.stride);
    around_block(corner, u.stride, u.shapes[side].hull + image * 8 * u.blocks + block, u.blocks);
  }
  return lost;
}

LA_INLINE void narrow(D a, float* out) {
  double l[kDoubles];
  store(l, a);
  for (int k = 0; k < kDoubles; k++) out[k] = (float)l[k];
}

// The boxes from .. from + 64 of an image.
LA_INLINE void visit_shapes(const float* corner, int64_t stride, int64_t from, const double* want, Shortlist& best) {
  float found[kGroup];
  for (int i = 0; i < kGroup; i += kDoubles) {
    const float* at = corner + from + i;
    const Shape s = shape_of(widen(at), widen(at + stride), widen(at + 2 * stride), widen(at + 3 * stride));
    narrow(((size(all(want[0]) - s.x) + size(all(want[1]) - s.y)) + size(all(want[2]) - s.w)) +
               size(all(want[3]) - s.h), found + i);
  }
  for (int i = 0; i < kGroup; i += kFloats) {
    const F d = load<F>(found + i), worst = all(best.worst());
    for (uint32_t near = lanes(best.worst() < kInfinity ? at_most(d, worst) : d < worst); near; near &= near - 1) {
      const int k = i + __builtin_ctz(near);
      if (found[k] <= best.worst()) best.put(found[k], (int32_t)(from + k));
    }
  }
}

// The closest boxes of an image. Rounding is monotone: none inside a hull is closer than its nearest sides.
LA_INLINE void closest(const Shapes& s, const Uniform& u, int64_t image, const double* want, float* far,
                       Shortlist& best) {
  const float* corner = s.corner + image * 4 * u.stride;
  const double* hull = s.hull + image * 8 * u.blocks;
  for (int64_t b = 0; b < u.blocks; b += kDoubles) {
    D gap[4];
    for (int k = 0; k < 4; k++) {
      const D low = load<D>(hull + k * u.blocks + b), high = load<D>(hull + (4 + k) * u.blocks + b), v = all(want[k]);
      gap[k] = larger(larger(low - v, v - high), all(0.0));
    }
    narrow(((gap[0] + gap[1]) + gap[2]) + gap[3], far + b);
  }
  int64_t first = 0;
  for (int64_t b = 1; b < u.blocks; b++) first = far[b] < far[first] ? b : first;
  if (!(far[first] < kInfinity)) return;
  visit_shapes(corner, u.stride, first * kGroup, want, best);
  far[first] = kInfinity;
  // then those close by, which leave little to be found in the rest
  for (int pass = 0; pass < 2; pass++) {
    const float close = pass == 0 && best.worst() < kInfinity ? best.worst() * 0.25f : kInfinity;
    for (int64_t k = 0; k < u.blocks; k += kFloats) {
      const F d = load<F>(far + k), reach = all(least(close, best.worst()));
      uint32_t near = lanes(at_most(d, reach) & (d < all(kInfinity)));
      for (; near; near &= near - 1) {
        const int64_t b = k + __builtin_ctz(near);
        // of equally far boxes only lower ones could still come in
        if (far[b] > best.worst() || (far[b] == best.worst() && b * kGroup > best.place[best.held - 1])) continue;
        visit_shapes(corner, u.stride, b * kGroup, want, best);
        far[b] = kInfinity;
      }
    }
    if (!(close < kInfinity)) return;
  }
}

LA_INLINE Box prior_box(const Priors& p, int64_t image, int64_t prior) {
  return tame(box_at(p.boxes + (image * p.step + prior) * 4));
}

// What one object takes: its priors by rank, and whether any is close enough to keep.
LA_INLINE void take_row(const Uniform& u, int64_t g, float* far) {
  const int64_t times = u.a.times;
  int32_t* prior = u.prior + g * 2 * times;
  const float* raw = u.a.objects.boxes + g * 4;
  const double x1 = raw[0], y1 = raw[1], x2 = raw[2], y2 = raw[3];
  const double want[4] = {(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1};
  for (int side = 0; side < 2; side++) {
    Shortlist best = {u.distance + (g * 2 + side) * times, prior + side * times, times, 0};
    if (u.able[g]) closest(u.shapes[side], u, u.image[g], want, far, best);
    for (int64_t k = best.held; k < times; k++) best.place[k] = -1;
  }
}
LA_INLINE bool keeps(const Uniform& u, int64_t g, int32_t prior) {
  return iou(prior_box(u.a.priors, u.image[g], prior), u.box[g]) >= (float)u.a.pos_ignore;
}

// Owners of one image: the closest object that keeps a prior, or whoever writes last.
LA_INLINE void own_image(const Uniform& u, int64_t image) {
  const UniformArguments& a = u.a;
  const int64_t n = a.priors.count, times = a.times, rows = a.objects.rows;
  int64_t* index = a.answer.index + image * n;
  float* won = a.answer.quality + image * n;
  int64_t* last = a.last_write ? u.last + image * n : nullptr;
  for (int64_t i = 0; i < n; i++) index[i] = -1;
  for (int64_t i = 0; last && i < n; i++) last[i] = -1;
  for (int64_t g = begin_of(a.objects, image); g < end_of(a.objects, image); g++) {
    bool kept = false, any = false;
    for (int64_t k = 0; k < 2 * times; k++) {
      const int32_t prior = u.prior[g * 2 * times + k];
      if (prior < 0) continue;
      const bool keep = keeps(u, g, prior);
      const float far = u.distance[g * 2 * times + k];
      kept |= keep, any = true;
      if (last) {
        const int64_t order = (k < times ? 2 * k : 2 * (k - times) + 1) * rows + g;
        if (2 * order + keep > last[prior]) last[prior] = 2 * order + keep, index[prior] = keep ? g : -2;
      } else if (!keep) {
        if (index[prior] == -1) index[prior] = -2;
      } else if (index[prior] < 0 || far < won[prior]) {
        index[prior] = g, won[prior] = far;  // rows rise, so that of equal distances the lower row keeps it
      }
    }
    a.answer.reason[g] = (int8_t)(kept ? kFine : any ? kRejected : kNoCandidate);
  }
}

// Background of a chunk whose prediction overlaps an object by more than `neg_ignore`.
LA_INLINE void hide_chunk(const Uniform& u, int64_t image, int64_t chunk) {
  const UniformArguments& a = u.a;
  const int64_t n = a.priors.count, begin = chunk * kChunk, at = image * n + begin;
  const int64_t count = n - begin < kChunk ? n - begin : kChunk;
  float seen[4 * kChunk];
  int32_t hidden[kChunk];
  Chunk c;
  read_boxes(a.network, at, count, seen);
  load_chunk(c, {count, 0, seen, nullptr}, 0, 0);
  std::memset(hidden, 0, sizeof hidden);
  const F limit = all((float)a.neg_ignore);
  for (int64_t g = begin_of(a.objects, image); g < end_of(a.objects, image); g++) {
    if (!u.able[g] || !touches(c.whole, u.box[g])) continue;
    for (int from = 0; from < kRuns; from += kFloats)
      for (uint32_t near = c.near(u.box[g], from); near; near &= near - 1) {
        const int run = (from + __builtin_ctz(near)) * kRun;
        for (int i = run; i < run + kRun; i += kFloats)
          store(hidden + i, load<I>(hidden + i) | (overlap(c, i, u.box[g]) > limit));
      }
  }
  int64_t* index = a.answer.index + at;
  float* quality = a.answer.quality + at;
  for (int64_t i = 0; i < count; i++) {
    quality[i] = 0.0f;
    if (index[i] >= 0) quality[i] = iou(prior_box(a.priors, image, begin + i), u.box[index[i]]);
    else if (index[i] == -1 && hidden[i]) index[i] = -2;
  }
}

int32_t uniform(const UniformArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const int64_t n = a.priors.count, images = o.images, entries = o.rows * 2 * a.times;
  if (!sound(o)) return kBadIndex;
  Uniform u = {a, (n + kChunk - 1) / kChunk, 0, 0, {}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  u.blocks = ((n + kGroup - 1) / kGroup + kFloats - 1) / kFloats * kFloats, u.stride = u.blocks * kGroup;
  for (Shapes& s : u.shapes)
    s = {memory.take<float>(images * 4 * u.stride), memory.take<double>(images * 8 * u.blocks)};
  u.box = memory.take<Box>(o.rows), u.able = memory.take<uint8_t>(o.rows), u.image = memory.take<int32_t>(o.rows);
  u.prior = memory.take<int32_t>(entries), u.distance = memory.take<float>(entries);
  u.last = memory.take<int64_t>(a.last_write ? images * n : 1), u.far = memory.take<float>(u.blocks * threads);
  const Completion done(a.priors, o, a.answer, memory);
  if (memory.failed) return kNoMemory;
  read_objects(o, u.box, u.able);
  for (int64_t i = 0; i < images; i++) {
    a.lost[i] = 0;
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) u.image[g] = (int32_t)i;
  }
  spread(workers(threads, (double)(images * n) * (5.0 + 0.3 * (double)a.network.columns)), images * u.chunks,
         [&](int64_t t, int) {
    constexpr int64_t kParcel = kChunk / kGroup;
    const int64_t image = t / u.chunks, from = t % u.chunks * kParcel;
    int64_t lost = 0;
    for (int64_t block = from; block < from + kParcel; block++) lost += read_block(u, image, block);
    __atomic_fetch_add(a.lost + image, lost, __ATOMIC_RELAXED);
  });
  spread(workers(threads, 3000.0 * (double)o.rows), o.rows,
         [&](int64_t g, int worker) { take_row(u, g, u.far + worker * u.blocks); });
  spread(workers(threads, (double)(images * n)), images, [&](int64_t image, int) { own_image(u, image); });
  spread(matching(threads, a.priors, o), images * u.chunks, [&](int64_t t, int) {
    const int64_t image = t / u.chunks, chunk = t % u.chunks, start = image * n + chunk * kChunk;
    hide_chunk(u, image, chunk);
    done.priors(start, start + (n - chunk * kChunk < kChunk ? n - chunk * kChunk : kChunk));
  });
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
