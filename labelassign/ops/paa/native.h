// Probabilistic anchor assignment, whole: its stages one after another, on memory that none of them gives away.
#pragma once
#include "../candidates/native.h"
#include "../complete/native.h"
#include "../mixture/settle.h"
#include "../resolve/native.h"

namespace LA_SET {
namespace {

// From lists to the answer, in which all priors are nobody's yet.
LA_INLINE int32_t finish(const SettleArguments& decide, const ResolveArguments& award, const Completion& done,
                         int threads, Memory& memory) {
  const int32_t code = settle(decide, threads, memory);
  if (code != kDone) return code;
  const Objects& o = done.rest.objects;
  spread(workers(threads, 2.0 * (double)(award.rows * award.width)), o.images, [&](int64_t image, int) {
    const int64_t from = begin_of(o, image), to = end_of(o, image);
    resolve_image(award, image, from, to);
    for (int64_t k = from * award.width; k < to * award.width; k++)
      if (award.prior[k] >= 0) done.award(image * award.priors + award.prior[k]);
  });
  done.rows();
  return kDone;
}

int32_t paa(const PaaArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const Answer& out = a.answer;
  const int64_t lists = o.rows * a.levels, width = a.levels * a.topk, choices = o.rows * width;
  auto* prior = memory.take<int64_t>(choices);
  auto* cost = memory.take<float>(choices);
  auto* iou = memory.take<float>(choices);
  auto* count = memory.take<int64_t>(lists);
  auto* moment = memory.take<double>(lists);  // of nobody's interest
  auto* reason = memory.take<int64_t>(o.rows);
  auto* state = memory.take<int8_t>(choices);
  const Completion done(a.priors, o, out, memory);
  if (memory.failed) return kNoMemory;
  const CandidateArguments propose = {
      a.priors, o, a.network, a.topk, 0, 0, a.pos_iou, a.claims, a.claims_take, a.shared, a.cost, prior, cost, iou, iou,
      count, moment, moment, reason, a.refused, a.levels, a.sizes};
  const SettleArguments decide = {o.rows, width, cost, a.fit, a.separation, state, a.steps, a.converged};
  const ResolveArguments award = {o.rows, width, o.images, a.priors.count, prior, state, cost, reason, o.offsets,
                                  out.index, out.quality, out.reason};
  const int32_t code = candidates(propose, threads, memory, &done);
  return code == kDone ? finish(decide, award, done, threads, memory) : code;
}

}  // namespace
}  // namespace LA_SET
