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

int32_t complete(const CompleteArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const int64_t n = a.priors, total = o.images * n, tasks = (total + 4 * kChunk - 1) / (4 * kChunk);
  if (!sound(o)) return kBadIndex;
  uint8_t* owns = memory.zeros<uint8_t>(o.rows);
  uint8_t* bad = memory.zeros<uint8_t>(1);
  if (memory.failed) return kNoMemory;
  spread(workers(threads, (double)total), tasks, [&](int64_t t, int) {
    const int64_t end = (t + 1) * 4 * kChunk < total ? (t + 1) * 4 * kChunk : total;
    const int64_t start = t * 4 * kChunk;
    int64_t highest = -1;
    for (int64_t i = start; i < end; i++) {
      const int64_t index = a.valid && !a.valid[i] ? -2 : a.given[i];
      highest = index > highest ? index : highest;
      a.index[i] = index;
    }
    if (highest >= o.rows) {
      __atomic_store_n(bad, (uint8_t)1, __ATOMIC_RELAXED);
      return;
    }
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
  });
  for (int64_t g = 0; g < o.rows; g++) {
    const int64_t given = a.reason_in[g];
    int64_t reason = owns[g] ? (given == kRescued ? kRescued : kFine) : given == kFine || given == kRescued ? kLost : given;
    if (!formed(o, g)) reason = kInvalid;
    if (o.ignore[g]) reason = kIgnored;
    if (g >= o.offsets[o.images]) reason = kPadding;
    a.reason[g] = (int8_t)reason;
  }
  return *bad ? kBadIndex : kDone;
}

// The same in place, for a method that has written index, quality and reason, and whose targets are hard.
LA_INLINE int32_t finish(const Priors& p, const Objects& o, const Answer& a, int threads, Memory& memory) {
  const CompleteArguments rest = {o, p.count, p.step, a.index, a.reason, nullptr, p.boxes, p.valid, a.ignore_iof,
                                  a.index, a.target, a.cls_weight, a.loc_weight, a.reason};
  return complete(rest, threads, memory);
}

}  // namespace
}  // namespace LA_SET
