// Nearest priors of every object on every level, the threshold over their overlaps, and who wins a prior.
#pragma once
#include "../complete/native.h"
#include "../native/shortlist.h"

namespace LA_SET {
namespace {

constexpr int kSpot = 64;  // priors in one block of centres

// Centres of the priors of one image, and the boxes around blocks of them.
struct Centres {
  const float* x;
  const float* y;
  const float* block;  // their sides x1, y1, x2, y2, [4, blocks] with whole registers
};
// Squared distances from a point to boxes of points: rounding is monotone, so no centre inside comes out nearer.
LA_INLINE F nearest_possible(const float* block, int64_t stride, float x, float y) {
  const F none = all(0.0f), px = all(x), py = all(y);
  const F dx = larger(larger(load<F>(block) - px, px - load<F>(block + 2 * stride)), none);
  const F dy = larger(larger(load<F>(block + stride) - py, py - load<F>(block + 3 * stride)), none);
  return dx * dx + dy * dy;
}

LA_INLINE void visit(const Centres& c, int64_t from, int64_t to, float x, float y, Shortlist& best) {
  for (int64_t i = from; i < to; i += kFloats) {
    const F dx = load<F>(c.x + i) - all(x), dy = load<F>(c.y + i) - all(y), d = dx * dx + dy * dy;
    uint32_t near = lanes(best.worst() < kInfinity ? at_most(d, all(best.worst())) : d < all(kInfinity));
    if (to - i < kFloats) near &= (1u << (to - i)) - 1;
    if (!near) continue;
    float value[kFloats];
    store(value, d);
    for (; near; near &= near - 1) {
      const int k = __builtin_ctz(near);
      if (value[k] <= best.worst()) best.put(value[k], (int32_t)(i + k));
    }
  }
}

// The first block, from its nearest prior outwards: on a grid distances rise that way, and nothing has to make room.
LA_INLINE void visit_first(const Centres& c, int64_t from, int64_t to, float x, float y, Shortlist& best) {
  float d[kSpot + kFloats];
  F low = all(kInfinity);
  const int64_t count = to - from;
  for (int64_t i = 0; i < count; i += kFloats) {
    const F dx = load<F>(c.x + from + i) - all(x), dy = load<F>(c.y + from + i) - all(y), value = dx * dx + dy * dy;
    low = smaller(value, low);
    store(d + i, value);
  }
  for (int64_t i = count; i < kSpot; i++) d[i] = kInfinity;
  const float nearest = smallest(low);
  int64_t right = 0;
  while (right < kSpot && d[right] != nearest) right++;
  int64_t left = right - 1;
  while (left >= 0 || right < count) {
    const bool on = right < count && (left < 0 || d[right] <= d[left]);
    const float value = d[on ? right : left];
    if (value < kInfinity && value <= best.worst()) best.put(value, (int32_t)(from + (on ? right : left)));
    if (on) right++;
    else left--;
  }
}

struct Adaptive {
  const AtssArguments& a;
  int64_t blocks;      // of all levels, each rounded up to whole registers
  int64_t stride;      // priors, rounded up so that whole registers can be read
  float *x, *y;        // [images or 1, stride], infinitely far where a prior is invalid or not finite
  float* block;        // [images or 1, 4, blocks]
  Box* box;            // [rows], tame
  uint8_t* able;
  int32_t* image;
  int32_t* prior;      // [rows, levels * topk], kept ones first
  float* iou;
  int32_t* kept;       // [rows]
};

LA_INLINE int64_t blocks_of(int64_t priors) { return ((priors + kSpot - 1) / kSpot + kFloats - 1) / kFloats * kFloats; }

// infinity from the lane `count` on: what lies there belongs to the next level
LA_INLINE F upto(F a, int64_t count) {
  float l[kFloats];
  store(l, a);
  for (int64_t k = count; k < kFloats; k++) l[k] = kInfinity;
  return load<F>(l);
}

LA_INLINE void centre_image(const Adaptive& s, int64_t copy) {
  const Priors& p = s.a.priors;
  float *x = s.x + copy * s.stride, *y = s.y + copy * s.stride;
  const float* boxes = p.boxes + (p.step ? copy * p.step : 0) * 4;
  const uint8_t* valid = p.valid ? p.valid + copy * p.count : nullptr;
  // without branches, for the compiler to take many priors at once
  for (int64_t n = 0; n < p.count; n++) {
    const float x1 = boxes[4 * n], y1 = boxes[4 * n + 1], x2 = boxes[4 * n + 2], y2 = boxes[4 * n + 3];
    const bool sound = ((x1 - x1) + (y1 - y1)) + ((x2 - x2) + (y2 - y2)) == 0.0f;
    x[n] = sound ? (x1 + x2) / 2 : kInfinity, y[n] = sound ? (y1 + y2) / 2 : kInfinity;
  }
  for (int64_t n = 0; valid && n < p.count; n++)
    if (!valid[n]) x[n] = y[n] = kInfinity;
  for (int64_t n = p.count; n < s.stride; n++) x[n] = y[n] = kInfinity;
  float* out = s.block + copy * 4 * s.blocks;
  int64_t begin = 0;
  for (int64_t level = 0; level < s.a.levels; level++) {
    const int64_t end = begin + s.a.sizes[level], blocks = blocks_of(s.a.sizes[level]);
    for (int64_t k = 0; k < blocks; k++) {
      // a block without priors, or with none that is anywhere, is infinitely far
      const F none = all(kInfinity), under = all(-kInfinity);
      F x1 = none, y1 = none, x2 = under, y2 = under;
      const int64_t first = begin + k * kSpot, last = first + kSpot < end ? first + kSpot : end;
      for (int64_t n = first; n < last; n += kFloats) {
        F px = load<F>(x + n), py = load<F>(y + n);
        if (last - n < kFloats) px = upto(px, last - n), py = upto(py, last - n);
        x1 = smaller(px, x1), y1 = smaller(py, y1);
        x2 = larger(select(px < none, px, under), x2), y2 = larger(select(py < none, py, under), y2);
      }
      const Box hull = {smallest(x1), smallest(y1), largest(x2), largest(y2)};
      out[k] = hull.x1, out[s.blocks + k] = hull.y1, out[2 * s.blocks + k] = hull.x2, out[3 * s.blocks + k] = hull.y2;
    }
    out += blocks;
    begin = end;
  }
}

// The nearest of one level, those blocks first that may hold them.
LA_INLINE void nearest_level(const Centres& c, int64_t stride, int64_t begin, int64_t end, float x, float y, float* far,
                             Shortlist& best) {
  const int64_t blocks = blocks_of(end - begin);
  F low = all(kInfinity);
  for (int64_t k = 0; k < blocks; k += kFloats) {
    const F d = nearest_possible(c.block + k, stride, x, y);
    low = smaller(d, low);
    store(far + k, d);
  }
  const float nearest = smallest(low);
  if (!(nearest < kInfinity)) return;
  const auto end_of_block = [&](int64_t k) { return begin + (k + 1) * kSpot < end ? begin + (k + 1) * kSpot : end; };
  int64_t first = 0;
  while (far[first] != nearest) first++;
  visit_first(c, begin + first * kSpot, end_of_block(first), x, y, best);
  far[first] = kInfinity;
  // then those close by, which leave little to be found in the rest
  for (int pass = 0; pass < 2; pass++) {
    const float close = pass == 0 && best.worst() < kInfinity ? best.worst() * 0.125f : kInfinity;
    for (int64_t k = 0; k < blocks; k += kFloats) {
      const float reach = least(close, best.worst());
      const F d = load<F>(far + k);
      uint32_t near = lanes(reach < kInfinity ? at_most(d, all(reach)) : d < all(kInfinity));
      for (; near; near &= near - 1) {
        const int64_t i = k + __builtin_ctz(near);
        if (far[i] > best.worst()) continue;
        visit(c, begin + i * kSpot, end_of_block(i), x, y, best);
        far[i] = kInfinity;
      }
    }
    if (!(close < kInfinity)) return;
  }
}

LA_INLINE float threshold(const float* iou, int64_t count, bool keep_single) {
  double total = 0, squares = 0;
  for (int64_t k = 0; k < count; k++) total += iou[k];
  const double mean = total / (double)(count < 1 ? 1 : count);
  for (int64_t k = 0; k < count; k++) squares += (iou[k] - mean) * (iou[k] - mean);
  if (!keep_single && count == 1) return kInfinity;
  return (float)(mean + __builtin_sqrt(squares / (double)(count < 2 ? 1 : count - 1)));
}

LA_INLINE void adapt_row(const Adaptive& s, int64_t g, float* distance, float* far) {
  const AtssArguments& a = s.a;
  const int64_t room = a.levels * a.topk, copy = s.a.priors.step || s.a.priors.valid ? s.image[g] : 0;
  int32_t* prior = s.prior + g * room;
  float* iou = s.iou + g * room;
  const Box target = s.box[g];
  const float x = (target.x1 + target.x2) / 2, y = (target.y1 + target.y2) / 2;
  Centres c = {s.x + copy * s.stride, s.y + copy * s.stride, s.block + copy * 4 * s.blocks};
  int64_t begin = 0, found = 0;
  for (int64_t level = 0; s.able[g] && level < a.levels; level++) {
    Shortlist best = {distance, prior + found, a.topk, 0};
    nearest_level(c, s.blocks, begin, begin + a.sizes[level], x, y, far, best);
    found += best.held;
    c.block += blocks_of(a.sizes[level]);
    begin += a.sizes[level];
  }
  const float* boxes = a.priors.boxes + (int64_t)s.image[g] * a.priors.step * 4;
  for (int64_t k = 0; k < found; k++) iou[k] = LA_SET::iou(tame(box_at(boxes + prior[k] * (int64_t)4)), target);
  const float least_iou = threshold(iou, found, a.keep_single != 0), margin = (float)a.margin;
  int32_t kept = 0;
  for (int64_t k = 0; k < found; k++) {
    const Box b = tame(box_at(boxes + prior[k] * (int64_t)4));
    const float cx = (b.x1 + b.x2) / 2, cy = (b.y1 + b.y2) / 2;
    const float inside = least(least(cx - target.x1, cy - target.y1), least(target.x2 - cx, target.y2 - cy));
    if (iou[k] >= least_iou && inside > margin) prior[kept] = prior[k], iou[kept] = iou[k], kept++;
  }
  s.kept[g] = kept;
  a.answer.reason[g] = (int8_t)(kept ? kFine : found ? kRejected : kNoCandidate);
}

int32_t atss(const AtssArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const int64_t n = a.priors.count, room = a.levels * a.topk, copies = a.priors.step || a.priors.valid ? o.images : 1;
  if (!sound(o)) return kBadIndex;
  Adaptive s = {a, 0, (n + kSpot) / 16 * 16 + 16, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  for (int64_t level = 0; level < a.levels; level++) s.blocks += blocks_of(a.sizes[level]);
  s.x = memory.take<float>(copies * s.stride), s.y = memory.take<float>(copies * s.stride);
  s.block = memory.take<float>(copies * 4 * s.blocks);
  Matcher m;
  m.box = memory.take<Box>(o.rows), m.able = memory.take<uint8_t>(o.rows);
  s.image = memory.take<int32_t>(o.rows);
  s.prior = memory.take<int32_t>(o.rows * room), s.iou = memory.take<float>(o.rows * room);
  s.kept = memory.take<int32_t>(o.rows);
  float* distance = memory.take<float>((a.topk + s.blocks) * threads);
  const Completion done(a.priors, o, a.answer, memory);
  if (memory.failed) return kNoMemory;
  s.box = m.box, s.able = m.able;
  read_objects(o, m.box, m.able);
  for (int64_t i = 0; i < o.images; i++)
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) s.image[g] = (int32_t)i;
  bool any = false;  // without an object nobody asks where priors are
  for (int64_t g = 0; g < o.rows; g++) any |= s.able[g] != 0;
  spread(workers(threads, (double)(copies * n)), any ? copies : 0, [&](int64_t copy, int) { centre_image(s, copy); });
  spread(workers(threads, 3000.0 * (double)o.rows), o.rows, [&](int64_t g, int worker) {
    float* far = distance + worker * (a.topk + s.blocks);
    adapt_row(s, g, far + s.blocks, far);
  });
  spread(workers(threads, (double)(o.images * n)), o.images, [&](int64_t image, int) {
    int64_t* index = a.answer.index + image * n;
    float* quality = a.answer.quality + image * n;
    done.nobody(image * n, image * n + n);
    // the highest overlap wins, then the lower row
    for (int64_t g = begin_of(o, image); g < end_of(o, image); g++)
      for (int64_t k = 0; k < s.kept[g]; k++) {
        const int32_t prior = s.prior[g * room + k];
        const float iou = least(s.iou[g * room + k], 1.0f);
        if (index[prior] < 0 || iou > quality[prior]) index[prior] = g, quality[prior] = iou;
      }
    for (int64_t g = begin_of(o, image); g < end_of(o, image); g++)
      for (int64_t k = 0; k < s.kept[g]; k++) done.award(image * n + s.prior[g * room + k]);
  });
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
