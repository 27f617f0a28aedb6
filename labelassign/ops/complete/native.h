// Ignored regions, invalid priors, weights and the final reasons.
#pragma once
#include "../match/native.h"

namespace LA_SET {
namespace {

// share of the area of b inside r; for a box without area 1 or 0: its centre is inside or not
LA_INLINE float covered(Box b, Box r) {
  const float size = area(b);
  if (size > 0) return intersection(b, r) / size;
  const float x = (b.x1 + b.x2) / 2, y = (b.y1 + b.y2) / 2;
  return x - r.x1 >= 0 && y - r.y1 >= 0 && r.x2 - x >= 0 && r.y2 - y >= 0 ? 1.0f : 0.0f;
}

// Index, target and weights of the priors start..end, counted through all images; whether an index is of no row.
LA_INLINE bool complete_priors(const CompleteArguments& a, int64_t start, int64_t end, uint8_t* owns) {
  const Objects& o = a.objects;
  const int64_t n = a.priors;
  int64_t highest = -1;
  for (int64_t i = start; i < end; i++) {
    const int64_t index = a.valid && !a.valid[i] ? -2 : a.given[i];
    highest = index > highest ? index : highest;
    a.index[i] = index;
  }
  if (highest >= o.rows) return true;
  const float share = (float)a.ignore_iof;
  for (int64_t g = 0; a.ignore_iof >= 0 && g < o.offsets[o.images]; g++) {
    const Box r = box_at(o.boxes + g * 4);
    if (!o.ignore[g] || !formed(r) || o.labels[g] < 0) continue;
    int64_t image = 0;
    while (g >= o.offsets[image + 1]) image++;
    int64_t from = image * n, to = from + n;
    if (from < start) from = start;
    if (to > end) to = end;
    for (int64_t i = from; i < to; i++) {
      const int64_t at = a.seen_step ? i : i - image * n;
      if (a.index[i] == -1 && covered(box_at(a.seen + at * 4), r) >= share) a.index[i] = -2;
    }
  }
  for (int64_t i = start; i < end; i++) {
    const float positive = a.index[i] >= 0 ? 1.0f : 0.0f;
    a.cls_weight[i] = a.index[i] != -2 ? 1.0f : 0.0f;
    a.loc_weight[i] = positive;
    a.target[i] = a.target_in ? a.target_in[i] * positive : positive;
  }
  for (int64_t i = start; highest >= 0 && i < end; i++)
    if (a.index[i] >= 0) __atomic_store_n(owns + a.index[i], (uint8_t)1, __ATOMIC_RELAXED);
  return false;
}
LA_INLINE void complete_rows(const CompleteArguments& a, const uint8_t* owns) {
  const Objects& o = a.objects;
  for (int64_t g = 0; g < o.rows; g++) {
    const int64_t given = a.reason_in[g];
    const bool served = given == kFine || given == kRescued;
    int64_t reason = owns[g] ? (given == kRescued ? kRescued : kFine) : served ? kLost : given;
    if (!formed(o, g)) reason = kInvalid;
    if (o.ignore[g]) reason = kIgnored;
    if (g >= o.offsets[o.images]) reason = kPadding;
    a.reason[g] = (int8_t)reason;
  }
}

int32_t complete(const CompleteArguments& a, int threads, Memory& memory) {
  const int64_t total = a.objects.images * a.priors, tasks = (total + 4 * kChunk - 1) / (4 * kChunk);
  if (!sound(a.objects)) return kBadIndex;
  uint8_t* owns = memory.zeros<uint8_t>(a.objects.rows);
  uint8_t* bad = memory.zeros<uint8_t>(1);
  if (memory.failed) return kNoMemory;
  spread(workers(threads, (double)total), tasks, [&](int64_t t, int) {
    const int64_t end = (t + 1) * 4 * kChunk < total ? (t + 1) * 4 * kChunk : total;
    if (complete_priors(a, t * 4 * kChunk, end, owns)) __atomic_store_n(bad, (uint8_t)1, __ATOMIC_RELAXED);
  });
  complete_rows(a, owns);
  return *bad ? kBadIndex : kDone;
}

// For a whole method, which completes its answer where it stands. Either its index is known and `complete_priors` does
// the rest; or every prior is background at first (`nobody`), and who comes to own some calls `award` for each.
struct Completion {
  CompleteArguments rest;
  float* quality;
  uint8_t* owns;

  LA_INLINE Completion(const Priors& p, const Objects& o, const Answer& a, Memory& memory)
      : rest{o, p.count, p.step, a.index, a.reason, nullptr, p.boxes, p.valid, a.ignore_iof,
             a.index, a.target, a.cls_weight, a.loc_weight, a.reason},
        quality(a.quality), owns(memory.zeros<uint8_t>(o.rows)) {}
  LA_INLINE void priors(int64_t start, int64_t end) const { complete_priors(rest, start, end, owns); }
  LA_INLINE void rows() const { complete_rows(rest, owns); }
  LA_INLINE void nobody(int64_t start, int64_t end) const {
    for (int64_t i = start; i < end; i++) rest.index[i] = -1, quality[i] = 0.0f;
    priors(start, end);
  }
  // the index of prior i has been decided
  LA_INLINE void award(int64_t i) const {
    const int64_t index = rest.index[i];
    rest.cls_weight[i] = index != -2 ? 1.0f : 0.0f;
    rest.target[i] = rest.loc_weight[i] = index >= 0 ? 1.0f : 0.0f;
    if (index >= 0) owns[index] = 1;  // rows of other images are other bytes
  }
};

}  // namespace
}  // namespace LA_SET
