// Thresholds on best overlaps, and what becomes of claims.
#pragma once
#include "../complete/native.h"

namespace LA_SET {
namespace {

int32_t max_iou(const MaxIouArguments& a, int threads, Memory& memory) {
  Matcher m;
  const Objects& o = a.objects;
  if (!sound(o)) return kBadIndex;
  if (!make_matcher(m, a.priors, o, memory)) return kNoMemory;
  uint8_t* unaided = memory.zeros<uint8_t>(o.rows);
  const Completion done(a.priors, o, a.answer, memory);
  if (memory.failed) return kNoMemory;
  const int64_t tasks = o.images * m.chunks, n = a.priors.count;
  threads = matching(threads, a.priors, o);
  const float pos = (float)a.pos_iou, lo = (float)a.lo, hi = (float)a.hi;
  spread(threads, tasks, [&](int64_t t, int) { match_chunk(m, t / m.chunks, t % m.chunks); });
  spread(threads, tasks, [&](int64_t t, int) {
    const int64_t image = t / m.chunks, begin = (t % m.chunks) * kChunk, at = image * n + begin;
    int32_t claim[kChunk];
    claim_chunk(m, a.claims, image, t % m.chunks, claim);
    // without branches, for the compiler to take many priors at once
    const int64_t count = n - begin < kChunk ? n - begin : kChunk;
    const float* iou = m.iou + at;
    const int32_t* row = m.row + at;
    const bool take = a.claims_take != 0;
    int32_t index[kChunk], served = 0;
    for (int64_t i = 0; i < count; i++) {
      // a prior of an image without objects has overlap 0, whatever the interval
      const int32_t rest = ((iou[i] >= lo) & (iou[i] < hi)) | (row[i] < 0) ? -1 : -2;
      const bool enough = (iou[i] >= pos) & (row[i] >= 0);
      const int32_t own = enough ? row[i] : rest, claimed = take ? claim[i] : row[i];
      index[i] = claim[i] >= 0 ? claimed : own;
      served |= enough & (index[i] == row[i]);
    }
    for (int64_t i = 0; i < count; i++) a.answer.index[at + i] = index[i];
    std::memcpy(a.answer.quality + at, iou, (size_t)count * 4);
    for (int64_t i = 0; served && i < count; i++)
      if (iou[i] >= pos && row[i] >= 0 && index[i] == row[i])
        __atomic_store_n(unaided + row[i], (uint8_t)1, __ATOMIC_RELAXED);
    done.priors(at, at + count);
  });
  for (int64_t i = 0; i < o.images; i++)
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) {
      const float best = bits_float(m.best[g]);
      int64_t reason = best >= pos ? kFine : best > 0 ? kRejected : kNoCandidate;
      const bool reached = m.first_prior[i] >= 0, wants = best > 0 || (a.claims.zero_rescues && reached);
      if (a.claims.rescue != kOff && best >= (float)a.claims.min_iou && wants && !unaided[g]) reason = kRescued;
      a.answer.reason[g] = (int8_t)reason;
    }
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
